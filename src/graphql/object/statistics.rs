//! Figures for a dashboard.

use async_graphql::SimpleObject;

use crate::{flows::statistics::Snapshot, graphql::scalar::DateTime};

/// Counts for a dashboard, taken at one moment. Exact up to 100,000 of a kind, an estimate beyond.
#[derive(SimpleObject, Clone, Debug)]
pub struct Statistics {
    /// Accounts.
    pub users: i32,
    /// Those whose status is ACTIVE.
    pub active_users: i32,
    /// Those with a proved e-mail address or phone number.
    pub verified_users: i32,
    /// Those whose password is locked at this moment.
    pub locked_users: i32,
    /// Those with an authenticator app.
    pub users_with_second_factor: i32,
    /// Live sessions.
    pub active_sessions: i32,
    /// Live sessions that are marked suspicious.
    pub suspicious_sessions: i32,
    /// Codes that are waited for.
    pub pending_challenges: i32,
    /// Finished ones.
    pub sign_ins_last24_hours: i32,
    /// Refused ones.
    pub failed_sign_ins_last24_hours: i32,
    /// The database itself.
    pub database: DatabaseStatistics,
    /// When they were taken: a few seconds ago at most.
    pub at: DateTime,
}

/// The database itself.
#[derive(SimpleObject, Clone, Debug)]
pub struct DatabaseStatistics {
    /// `PostgreSQL` or `SQLite`.
    pub backend: String,
    /// Of the server, or of the library.
    pub version: String,
    /// On disk.
    pub size_bytes: f64,
    /// By name.
    pub tables: Vec<TableStatistics>,
}

/// A table.
#[derive(SimpleObject, Clone, Debug)]
pub struct TableStatistics {
    /// Its name.
    pub name: String,
    /// About how many rows it has.
    pub rows: f64,
}

impl Statistics {
    /// As they were taken.
    pub fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { at, counts, pending_challenges, database } = snapshot;
        let tables = database.tables.iter().map(|(name, rows)| TableStatistics { name: name.clone(), rows: float(*rows) });
        Self {
            users: int(counts.users),
            active_users: int(counts.users - counts.not_active_users),
            verified_users: int(counts.users - counts.unverified_users),
            locked_users: int(counts.locked_users),
            users_with_second_factor: int(counts.users_with_second_factor),
            active_sessions: int(counts.live_sessions),
            suspicious_sessions: int(counts.suspicious_sessions),
            pending_challenges: i32::try_from(*pending_challenges).unwrap_or(i32::MAX),
            sign_ins_last24_hours: int(counts.sign_ins),
            failed_sign_ins_last24_hours: int(counts.failed_sign_ins),
            database: DatabaseStatistics {
                backend: database.backend.to_owned(),
                version: database.version.clone(),
                size_bytes: float(database.size_bytes),
                tables: tables.collect(),
            },
            at: (*at).into(),
        }
    }
}

/// Two estimates may contradict one another: less than nothing there is not.
fn int(count: i64) -> i32 {
    i32::try_from(count.max(0)).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and an Int of the API ends at 2^31")]
const fn float(count: i64) -> f64 {
    count as f64
}
