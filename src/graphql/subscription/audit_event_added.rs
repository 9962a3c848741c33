//! `auditEventAdded`.

use async_graphql::{Context, Result, Subscription};
use futures::Stream;

use super::{guarded, refused};
use crate::graphql::{
    auth_level::AuthLevel,
    context::ContextExt,
    guard::{Requires, auth},
    object::audit_event::{AuditEvent, AuditFilter},
};

/// Its field of the root.
#[derive(Default, Debug)]
pub struct AuditEventAdded;

#[Subscription]
impl AuditEventAdded {
    /// The audit log as it is written.
    #[graphql(directive = auth::apply(AuthLevel::Admin), guard = "Requires(AuthLevel::Admin)")]
    async fn audit_event_added(
        &self,
        ctx: &Context<'_>,
        filter: Option<AuditFilter>,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<AuditEvent>>> {
        let filter = filter.unwrap_or_default().read()?;
        let streams = &ctx.app()?.event_streams;
        let rows = streams.follow_audit(ctx.caller()?, move |row| filter.matches(row), after.as_deref()).await.map_err(refused)?;
        Ok(guarded(rows, |event| Some(AuditEvent(event.row.as_ref().clone()))))
    }
}
