//! What a sign-in page needs before anyone is signed in.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use async_graphql::{Context, ID, Object, Result};
use uuid::Uuid;

use crate::{
    domain::username::Username,
    ephemeral::rate_limits::{Rule, ip_subject},
    graphql::{
        context::ContextExt,
        error,
        object::{auth_config::AuthConfig, challenge::Challenge},
    },
    storage::users,
};

/// What a sign-in page needs before anyone is signed in.
#[derive(Default)]
pub struct DeploymentQuery;

#[Object]
impl DeploymentQuery {
    /// What this deployment offers: sign-up and sign-in methods, providers, password rules, limits.
    async fn auth_config(&self, ctx: &Context<'_>) -> Result<AuthConfig> {
        Ok(AuthConfig::of(ctx.app()?))
    }

    /// Whether a username is free and well formed. Rate limited.
    async fn username_available(&self, ctx: &Context<'_>, username: String) -> Result<bool> {
        let (app, caller) = (ctx.app()?, ctx.caller()?);
        let limit = app.rate_limits.take(Rule::UsernameAvailablePerIp, &ip_subject(caller.ip), app.clock.now()).await;
        limit.map_err(|limited| error::rate_limited(limited.retry_after))?;
        let Some(username) = Username::parse(&username) else { return Ok(false) };
        let holder = users::find_by_username(app.database.read(), username.as_str()).await.map_err(error::storage)?;
        Ok(holder.is_none())
    }

    /// How a code that was sent stands, also after a reload and for an hour after its end; null for an unknown id.
    async fn challenge(&self, ctx: &Context<'_>, id: ID) -> Option<Result<Challenge>> {
        let app = match ctx.app() {
            Ok(app) => app,
            Err(fault) => return Some(Err(fault)),
        };
        let id = Uuid::try_parse(&id).ok()?;
        match app.challenges.find(id, app.clock.now()).await {
            Ok(challenge) => challenge.map(|challenge| Ok(Challenge(challenge))),
            Err(_) => Some(Err(error::overloaded(std::time::Duration::from_secs(2)))),
        }
    }
}
