//! How the deployment does, for administrators.

use async_graphql::{Context, Object, Result};

use crate::{
    flows::statistics,
    graphql::{
        auth_level::AuthLevel,
        context::ContextExt,
        error,
        guard::{Requires, auth},
        object::{migration::Migration, statistics::Statistics},
    },
    storage::migrate,
};

/// How the deployment does, for administrators.
#[derive(Default)]
pub struct OperationQuery;

#[Object]
impl OperationQuery {
    /// Counts for a dashboard, taken at one moment.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn statistics(&self, ctx: &Context<'_>) -> Result<Statistics> {
        let snapshot = statistics::run(ctx.app()?).await.map_err(error::storage)?;
        Ok(Statistics::of(&snapshot))
    }

    /// The history of schema migrations, oldest first, with what is still pending.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn migrations(&self, ctx: &Context<'_>) -> Result<Vec<Migration>> {
        let entries = migrate::entries(&ctx.app()?.database).await.map_err(error::storage)?;
        Ok(entries.into_iter().map(Migration).collect())
    }
}
