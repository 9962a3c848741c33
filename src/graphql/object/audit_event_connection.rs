//! Pages of the audit log.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use async_graphql::{Context, Object, Result};

use super::audit_event::AuditEvent;
use crate::{
    events::cursor::AuditPlace,
    graphql::{
        connection::{Page, PageArguments, PageInfo},
        context::ContextExt,
        error,
    },
    storage::audit_search::{self, Filter, Place, Window},
};

/// A page of the audit log.
pub struct AuditEventConnection {
    rows: Vec<AuditEvent>,
    has_next: bool,
    has_previous: bool,
}

/// Which list it is a page of.
#[derive(Clone, Debug)]
pub enum List {
    /// All that a filter lets through.
    Of(Box<Filter>),
    /// The view of recent security events.
    RecentSecurity,
}

impl AuditEventConnection {
    /// Reads a page for the administrator who asks.
    pub async fn read(ctx: &Context<'_>, list: List, arguments: PageArguments) -> Result<Self> {
        let (app, reader) = (ctx.app()?, ctx.caller()?.principal().map_err(error::unauthenticated)?);
        let page = Page::<AuditPlace>::ask(app, reader.id, arguments)?;
        let place = |place: AuditPlace| Place { at: place.at, seq: place.position.seq };
        let window = Window { after: page.after.map(place), before: page.before.map(place), from_end: page.from_end, limit: page.size + 1 };
        let db = app.database.read();
        let rows = match list {
            List::Of(filter) => audit_search::list(db, &filter, window).await,
            List::RecentSecurity => audit_search::list_recent_security(db, window).await,
        };
        let (rows, has_next, has_previous) = page.cut(rows.map_err(error::storage)?);
        Ok(Self { rows: rows.into_iter().map(AuditEvent).collect(), has_next, has_previous })
    }
}

#[Object]
impl AuditEventConnection {
    async fn edges(&self) -> Vec<AuditEventEdge> {
        self.rows.iter().cloned().map(AuditEventEdge).collect()
    }

    async fn nodes(&self) -> &[AuditEvent] {
        &self.rows
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        let (app, reader) = (ctx.app()?, ctx.caller()?.principal().map_err(error::unauthenticated)?);
        Ok(PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|row| row.cursor_for(app, reader.id)),
            end_cursor: self.rows.last().map(|row| row.cursor_for(app, reader.id)),
        })
    }
}

/// An entry of the list.
pub struct AuditEventEdge(AuditEvent);

#[Object]
impl AuditEventEdge {
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let reader = ctx.caller()?.principal().map_err(error::unauthenticated)?;
        Ok(self.0.cursor_for(ctx.app()?, reader.id))
    }

    async fn node(&self) -> &AuditEvent {
        &self.0
    }
}
