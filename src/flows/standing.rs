//! Whether whoever follows what happens to others still may: asked at each event, and several times a second in between.

use std::{future::pending, sync::Arc, time::Duration};

use entity::users::Role;
use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use super::{
    caller::{Caller, Identity, Reason},
    event_streams::EventStreams,
    live_sessions::{LiveSession, LiveSessions, expires_at},
    machine_tokens::{Machine, MachineTokens},
};
use crate::{clock::Clock, config::Mode, events::freshness::Freshness, storage::error::StorageError};

/// How often it is asked where nothing happens.
const LOOK: Duration = Duration::from_millis(200);

/// Why somebody may not, or not any more, what administrators may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The session is over, or its account not active.
    SessionEnded,
    /// The machine token was revoked, or has expired.
    TokenEnded,
    /// The role is not that of an administrator.
    Role,
    /// In production an administrator's password alone opens nothing.
    SecondFactor,
}

/// Whether a live session is an administrator's, as they are now.
pub fn of_administrator(mode: Mode, live: &LiveSession) -> Result<(), Lost> {
    if live.user.role != Role::Admin {
        return Err(Lost::Role);
    }
    if mode == Mode::Production && live.session.strong_proof_at.is_none() {
        return Err(Lost::SecondFactor);
    }
    Ok(())
}

/// The standing of an administrator or a machine over the life of a stream.
pub struct Standing {
    live_sessions: Arc<LiveSessions>,
    machine_tokens: Arc<MachineTokens>,
    freshness: Arc<Freshness>,
    clock: Clock,
    mode: Mode,
    who: Who,
    /// Comes at once where the session is over.
    over: BoxFuture<'static, ()>,
    looks: Interval,
}

enum Who {
    Administrator { session_id: Uuid },
    Machine(Arc<Machine>),
}

impl Standing {
    /// Watches from this call on. Ask [`Standing::check`] after it, so that an end that comes in between is noticed by one or the other.
    pub fn of(streams: &EventStreams, caller: &Caller) -> Result<Self, Reason> {
        let (who, over) = match &caller.identity {
            Identity::Machine(machine) => (Who::Machine(Arc::clone(machine)), pending().boxed()),
            Identity::Session(_) | Identity::Past { .. } | Identity::Refused(_) | Identity::Anonymous => {
                let live = &caller.signed_in()?.live;
                let session_id = live.session.id;
                (Who::Administrator { session_id }, streams.events.session_over(session_id, expires_at(live)).boxed())
            }
        };
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            live_sessions: Arc::clone(&streams.live_sessions),
            machine_tokens: Arc::clone(&streams.machine_tokens),
            freshness: streams.events.freshness(),
            clock: streams.clock.clone(),
            mode: streams.mode,
            who,
            over,
            looks,
        })
    }

    /// How it is now, from memory where that can be believed.
    ///
    /// # Errors
    /// Those of the database: then nobody knows, and nothing may be told.
    pub async fn check(&mut self) -> Result<Result<(), Lost>, StorageError> {
        let now = self.clock.now();
        Ok(match &self.who {
            Who::Administrator { session_id } => match self.live_sessions.get(*session_id, now).await? {
                Some(live) => of_administrator(self.mode, &live),
                None => Err(Lost::SessionEnded),
            },
            Who::Machine(machine) => self.machine_tokens.find(&machine.hash, now).await?.map(drop).ok_or(Lost::TokenEnded),
        })
    }

    /// The same, waiting for a database that does not answer.
    pub async fn settled(&mut self) -> Result<(), Lost> {
        loop {
            match self.check().await {
                Ok(standing) => return standing,
                Err(error) => {
                    tracing::debug!(%error, "a stream waits for the database before it tells anything");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Comes when it is lost. May be dropped and called again until it has come.
    pub async fn lost(&mut self) -> Lost {
        loop {
            tokio::select! {
                () = &mut self.over => return Lost::SessionEnded,
                _ = self.looks.tick() => {}
            }
            // While the log cannot be read nothing is told, and every look would ask the database.
            if self.freshness.is_current()
                && let Ok(Err(lost)) = self.check().await
            {
                return lost;
            }
        }
    }
}
