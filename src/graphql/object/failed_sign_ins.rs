//! An account at which somebody failed to sign in, for administrators.

use async_graphql::{Context, Object, Result};

use super::{audit_event, user::User};
use crate::{graphql::scalar::DateTime, storage::audit_search};

/// Addresses that are told of one account.
const MOST_ADDRESSES: usize = 100;

/// An account at which somebody failed to sign in, three times or more in 24 hours.
#[derive(Clone, Debug)]
pub struct FailedSignIns(pub audit_search::FailedSignIns);

#[Object]
impl FailedSignIns {
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        audit_event::user(ctx, Some(self.0.user_id)).await
    }

    async fn attempt_count(&self) -> i32 {
        i32::try_from(self.0.attempt_count).unwrap_or(i32::MAX)
    }

    async fn last_attempt_at(&self) -> DateTime {
        self.0.last_attempt_at.into()
    }

    async fn ip_addresses(&self) -> Vec<&str> {
        self.0.ip_addresses.as_array().into_iter().flatten().filter_map(|address| address.as_str()).take(MOST_ADDRESSES).collect()
    }
}
