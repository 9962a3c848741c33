//! `accountEvents`.

use async_graphql::{Context, Result, Subscription};
use futures::Stream;

use super::open;
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
pub struct AccountEvents;

#[Subscription]
impl AccountEvents {
    /// Changes of the signed-in user's account.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn account_events(&self, ctx: &Context<'_>, after: Option<String>) -> Result<impl Stream<Item = Result<AccountEvent>>> {
        open(ctx, Of::Account, after.as_deref(), AccountEvent::new).await
    }
}
