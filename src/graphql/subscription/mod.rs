//! Subscriptions: streams of what happens to the signed-in user, and for administrators and machines to everybody.

pub mod account_events;
pub mod all_session_events;
pub mod audit_event_added;
pub mod session_events;
pub mod user_events;

use std::{future, time::Duration};

use async_graphql::{Context, Error, ID, MergedSubscription, Result};
use futures::{StreamExt, stream, stream::BoxStream};
use uuid::Uuid;

use self::{
    account_events::AccountEvents, all_session_events::AllSessionEvents, audit_event_added::AuditEventAdded, session_events::SessionEvents,
    user_events::UserEvents,
};
use super::{context::ContextExt, error};
use crate::{
    events::{Of, Whose},
    flows::event_streams::{Guarded, Refusal, Told},
};

/// The root of all subscriptions.
#[derive(MergedSubscription, Default, Debug)]
pub struct Subscription(SessionEvents, AccountEvents, AllSessionEvents, UserEvents, AuditEventAdded);

/// The events of the caller as `tell` shows them, and at the end of the session its error, with which the socket closes.
async fn open<T: Send + 'static>(
    ctx: &Context<'_>,
    of: Of,
    after: Option<&str>,
    tell: impl Fn(Told) -> Option<T> + Send + 'static,
) -> Result<BoxStream<'static, Result<T>>> {
    let listener = ctx.caller()?.signed_in().map_err(error::unauthenticated)?;
    let told = ctx.app()?.event_streams.open(listener, of, after).await.map_err(refused)?;
    let shown = told.filter_map(move |told| future::ready(tell(told))).map(Ok);
    Ok(shown.chain(stream::once(future::ready(Err(error::session_ended())))).boxed())
}

/// The events of one user, or of everybody, as `tell` shows them; at the end why the caller may not have them any more.
async fn follow<T: Send + 'static>(
    ctx: &Context<'_>,
    (user_id, of): (Option<ID>, Of),
    after: Option<&str>,
    tell: impl Fn(Told) -> Option<T> + Send + 'static,
) -> Result<BoxStream<'static, Result<T>>> {
    let whose = match user_id {
        None => Whose::Everybody,
        Some(id) => Whose::One(Uuid::try_parse(&id).map_err(|_| error::bad_request("The user id is none."))?),
    };
    let told = ctx.app()?.event_streams.follow(ctx.caller()?, whose, of, after).await.map_err(refused)?;
    Ok(guarded(told, tell))
}

/// What a guarded stream tells, as `tell` shows it.
fn guarded<E: Send + 'static, T: Send + 'static>(
    told: Guarded<E>,
    tell: impl Fn(E) -> Option<T> + Send + 'static,
) -> BoxStream<'static, Result<T>> {
    let shown = told.filter_map(move |told| {
        future::ready(match told {
            Ok(told) => tell(told).map(Ok),
            Err(lost) => Some(Err(error::lost(lost))),
        })
    });
    shown.boxed()
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::CursorInvalid => error::bad_request("The cursor is not one of these events."),
        Refusal::CursorExpired => error::cursor_expired(),
        Refusal::SessionEnded => error::session_ended(),
        Refusal::Unauthenticated(reason) => error::unauthenticated(reason),
        Refusal::NotAllowed(lost) => error::lost(lost),
        Refusal::Unavailable => error::overloaded(Duration::from_secs(1)),
    }
}
