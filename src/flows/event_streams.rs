//! Listening to what happens: a stream for a signed-in session, an administrator or a machine, from a cursor or from now on.
//!
//! 1. The cursor is opened: it has to be ours, of this listener, and not older than the log. Without one, the database tells where the log stands.
//! 2. The stream begins to listen.
//! 3. Only then is the listener looked up, so that an end that comes in between is noticed by one or the other.

use std::sync::Arc;

use entity::user_audit_log;
use futures::{Stream, StreamExt, stream, stream::BoxStream};
use uuid::Uuid;

use super::{
    caller::{Caller, Reason, SignedIn},
    live_sessions::{LiveSessions, expires_at},
    machine_tokens::MachineTokens,
    standing::{Lost, Standing},
};
use crate::{
    clock::{Clock, Timestamp},
    config::Mode,
    crypto::{authenticated_token::AuthenticatedToken, key_ring::KeyRing},
    events::{
        Event, Events, Of, Row, SubscribeTo, Subscription, Whose,
        cursor::{AuditPlace, Cursor, CursorRefusal, KEPT},
    },
    storage::account_events::{Position, Positions},
};

const PURPOSE: &str = "event cursor";

/// Opens streams and writes their cursors.
#[derive(Debug)]
pub struct EventStreams {
    /// The bus.
    pub events: Events,
    /// Who lives.
    pub live_sessions: Arc<LiveSessions>,
    /// Which machines may listen.
    pub machine_tokens: Arc<MachineTokens>,
    /// What an administrator must have proved.
    pub mode: Mode,
    /// Seals the cursors.
    pub key_ring: KeyRing,
    /// Ages them.
    pub clock: Clock,
}

/// Why a stream is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The cursor is none of ours, or somebody else's.
    CursorInvalid,
    /// The log does not reach back so far.
    CursorExpired,
    /// The session is over.
    SessionEnded,
    /// The credentials do not hold.
    Unauthenticated(Reason),
    /// The listener may not follow what happens to others.
    NotAllowed(Lost),
    /// The database did not answer.
    Unavailable,
}

/// An event with the cursor to go on from.
#[derive(Clone, Debug)]
pub struct Told {
    /// What happened.
    pub event: Event,
    /// Opaque.
    pub cursor: String,
}

/// A stream that its listener may lose: then it says why, and ends.
pub type Guarded<T> = BoxStream<'static, Result<T, Lost>>;

impl EventStreams {
    /// Opens a stream of the listener's own events. It ends when the session is over, and with nothing else.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn open(
        &self,
        listener: &SignedIn,
        of: Of,
        after: Option<&str>,
    ) -> Result<impl Stream<Item = Told> + Send + 'static + use<>, Refusal> {
        let (session, user_id) = (&listener.live.session, listener.live.user.id);
        let after = self.begin(after, user_id).await?;
        let to = SubscribeTo { user_id, session_id: session.id, session_expires_at: expires_at(&listener.live), of, after: Some(after) };
        let stream = self.events.subscribe(&to);
        match self.live_sessions.get(session.id, self.clock.now()).await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Refusal::SessionEnded),
            Err(_) => return Err(Refusal::Unavailable),
        }
        let key_ring = self.key_ring.clone();
        Ok(stream.map(move |event| tell(&key_ring, user_id, event)))
    }

    /// Opens a stream of what happens to one user or to everybody, for an administrator or a machine.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn follow(&self, listener: &Caller, whose: Whose, of: Of, after: Option<&str>) -> Result<Guarded<Told>, Refusal> {
        let owner = listener.principal().map_err(Refusal::Unauthenticated)?.id;
        let after = self.begin(after, owner).await?;
        let events = self.guarded(listener, self.events.follow(whose, of, Some(after))).await?;
        let key_ring = self.key_ring.clone();
        Ok(events.map(move |event| event.map(|event| tell(&key_ring, owner, event))).boxed())
    }

    /// Opens a stream of those rows of the audit log that are wanted, for an administrator or a machine. Its cursors are those of the rows.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn follow_audit(
        &self,
        listener: &Caller,
        is_wanted: impl Fn(&user_audit_log::Model) -> bool + Send + 'static,
        after: Option<&str>,
    ) -> Result<Guarded<Event<user_audit_log::Model>>, Refusal> {
        let owner = listener.principal().map_err(Refusal::Unauthenticated)?.id;
        let after = match after {
            Some(cursor) => Positions { audit: self.resume_audit(cursor, owner, self.clock.now())?, ..Positions::default() },
            None => self.begin(None, owner).await?,
        };
        self.guarded(listener, self.events.follow_audit(is_wanted, Some(after))).await
    }

    /// A stream that listens already, for as long as its listener may have it.
    async fn guarded<R: Row>(&self, listener: &Caller, stream: Subscription<R>) -> Result<Guarded<Event<R>>, Refusal> {
        let mut standing = Standing::of(self, listener).map_err(Refusal::Unauthenticated)?;
        standing.check().await.map_err(|_| Refusal::Unavailable)?.map_err(Refusal::NotAllowed)?;
        let reading = Reading { stream, standing, over: false };
        Ok(stream::unfold(reading, async |mut reading| reading.next().await.map(|event| (event, reading))).boxed())
    }

    /// Where a stream begins.
    async fn begin(&self, after: Option<&str>, reader: Uuid) -> Result<Positions, Refusal> {
        match after {
            Some(cursor) => self.resume(cursor, reader, self.clock.now()),
            // Asked of the database, so that a sign-in of a moment ago is not told as news where this instance has not read it yet.
            None => self.events.caught_up().await.map_err(|_| Refusal::Unavailable),
        }
    }

    /// The cursor of a place in the logs, for this reader.
    #[must_use]
    pub fn cursor_at(&self, reader: Uuid, positions: Positions) -> String {
        seal(&self.key_ring, reader, self.clock.now(), positions)
    }

    /// The positions of a cursor, for the reader that it was made for.
    ///
    /// # Errors
    /// `CursorInvalid` and `CursorExpired`.
    pub fn resume(&self, cursor: &str, reader: Uuid, now: Timestamp) -> Result<Positions, Refusal> {
        let opened = AuthenticatedToken::open(&self.key_ring, PURPOSE, cursor).and_then(|bytes| Cursor::from_bytes(&bytes));
        opened.ok_or(CursorRefusal::Invalid).and_then(|cursor| cursor.resume(reader, now)).map_err(refused)
    }

    /// Where in the audit log to go on from a cursor: that of a row of it, or one of [`Self::cursor_at`].
    ///
    /// # Errors
    /// `CursorInvalid` and `CursorExpired`.
    pub fn resume_audit(&self, cursor: &str, reader: Uuid, now: Timestamp) -> Result<Position, Refusal> {
        let row = AuthenticatedToken::open(&self.key_ring, AuditPlace::PURPOSE, cursor);
        match row.and_then(|bytes| AuditPlace::from_bytes(bytes.strip_prefix(reader.as_bytes())?)) {
            Some(place) if now.since(place.at) > KEPT => Err(Refusal::CursorExpired),
            Some(place) => Ok(place.position),
            None => self.resume(cursor, reader, now).map(|positions| positions.audit),
        }
    }
}

const fn refused(refusal: CursorRefusal) -> Refusal {
    match refusal {
        CursorRefusal::Invalid => Refusal::CursorInvalid,
        CursorRefusal::Expired => Refusal::CursorExpired,
    }
}

/// A stream of what happens to others, while its listener may have it.
struct Reading<R> {
    stream: Subscription<R>,
    standing: Standing,
    over: bool,
}

impl<R: Row> Reading<R> {
    async fn next(&mut self) -> Option<Result<Event<R>, Lost>> {
        if self.over {
            return None;
        }
        let event = tokio::select! {
            biased;
            lost = self.standing.lost() => Err(lost),
            event = self.stream.next() => Ok(event?),
        };
        // Asked once more with the event at hand: nothing is told on a belief that is older than it.
        let told = match event {
            Ok(event) => self.standing.settled().await.map(|()| event),
            Err(lost) => Err(lost),
        };
        self.over = told.is_err();
        Some(told)
    }
}

fn tell(key_ring: &KeyRing, owner: Uuid, event: Event) -> Told {
    let cursor = seal(key_ring, owner, event.row.at, event.resume);
    Told { event, cursor }
}

fn seal(key_ring: &KeyRing, owner: Uuid, at: Timestamp, positions: Positions) -> String {
    AuthenticatedToken::seal(key_ring, PURPOSE, &Cursor { owner, at, positions }.to_bytes())
}
