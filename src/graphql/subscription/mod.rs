//! Subscriptions: streams of what happens to the signed-in user.

pub mod account_events;
pub mod session_events;

use std::{future, time::Duration};

use async_graphql::{Context, MergedSubscription, Result};
use futures::{StreamExt, stream, stream::BoxStream};

use self::{account_events::AccountEvents, session_events::SessionEvents};
use super::{context::ContextExt, error};
use crate::{
    events::Of,
    flows::event_streams::{Refusal, Told},
};

/// The root of all subscriptions.
#[derive(MergedSubscription, Default, Debug)]
pub struct Subscription(SessionEvents, AccountEvents);

/// The events of the caller as `tell` shows them, and at the end of the session its error, with which the socket closes.
async fn open<T: Send + 'static>(
    ctx: &Context<'_>,
    of: Of,
    after: Option<&str>,
    tell: impl Fn(Told) -> Option<T> + Send + 'static,
) -> Result<BoxStream<'static, Result<T>>> {
    let listener = ctx.caller()?.signed_in().map_err(error::unauthenticated)?;
    let told = ctx.app()?.event_streams.open(listener, of, after).await.map_err(|refusal| match refusal {
        Refusal::CursorInvalid => error::bad_request("The cursor is not one of these events."),
        Refusal::CursorExpired => error::cursor_expired(),
        Refusal::SessionEnded => error::session_ended(),
        Refusal::Unavailable => error::overloaded(Duration::from_secs(1)),
    })?;
    let shown = told.filter_map(move |told| future::ready(tell(told))).map(Ok);
    Ok(shown.chain(stream::once(future::ready(Err(error::session_ended())))).boxed())
}
