//! One stream of events: replayed from the log, then live, without a gap or a double between the two.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use entity::account_events::{Kind, Model};
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::time::Instant;
use uuid::Uuid;

use super::{End, Events, SessionWatch, SubscribeTo, ends_session, registry::Attachment};
use crate::storage::account_events::{self, Position, Positions, position};

/// Rows of one reading of a replay.
const PAGE: u64 = 100;
/// Before a replay asks a database again that did not answer.
const RETRY: Duration = Duration::from_millis(250);
/// The end of a session is told in its order if that comes about within this time, and out of it afterwards.
const GRACE: Duration = Duration::from_millis(100);

/// Which kinds of events a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of sessions.
    Sessions,
    /// All others.
    Account,
}

impl Of {
    const fn includes(self, kind: Kind) -> bool {
        let of_session = matches!(
            kind,
            Kind::SessionCreated
                | Kind::SessionRefreshed
                | Kind::SessionMarkedSuspicious
                | Kind::SessionTrusted
                | Kind::SessionExpired
                | Kind::SessionRevoked
        );
        matches!((self, of_session), (Self::Sessions, true) | (Self::Account, false))
    }
}

/// An event as a stream tells it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The row of the log.
    pub row: Arc<Model>,
    /// A stream that is opened after this goes on with the next event.
    pub resume: Positions,
}

/// A stream of events that ends when its session does. It holds at most a page of rows, however slowly it is read.
pub struct Subscription(BoxStream<'static, Event>);

impl Subscription {
    pub(super) fn open(events: Events, to: &SubscribeTo) -> Self {
        let reading = Reading::begin(events, to);
        Self(futures::stream::unfold(reading, async |mut reading| reading.next().await.map(|event| (event, reading))).boxed())
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next_unpin(context)
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

struct Reading {
    feed: Feed,
    of: Of,
    session_id: Uuid,
    watch: SessionWatch,
    ending: Option<(Instant, End)>,
    over: bool,
}

impl Reading {
    fn begin(events: Events, to: &SubscribeTo) -> Self {
        let watch = SessionWatch::new(&events, to.session_id, to.session_expires_at);
        Self { feed: Feed::begin(events, to.user_id, to.after), of: to.of, session_id: to.session_id, watch, ending: None, over: false }
    }

    async fn next(&mut self) -> Option<Event> {
        while !self.over {
            let row = if let Some((since, end)) = &self.ending {
                // Nothing to tell: it expired, or the account's stream has waited long enough.
                let deadline = if end.event.is_some() { *since + GRACE } else { *since };
                match tokio::time::timeout_at(deadline, self.feed.next()).await {
                    Ok(row) if Instant::now() < deadline => row,
                    Ok(_) | Err(_) => return self.end_out_of_order(),
                }
            } else {
                tokio::select! {
                    biased;
                    end = self.watch.ended() => {
                        self.ending = Some((Instant::now(), end));
                        continue;
                    }
                    row = self.feed.next() => row,
                }
            };
            self.over = row.session_id == Some(self.session_id) && ends_session(row.kind);
            if self.of.includes(row.kind) {
                return Some(Event { row, resume: self.feed.done });
            }
        }
        None
    }

    /// The log is late, or older transactions are still open: the end is told all the same, and what could not be told before it is replayed after it.
    fn end_out_of_order(&mut self) -> Option<Event> {
        self.over = true;
        let row = self.ending.take()?.1.event?;
        self.of.includes(row.kind).then_some(Event { row, resume: self.feed.done })
    }
}

/// All events of a user in their order, without end. Every step can be cancelled and taken again.
struct Feed {
    events: Events,
    user_id: Uuid,
    /// All up to here was told or passed over.
    done: Positions,
    /// Rows of a replay that are not told yet, and where it stands after them.
    page: VecDeque<Model>,
    page_until: Position,
    /// None: behind the live log, and reading it by pages.
    live: Option<Attachment>,
}

impl Feed {
    fn begin(events: Events, user_id: Uuid, after: Option<Positions>) -> Self {
        // With a cursor it attaches once it has caught up, so that a long replay does not fill its buffer.
        let (done, live) = if let Some(after) = after {
            (after, None)
        } else {
            let attachment = events.0.registry().attach(user_id);
            (attachment.since, Some(attachment))
        };
        Self { events, user_id, done, page: VecDeque::new(), page_until: done.events, live }
    }

    async fn next(&mut self) -> Arc<Model> {
        loop {
            if let Some(row) = self.page.pop_front() {
                self.done.events = position(&row);
                return Arc::new(row);
            }
            self.done.events = self.done.events.max(self.page_until);
            let Some(live) = &mut self.live else {
                let until = self.events.positions().events;
                if self.done.events < until {
                    self.replay(until).await;
                } else {
                    self.live = Some(self.events.0.registry().attach(self.user_id));
                }
                continue;
            };
            if self.done.events < live.since.events {
                let until = live.since.events;
                self.replay(until).await;
                continue;
            }
            match live.deliveries.recv().await {
                // A cursor may be ahead of this instance's reader.
                Some(delivery) if position(&delivery.row) <= self.done.events => {}
                Some(delivery) => {
                    self.done.events = position(&delivery.row);
                    self.done.audit = self.done.audit.max(delivery.audit);
                    return delivery.row;
                }
                // Fell behind: what was buffered is told, the rest comes from the log.
                None => self.live = None,
            }
        }
    }

    /// Reads a page of what came after `done`. All up to `until` is settled, so that nothing can appear in between later.
    async fn replay(&mut self, until: Position) {
        match account_events::list_of_user(&self.events.0.database, self.user_id, self.done.events, until, PAGE).await {
            Ok(rows) => {
                self.page_until = if (rows.len() as u64) < PAGE { until } else { self.done.events };
                self.page = rows.into();
            }
            Err(error) => {
                tracing::debug!(%error, "a replay waits for the database");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            self.events.0.registry().detach(self.user_id, live.id);
        }
    }
}
