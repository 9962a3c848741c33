//! `sessionEvents`.

use async_graphql::{Context, Result, Subscription};
use futures::Stream;

use super::open;
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
pub struct SessionEvents;

#[Subscription]
impl SessionEvents {
    /// What happens to the signed-in user's sessions, on every instance of the server. With `after` (a cursor of an earlier event) it first
    /// replays what was missed; one too old for the log (30 days) is refused with CURSOR_EXPIRED. The stream lives as long as its session, not its access token. When the
    /// session ends, its last event says so and the server closes the socket with 4401.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn session_events(&self, ctx: &Context<'_>, after: Option<String>) -> Result<impl Stream<Item = Result<SessionEvent>>> {
        open(ctx, Of::Sessions, after.as_deref(), SessionEvent::new).await
    }
}
