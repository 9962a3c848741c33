//! Listening to events: a stream for a signed-in session, from a cursor or from now on.
//!
//! 1. The cursor is opened: it has to be ours, of this user, and not older than the log. Without one, the database tells where the log stands.
//! 2. The stream begins to listen.
//! 3. Only then is the session looked up, so that an end that comes in between is noticed by one or the other.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use uuid::Uuid;

use super::{
    caller::SignedIn,
    live_sessions::{LiveSessions, expires_at},
};
use crate::{
    clock::{Clock, Timestamp},
    crypto::{authenticated_token::AuthenticatedToken, key_ring::KeyRing},
    events::{
        Event, Events, Of, SubscribeTo,
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

impl EventStreams {
    /// Opens a stream. It ends when the session is over, and with nothing else.
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
        let now = self.clock.now();
        let after = match after {
            Some(cursor) => self.resume(cursor, user_id, now)?,
            // Asked of the database, so that a sign-in of a moment ago is not told as news where this instance has not read it yet.
            None => self.events.caught_up().await.map_err(|_| Refusal::Unavailable)?,
        };
        let to = SubscribeTo { user_id, session_id: session.id, session_expires_at: expires_at(&listener.live), of, after: Some(after) };
        let stream = self.events.subscribe(&to);
        match self.live_sessions.get(session.id, now).await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Refusal::SessionEnded),
            Err(_) => return Err(Refusal::Unavailable),
        }
        let key_ring = self.key_ring.clone();
        Ok(stream.map(move |event| {
            let cursor = seal(&key_ring, user_id, event.row.at, event.resume);
            Told { event, cursor }
        }))
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

fn seal(key_ring: &KeyRing, owner: Uuid, at: Timestamp, positions: Positions) -> String {
    AuthenticatedToken::seal(key_ring, PURPOSE, &Cursor { owner, at, positions }.to_bytes())
}
