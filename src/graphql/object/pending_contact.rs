//! An address or number that waits for its code.

use std::time::Duration;

use async_graphql::{Context, Object, Result};
use uuid::Uuid;

use super::challenge::Challenge;
use crate::{
    clock::Timestamp,
    graphql::{context::ContextExt, error, scalar::DateTime},
};

/// When to come again where the store did not answer.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// An address or number that waits for its code.
#[derive(Clone, Debug)]
pub struct PendingContact {
    value: String,
    expires_at: Timestamp,
    challenge_id: Option<Uuid>,
}

impl PendingContact {
    /// Of the columns of a user; none once its time is over.
    pub fn of(ctx: &Context<'_>, value: Option<&str>, expires_at: Option<Timestamp>, challenge_id: Option<Uuid>) -> Result<Option<Self>> {
        let now = ctx.app()?.clock.now();
        Ok(match (value, expires_at) {
            (Some(value), Some(expires_at)) if expires_at > now => Some(Self { value: value.to_owned(), expires_at, challenge_id }),
            _ => None,
        })
    }
}

#[Object]
impl PendingContact {
    async fn value(&self) -> &str {
        &self.value
    }

    async fn expires_at(&self) -> DateTime {
        DateTime(self.expires_at)
    }

    async fn challenge(&self, ctx: &Context<'_>) -> Result<Option<Challenge>> {
        let Some(id) = self.challenge_id else { return Ok(None) };
        let app = ctx.app()?;
        let found = app.challenges.find(id, app.clock.now()).await.map_err(|_| error::overloaded(STORE_RETRY))?;
        Ok(found.map(Challenge))
    }
}
