//! `allSessionEvents`.

use async_graphql::{Context, ID, Result, Subscription};
use futures::Stream;

use super::follow;
use crate::{
    events::Of,
    graphql::{
        auth_level::AuthLevel,
        guard::{Requires, auth},
        object::session_event::SessionEvent,
    },
};

/// Its field of the root.
#[derive(Default, Debug)]
pub struct AllSessionEvents;

#[Subscription]
impl AllSessionEvents {
    /// The sessions of all users, or of one.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn all_session_events(
        &self,
        ctx: &Context<'_>,
        user_id: Option<ID>,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<SessionEvent>>> {
        follow(ctx, (user_id, Of::Sessions), after.as_deref(), SessionEvent::new).await
    }
}
