//! How the database can fail.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxError};

/// Every bad ending of a storage function; "not found" is none of them, that is an `Option`.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A row with the same unique value exists.
    #[error("unique constraint {constraint} violated")]
    Conflict {
        /// `{table}_{columns}_key` on both databases; ask with [`StorageError::is_conflict_on`].
        constraint: String,
    },
    /// What the new row belongs to has gone meanwhile: an account that was deleted while somebody was at its door. The same call finds it gone.
    #[error("what the row belongs to has gone")]
    Orphan,
    /// The rows contradict one another, or the program.
    #[error("inconsistent data: {0}")]
    Inconsistent(&'static str),
    /// The database does not answer, or not in time: the same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable,
    /// Anything else that the driver tells.
    #[error(transparent)]
    Driver(DbErr),
}

impl StorageError {
    /// Whether this is a conflict on the unique `columns` of `table`; several columns in the order of their index: `"kind, key"`.
    #[must_use]
    pub fn is_conflict_on(&self, table: &str, columns: &str) -> bool {
        matches!(self, Self::Conflict { constraint } if *constraint == key_name(table, columns.split(',').map(str::trim)))
    }
}

impl From<DbErr> for StorageError {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) => unavailable(&error),
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => match classify(cause) {
                Cause::Conflict(constraint) => Self::Conflict { constraint },
                Cause::Orphan => Self::Orphan,
                Cause::Unavailable => unavailable(&error),
                Cause::Other => Self::Driver(error),
            },
            _ => Self::Driver(error),
        }
    }
}

/// The variant carries no cause, because callers cannot act on it; the log needs it.
fn unavailable(error: &DbErr) -> StorageError {
    tracing::warn!(%error, "the database is unavailable");
    StorageError::Unavailable
}

enum Cause {
    Conflict(String),
    Orphan,
    Unavailable,
    Other,
}

fn classify(error: &SqlxError) -> Cause {
    match error {
        SqlxError::Io(_) | SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::WorkerCrashed | SqlxError::Protocol(_) => {
            Cause::Unavailable
        }
        SqlxError::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.is_unique_violation() {
                Cause::Conflict(error.constraint().map_or_else(|| sqlite_key(error.message()), str::to_owned))
            } else if error.is_foreign_key_violation() {
                Cause::Orphan
            } else if is_passing_postgres(&code) || is_passing_sqlite(&code) {
                Cause::Unavailable
            } else {
                Cause::Other
            }
        }
        _ => Cause::Other,
    }
}

/// SQLSTATEs that say "later": connection, resources, shutdown and start-up, time-outs, deadlocks and failed serialization.
fn is_passing_postgres(code: &str) -> bool {
    code.len() == 5
        && (code.starts_with("08")
            || code.starts_with("53")
            || code.starts_with("57P")
            || matches!(code, "57014" | "25P03" | "25P04" | "40001" | "40P01" | "55P03"))
}

/// Result codes whose lowest byte is BUSY, LOCKED or FULL, see <https://www.sqlite.org/rescode.html>.
fn is_passing_sqlite(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 13))
}

/// `UNIQUE constraint failed: users.email` and `UNIQUE constraint failed: index 'users_email_key'` → `users_email_key`.
fn sqlite_key(message: &str) -> String {
    let subject = message.rsplit_once("failed: ").map_or(message, |(_, subject)| subject);
    if let Some(name) = subject.strip_prefix("index '") {
        return name.trim_end_matches('\'').to_owned();
    }
    let mut columns = subject.split(", ").filter_map(|column| column.split_once('.')).peekable();
    let table = columns.peek().map_or(subject, |(table, _)| *table);
    key_name(table, columns.map(|(_, column)| column))
}

fn key_name<'a>(table: &str, columns: impl Iterator<Item = &'a str>) -> String {
    let mut name = table.to_owned();
    for column in columns {
        name.push('_');
        name.push_str(column);
    }
    name.push_str("_key");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_names_become_those_of_postgresql() {
        assert_eq!(sqlite_key("UNIQUE constraint failed: users.email"), "users_email_key");
        assert_eq!(sqlite_key("UNIQUE constraint failed: attempt_counters.kind, attempt_counters.key"), "attempt_counters_kind_key_key");
        assert_eq!(sqlite_key("UNIQUE constraint failed: index 'users_username_key'"), "users_username_key");
    }

    #[test]
    fn conflicts_are_asked_by_table_and_columns() {
        let conflict = StorageError::Conflict { constraint: "attempt_counters_kind_key_key".to_owned() };
        assert!(conflict.is_conflict_on("attempt_counters", "kind, key"));
        assert!(!conflict.is_conflict_on("attempt_counters", "kind"));
        assert!(!StorageError::Unavailable.is_conflict_on("attempt_counters", "kind, key"));
    }

    #[test]
    fn passing_failures_are_told_from_faults() {
        for code in ["08006", "53300", "57P01", "57P03", "57014", "40P01"] {
            assert!(is_passing_postgres(code) && !is_passing_sqlite(code), "{code}");
        }
        for code in ["5", "517", "6", "13"] {
            assert!(is_passing_sqlite(code) && !is_passing_postgres(code), "{code}");
        }
        for code in ["23505", "42P01", "2067", "787", "", "1"] {
            assert!(!is_passing_sqlite(code) && !is_passing_postgres(code), "{code}");
        }
    }
}
