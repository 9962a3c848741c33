//! What ends a socket from outside: the end of its session, its age, and shutdown.

use std::{pin::Pin, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::{gateway::SocketSettings, socket_frames::Close};

/// What ends a socket from outside.
pub struct Ending {
    shutdown: CancellationToken,
    max_age: Pin<Box<Sleep>>,
    ended: BoxFuture<'static, ()>,
    farewell: Duration,
    /// Set once the session is over: how long its streams may still tell their last events.
    leaving: Option<Pin<Box<Sleep>>>,
}

/// A step towards the end.
pub enum Step {
    /// The session is over; the streams may tell their last events.
    SessionOver,
    /// Close now.
    Close(Close),
}

impl Ending {
    /// `ended` resolves when the session is over.
    pub fn new(shutdown: CancellationToken, ended: BoxFuture<'static, ()>, settings: &SocketSettings) -> Self {
        Self { shutdown, max_age: Box::pin(sleep(settings.max_age)), ended, farewell: settings.farewell, leaving: None }
    }

    /// Whether the session is over.
    pub const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// The next step; may be dropped and called again.
    pub async fn step(&mut self) -> Step {
        let shutdown = self.shutdown.clone();
        if let Some(leaving) = &mut self.leaving {
            tokio::select! {
                () = shutdown.cancelled() => Step::Close(Close::GoingAway),
                () = leaving => Step::Close(Close::Unauthorized),
            }
        } else {
            tokio::select! {
                () = shutdown.cancelled() => Step::Close(Close::GoingAway),
                () = &mut self.max_age => Step::Close(Close::GoingAway),
                () = &mut self.ended => {
                    self.leave();
                    Step::SessionOver
                }
            }
        }
    }

    /// The session is over: its streams have a moment left.
    pub fn leave(&mut self) {
        if self.leaving.is_none() {
            self.leaving = Some(Box::pin(sleep(self.farewell)));
        }
    }
}
