//! How long sessions live.

use std::time::Duration;

use super::reader::Reader;

/// Settings of sessions.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// How long a session lives after its last refresh.
    pub sliding_ttl: Duration,
    /// How long a session lives in all.
    pub absolute_ttl: Duration,
    /// Live sessions of a user; the oldest makes room.
    pub max_live: u32,
    /// How long after signing in sensitive changes need no further proof.
    pub recent: Duration,
    /// How long after the first use of its successor a refresh token still gets the same answer.
    pub reuse_grace: Duration,
}

impl Sessions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let day = Duration::from_hours(24);
        let sessions = Self {
            sliding_ttl: reader.duration("sessions.sliding_ttl", 30 * day, "How long a session lives after its last refresh."),
            absolute_ttl: reader.duration("sessions.absolute_ttl", 90 * day, "How long a session lives in all."),
            max_live: reader.count("sessions.max_live", 50, "Live sessions of a user at most; the oldest makes room."),
            recent: reader.duration(
                "sessions.recent",
                Duration::from_mins(10),
                "How long after signing in sensitive changes need no further proof.",
            ),
            reuse_grace: reader.value(
                "sessions.reuse_grace",
                Duration::from_secs(10),
                "How long after the first use of its successor a refresh token still gets the same answer.",
            ),
        };
        if sessions.absolute_ttl < sessions.sliding_ttl {
            reader.problem("sessions.absolute_ttl", "must be no less than sessions.sliding_ttl");
        }
        if sessions.reuse_grace > Duration::from_mins(1) {
            reader.problem("sessions.reuse_grace", "must be at most 1min");
        }
        sessions
    }
}
