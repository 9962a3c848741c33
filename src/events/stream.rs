//! One stream: replayed from its log, then live. Those of a person end with their session and say so.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use entity::{
    account_events::{Kind, Model},
    user_audit_log,
};
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    End, Events, SessionWatch, SubscribeTo, ends_session,
    feed::{AuditLog, EventsOf, Feed, Log},
    registry::Whose,
};
use crate::storage::account_events::Positions;

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
#[derive(Debug)]
pub struct Event<R = Model> {
    /// The row of the log.
    pub row: Arc<R>,
    /// A stream that is opened after this goes on with the next event.
    pub resume: Positions,
}

impl<R> Clone for Event<R> {
    fn clone(&self) -> Self {
        Self { row: Arc::clone(&self.row), resume: self.resume }
    }
}

/// A stream of events. It holds at most a page of rows, however slowly it is read.
pub struct Subscription<R = Model>(BoxStream<'static, Event<R>>);

impl Subscription {
    /// One that ends when its session does.
    pub(super) fn open(events: Events, to: &SubscribeTo) -> Self {
        let reading = Reading::begin(events, to);
        Self(futures::stream::unfold(reading, async |mut reading| reading.next().await.map(|event| (event, reading))).boxed())
    }

    /// One that never ends by itself.
    pub(super) fn follow(events: Events, whose: Whose, of: Of, after: Option<Positions>) -> Self {
        let feed = Feed::begin(events, EventsOf(whose), after);
        Self(endless(feed).filter(move |event| std::future::ready(of.includes(event.row.kind))).boxed())
    }
}

impl Subscription<user_audit_log::Model> {
    /// One that never ends by itself, of those rows of the audit log that are wanted.
    pub(super) fn follow_audit(
        events: Events,
        is_wanted: impl Fn(&user_audit_log::Model) -> bool + Send + 'static,
        after: Option<Positions>,
    ) -> Self {
        let feed = Feed::begin(events, AuditLog, after);
        Self(endless(feed).filter(move |event| std::future::ready(is_wanted(&event.row))).boxed())
    }
}

fn endless<L: Log>(feed: Feed<L>) -> impl Stream<Item = Event<L::Row>> + Send {
    futures::stream::unfold(feed, async |mut feed| {
        let row = feed.next().await;
        Some((Event { row, resume: feed.done }, feed))
    })
}

impl<R> Stream for Subscription<R> {
    type Item = Event<R>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event<R>>> {
        self.0.poll_next_unpin(context)
    }
}

impl<R> std::fmt::Debug for Subscription<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

struct Reading {
    feed: Feed<EventsOf>,
    of: Of,
    session_id: Uuid,
    watch: SessionWatch,
    ending: Option<(Instant, End)>,
    over: bool,
}

impl Reading {
    fn begin(events: Events, to: &SubscribeTo) -> Self {
        let watch = SessionWatch::new(&events, to.session_id, to.session_expires_at);
        let feed = Feed::begin(events, EventsOf(Whose::One(to.user_id)), to.after);
        Self { feed, of: to.of, session_id: to.session_id, watch, ending: None, over: false }
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
