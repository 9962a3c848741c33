//! What happened, for administrators.

use async_graphql::{Context, Object, Result};

use crate::{
    graphql::{
        auth_level::AuthLevel,
        connection::PageArguments,
        context::ContextExt,
        error,
        guard::{Requires, auth},
        object::{
            audit_event::AuditFilter,
            audit_event_connection::{AuditEventConnection, List},
            failed_sign_ins::FailedSignIns,
            password_reset_attempt::{PasswordResetAttemptConnection, PasswordResetAttemptFilter},
        },
    },
    storage::audit_search,
};

/// Accounts of `failedSignIns` where their number is not asked for.
const DEFAULT_ACCOUNTS: i32 = 50;
const MOST_ACCOUNTS: u64 = 100;

/// What happened, for administrators.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// The audit log, newest first.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        filter: Option<AuditFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<AuditEventConnection> {
        let wanted = List::Of(Box::new(filter.unwrap_or_default().read()?));
        AuditEventConnection::read(ctx, wanted, PageArguments { first, after, last, before }).await
    }

    /// Security events of the last 7 days, newest first: the view `recent_security_events`.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn recent_security_events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<AuditEventConnection> {
        AuditEventConnection::read(ctx, List::RecentSecurity, PageArguments { first, after, last, before }).await
    }

    /// Accounts with three or more failed sign-ins in 24 hours, most first: the view `failed_login_attempts`.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn failed_sign_ins(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(DEFAULT_ACCOUNTS)")] first: Option<i32>,
    ) -> Result<Vec<FailedSignIns>> {
        let limit = u64::try_from(first.unwrap_or(DEFAULT_ACCOUNTS)).ok().filter(|limit| (1..=MOST_ACCOUNTS).contains(limit));
        let limit = limit.ok_or_else(|| error::bad_request(format!("`first` must be between 1 and {MOST_ACCOUNTS}.")))?;
        let rows = audit_search::list_failed_sign_ins(ctx.app()?.database.read(), limit).await.map_err(error::storage)?;
        Ok(rows.into_iter().map(FailedSignIns).collect())
    }

    /// Every password reset that was asked for, newest first.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn password_reset_attempts(
        &self,
        ctx: &Context<'_>,
        filter: Option<PasswordResetAttemptFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<PasswordResetAttemptConnection> {
        PasswordResetAttemptConnection::read(ctx, filter, PageArguments { first, after, last, before }).await
    }
}
