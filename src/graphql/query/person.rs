//! The person who asks.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, Error, ID, Object, Result};
use entity::users::Role;
use uuid::Uuid;

use crate::{
    flows::caller::{Caller, Identity, SignedIn},
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        error,
        guard::{Requires, auth, authorize, authorize_root},
        object::{node::Node, session::Session, user::User},
    },
    storage::{account_events::Positions, sessions, users},
};

/// When to come again where the database did not answer.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// The person who asks.
#[derive(Default)]
pub struct PersonQuery;

#[Object]
impl PersonQuery {
    /// The signed-in user; null without credentials, UNAUTHENTICATED where they no longer hold.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        who(ctx).transpose().map(|me| Ok(User(Arc::clone(&me?.live.user))))
    }

    /// The session this request belongs to; null and UNAUTHENTICATED as with `me`.
    async fn current_session(&self, ctx: &Context<'_>) -> Option<Result<Session>> {
        who(ctx).transpose().map(|me| Ok(Session::from(Arc::clone(&me?.live.session))))
    }

    /// An own user or session by its id; administrators reach all of them.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn))]
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Option<Result<Node>> {
        find_node(ctx, &id).await.transpose()
    }

    /// Where the event streams stand now: read state, then subscribe with this as `after`, and miss nothing in between.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn), guard = "Requires(AuthLevel::SignedIn)")]
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let principal = ctx.caller()?.principal().map_err(error::unauthenticated)?;
        // Taken before anything else of this operation was read, so that nothing can fall between the two.
        let Some(positions) = ctx.data_opt::<Positions>() else { return Err(error::overloaded(STORE_RETRY)) };
        Ok(ctx.app()?.event_streams.cursor_at(principal.id, *positions))
    }
}

/// Nobody without credentials, an error where they do not hold.
fn who<'a>(ctx: &'a Context<'_>) -> Result<Option<&'a SignedIn>, Error> {
    match &ctx.caller()?.identity {
        // A machine is nobody.
        Identity::Anonymous | Identity::Machine(_) => Ok(None),
        Identity::Refused(reason) | Identity::Past { reason, .. } => Err(error::unauthenticated(*reason)),
        Identity::Session(me) => Ok(Some(me)),
    }
}

async fn find_node(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    let (app, caller): (_, &Caller) = (ctx.app()?, ctx.caller()?);
    authorize_root(app, caller, AuthLevel::SignedIn, "node")?;
    let Ok(id) = Uuid::try_parse(id) else { return Ok(None) };
    let db = app.database.read();
    if !matches!(caller.identity, Identity::Machine(_)) {
        let me = caller.signed_in().map_err(error::unauthenticated)?;
        if id == me.live.user.id {
            return Ok(Some(Node::User(User(Arc::clone(&me.live.user)))));
        }
        let session = sessions::find_by_id(db, id).await.map_err(error::storage)?;
        if session.as_ref().map(|session| session.user_id) != Some(me.live.user.id) {
            // Who is no administrator learns nothing of what others have, not even that they may not.
            if me.live.user.role != Role::Admin {
                return Ok(None);
            }
            authorize(app, caller, AuthLevel::Admin)?;
        }
        if let Some(session) = session {
            return Ok(Some(Node::Session(session.into())));
        }
    }
    Ok(users::find_by_id(db, id).await.map_err(error::storage)?.map(|user| Node::User(user.into())))
}
