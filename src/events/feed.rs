//! All rows of a log in their order, without end: replayed by pages, then live, without a gap or a double between the two.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use entity::{account_events, user_audit_log};
use uuid::Uuid;

use super::{
    Events,
    registry::{Attachment, Registry, Whose},
};
use crate::storage::{
    account_events::{self as event_log, Position, Positions},
    audit_outbox as audit_log,
    database::Database,
    error::StorageError,
};

/// Rows of one reading of a replay.
const PAGE: u64 = 100;
/// The same where most rows may be passed over.
const FILTERED_PAGE: u64 = 500;
/// Before a replay asks a database again that did not answer.
const RETRY: Duration = Duration::from_millis(250);

/// A row of one of the two logs.
pub trait Row: Send + Sync + 'static {
    /// Where it stands in its log.
    fn position(&self) -> Position;
}

impl Row for account_events::Model {
    fn position(&self) -> Position {
        event_log::position(self)
    }
}

impl Row for user_audit_log::Model {
    fn position(&self) -> Position {
        audit_log::position(self)
    }
}

/// What a feed must know of its log.
pub(super) trait Log: Send + Sync + 'static {
    type Row: Row;

    /// Where this log stands.
    fn own(positions: &mut Positions) -> &mut Position;
    /// Where the other one stands.
    fn beside(positions: &mut Positions) -> &mut Position;
    fn attach(&self, registry: &mut Registry) -> Attachment<Self::Row>;
    fn detach(&self, registry: &mut Registry, id: u64);
    /// A page of what came after one position, up to and with another that is settled, and how long a whole page is.
    fn list(
        &self,
        database: &Database,
        after: Position,
        until: Position,
    ) -> impl Future<Output = Result<(Vec<Self::Row>, u64), StorageError>> + Send;
}

/// The events of one user or of everybody.
pub(super) struct EventsOf(pub Whose);

impl Log for EventsOf {
    type Row = account_events::Model;

    fn own(positions: &mut Positions) -> &mut Position {
        &mut positions.events
    }

    fn beside(positions: &mut Positions) -> &mut Position {
        &mut positions.audit
    }

    fn attach(&self, registry: &mut Registry) -> Attachment<Self::Row> {
        registry.attach(self.0)
    }

    fn detach(&self, registry: &mut Registry, id: u64) {
        registry.detach(self.0, id);
    }

    async fn list(&self, database: &Database, after: Position, until: Position) -> Result<(Vec<Self::Row>, u64), StorageError> {
        let user_id: Option<Uuid> = match self.0 {
            Whose::One(user_id) => Some(user_id),
            Whose::Everybody => None,
        };
        Ok((event_log::list_between(database, user_id, after, until, PAGE).await?, PAGE))
    }
}

/// The audit log.
pub(super) struct AuditLog;

impl Log for AuditLog {
    type Row = user_audit_log::Model;

    fn own(positions: &mut Positions) -> &mut Position {
        &mut positions.audit
    }

    fn beside(positions: &mut Positions) -> &mut Position {
        &mut positions.events
    }

    fn attach(&self, registry: &mut Registry) -> Attachment<Self::Row> {
        registry.attach_audit()
    }

    fn detach(&self, registry: &mut Registry, id: u64) {
        registry.detach_audit(id);
    }

    async fn list(&self, database: &Database, after: Position, until: Position) -> Result<(Vec<Self::Row>, u64), StorageError> {
        Ok((audit_log::list_between(database, after, until, FILTERED_PAGE).await?, FILTERED_PAGE))
    }
}

/// All rows of a log in their order, without end. Every step can be cancelled and taken again.
pub(super) struct Feed<L: Log> {
    events: Events,
    log: L,
    /// All up to here was told or passed over.
    pub done: Positions,
    /// Rows of a replay that are not told yet, and where it stands after them.
    page: VecDeque<L::Row>,
    page_until: Position,
    /// None: behind the live log, and reading it by pages.
    live: Option<Attachment<L::Row>>,
}

impl<L: Log> Feed<L> {
    pub fn begin(events: Events, log: L, after: Option<Positions>) -> Self {
        // With a cursor it attaches once it has caught up, so that a long replay does not fill its buffer.
        let (mut done, live) = if let Some(after) = after {
            (after, None)
        } else {
            let attachment = log.attach(&mut events.0.registry());
            (attachment.since, Some(attachment))
        };
        let page_until = *L::own(&mut done);
        Self { events, log, done, page: VecDeque::new(), page_until, live }
    }

    pub async fn next(&mut self) -> Arc<L::Row> {
        loop {
            if let Some(row) = self.page.pop_front() {
                *L::own(&mut self.done) = row.position();
                return Arc::new(row);
            }
            let done = (*L::own(&mut self.done)).max(self.page_until);
            *L::own(&mut self.done) = done;
            let Some(live) = &mut self.live else {
                let until = *L::own(&mut self.events.positions());
                if done < until {
                    self.replay(until).await;
                } else {
                    self.live = Some(self.log.attach(&mut self.events.0.registry()));
                }
                continue;
            };
            let since = *L::own(&mut live.since);
            if done < since {
                self.replay(since).await;
                continue;
            }
            match live.deliveries.recv().await {
                // A cursor may be ahead of this instance's reader.
                Some(delivery) if delivery.row.position() <= done => {}
                Some(delivery) => {
                    *L::own(&mut self.done) = delivery.row.position();
                    let beside = L::beside(&mut self.done);
                    *beside = (*beside).max(delivery.beside);
                    return delivery.row;
                }
                // Fell behind: what was buffered is told, the rest comes from the log.
                None => self.live = None,
            }
        }
    }

    /// Reads a page of what came after `done`. All up to `until` is settled, so that nothing can appear in between later.
    async fn replay(&mut self, until: Position) {
        let done = *L::own(&mut self.done);
        match self.log.list(&self.events.0.database, done, until).await {
            Ok((rows, whole_page)) => {
                self.page_until = if (rows.len() as u64) < whole_page { until } else { done };
                self.page = rows.into();
            }
            Err(error) => {
                tracing::debug!(%error, "a replay waits for the database");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

impl<L: Log> Drop for Feed<L> {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            self.log.detach(&mut self.events.0.registry(), live.id);
        }
    }
}
