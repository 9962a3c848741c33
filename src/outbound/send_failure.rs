//! How the handing over of a message ends badly, whatever the channel.

use std::fmt::Display;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// This message never will be.
    #[error("refused: {0}")]
    Refused(String),
    /// Later it may be.
    #[error("not delivered: {0}")]
    Later(String),
    /// Nobody was asked: others were handed over all the time.
    #[error("not delivered: others were before it all the time")]
    NotItsTurn,
}

/// What went wrong on this side goes into the log and the database: short, and on one line.
pub(super) fn one_line(cause: &dyn Display) -> String {
    cause.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
