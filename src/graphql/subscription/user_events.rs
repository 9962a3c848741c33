//! `userEvents`.

use async_graphql::{Context, ID, Result, Subscription};
use futures::Stream;

use super::follow;
use crate::{
    events::Of,
    graphql::{
        auth_level::AuthLevel,
        guard::{Requires, auth},
        object::account_event::AccountEvent,
    },
};

/// Its field of the root.
#[derive(Default, Debug)]
pub struct UserEvents;

#[Subscription]
impl UserEvents {
    /// Users created and changed.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn user_events(
        &self,
        ctx: &Context<'_>,
        user_id: Option<ID>,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<AccountEvent>>> {
        follow(ctx, (user_id, Of::Account), after.as_deref(), AccountEvent::new).await
    }
}
