//! Users and sessions, for administrators.

use std::sync::Arc;

use async_graphql::{Context, Error, ID, Object, Result};
use uuid::Uuid;

use crate::{
    flows::caller::Principal,
    graphql::{
        auth_level::AuthLevel,
        connection::PageArguments,
        context::ContextExt,
        error,
        guard::{Requires, auth},
        object::{
            session::Session,
            session_connection::{SessionConnection, SessionFilter},
            user::User,
            user_connection::{UserConnection, UserFilter, UserOrder},
        },
    },
    storage::{sessions, users},
};

/// Users and sessions.
#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn user(&self, ctx: &Context<'_>, id: ID) -> Option<Result<User>> {
        find_user(ctx, &id).await.transpose()
    }

    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    #[expect(clippy::too_many_arguments, reason = "the contract's")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        filter: Option<UserFilter>,
        order_by: Option<UserOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<UserConnection> {
        let owner = principal(ctx)?.id;
        UserConnection::read(ctx, owner, (filter, order_by), PageArguments { first, after, last, before }).await
    }

    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn session(&self, ctx: &Context<'_>, id: ID) -> Option<Result<Session>> {
        find_session(ctx, &id).await.transpose()
    }

    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        filter: Option<SessionFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<SessionConnection> {
        let owner = principal(ctx)?.id;
        SessionConnection::of_everybody(ctx, owner, filter, PageArguments { first, after, last, before }).await
    }
}

fn principal(ctx: &Context<'_>) -> Result<Principal, Error> {
    ctx.caller()?.principal().map_err(error::unauthenticated)
}

async fn find_user(ctx: &Context<'_>, id: &ID) -> Result<Option<User>> {
    let Ok(id) = Uuid::try_parse(id) else { return Ok(None) };
    let found = users::find_by_id(ctx.app()?.database.read(), id).await.map_err(error::storage)?;
    Ok(found.map(|user| User(Arc::new(user))))
}

async fn find_session(ctx: &Context<'_>, id: &ID) -> Result<Option<Session>> {
    let Ok(id) = Uuid::try_parse(id) else { return Ok(None) };
    let found = sessions::find_by_id(ctx.app()?.database.read(), id).await.map_err(error::storage)?;
    Ok(found.map(Session::from))
}
