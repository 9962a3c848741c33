//! Figures of the whole deployment, in one statement and so of one moment. Nothing is counted without an end: what is more than [`COUNTED`] is what
//! the planner of PostgreSQL believes; SQLite, which has no planner to ask, counts on.

use entity::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult, Statement, Value};

use super::error::StorageError;

/// Counts up to this are exact.
pub const COUNTED: i64 = 100_000;
/// Rows of a table that SQLite counts; beyond, the highest row id stands for their number.
const COUNTED_ROWS: i64 = 10_000;

/// What is counted: its name, where it is, and the column by which an index has it in order.
const COUNTS: [(&str, &str, &str); 9] = [
    ("users", "users", "id"),
    ("not_active_users", "users WHERE status <> 'active'", "created_at"),
    ("unverified_users", "users WHERE email_verified_at IS NULL AND phone_verified_at IS NULL", "id"),
    ("users_with_second_factor", "users WHERE totp_enabled_at IS NOT NULL", "id"),
    (
        "locked_users",
        "attempt_counters WHERE kind = 'password' AND is_account AND locked_until IS NOT NULL AND locked_until > $1",
        "locked_until",
    ),
    (
        "live_sessions",
        "user_sessions WHERE status IN ('active', 'suspicious') AND expires_at > $1 AND absolute_expires_at > $1",
        "expires_at",
    ),
    (
        "suspicious_sessions",
        "user_sessions WHERE is_suspicious AND status IN ('active', 'suspicious') AND expires_at > $1 AND absolute_expires_at > $1",
        "expires_at",
    ),
    ("sign_ins", "user_audit_log WHERE event_type = 'login' AND status = 'success' AND created_at > $2", "created_at"),
    ("failed_sign_ins", "user_audit_log WHERE event_type = 'login' AND status = 'failure' AND created_at > $2", "created_at"),
];

/// How many there are of what.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Counts {
    /// Accounts.
    pub users: i64,
    /// Those that are inactive, suspended or banned.
    pub not_active_users: i64,
    /// Those without a proved contact.
    pub unverified_users: i64,
    /// Those with an authenticator app.
    pub users_with_second_factor: i64,
    /// Those whose password is locked now.
    pub locked_users: i64,
    /// Sessions that are neither ended nor past their time.
    pub live_sessions: i64,
    /// Those of them that look like somebody else's.
    pub suspicious_sessions: i64,
    /// Sign-ins of the last 24 hours.
    pub sign_ins: i64,
    /// Sign-ins that were refused in the last 24 hours.
    pub failed_sign_ins: i64,
}

/// What the database itself tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// `PostgreSQL` or `SQLite`.
    pub backend: &'static str,
    /// Of the server, or of the library.
    pub version: String,
    /// On disk.
    pub size_bytes: i64,
    /// Tables and about how many rows they have, by name.
    pub tables: Vec<(String, i64)>,
}

/// The statement that counts; a test explains it.
#[must_use]
pub fn counting_statement(backend: DbBackend, now: Timestamp, day_ago: Timestamp) -> Statement {
    let counts = COUNTS.map(|(name, source, order)| {
        let limit = COUNTED + 1;
        format!("(SELECT count(*) FROM (SELECT 1 AS one FROM {source} ORDER BY {order} LIMIT {limit}) AS counted) AS {name}")
    });
    Statement::from_sql_and_values(backend, format!("SELECT {}", counts.join(", ")), [now.into(), day_ago.into()])
}

/// Counts.
pub async fn count(db: &impl ConnectionTrait, now: Timestamp, day_ago: Timestamp) -> Result<Counts, StorageError> {
    let backend = db.get_database_backend();
    let row = db.query_one_raw(counting_statement(backend, now, day_ago)).await?;
    let row = row.ok_or(StorageError::Inconsistent("a count has no row"))?;
    let mut counts = Counts::from_query_result(&row, "")?;
    let all = [
        &mut counts.users,
        &mut counts.not_active_users,
        &mut counts.unverified_users,
        &mut counts.users_with_second_factor,
        &mut counts.locked_users,
        &mut counts.live_sessions,
        &mut counts.suspicious_sessions,
        &mut counts.sign_ins,
        &mut counts.failed_sign_ins,
    ];
    for (count, (_, source, _)) in all.into_iter().zip(COUNTS) {
        if *count > COUNTED {
            *count = beyond(db, source, now, day_ago).await?.max(COUNTED);
        }
    }
    Ok(counts)
}

/// How many there are of what is too many to count.
async fn beyond(db: &impl ConnectionTrait, source: &str, now: Timestamp, day_ago: Timestamp) -> Result<i64, StorageError> {
    let values = values_of(source, now, day_ago);
    // A statement has the values that it names, and no others.
    let source = source.replace("$2", "$1");
    if db.get_database_backend() != DbBackend::Postgres {
        let sql = format!("SELECT count(*) FROM {source}");
        let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        return Ok(row.ok_or(StorageError::Inconsistent("a count has no row"))?.try_get_by_index(0)?);
    }
    let sql = format!("EXPLAIN (FORMAT JSON) SELECT 1 FROM {source}");
    let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let plan: serde_json::Value = row.ok_or(StorageError::Inconsistent("a plan has no row"))?.try_get_by_index(0)?;
    Ok(plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_i64).unwrap_or(COUNTED))
}

/// The value that a source names, if it names one: none names both.
fn values_of(source: &str, now: Timestamp, day_ago: Timestamp) -> Vec<Value> {
    match (source.contains("$1"), source.contains("$2")) {
        (true, _) => vec![now.into()],
        (false, true) => vec![day_ago.into()],
        (false, false) => Vec::new(),
    }
}

/// Asks the database about itself.
pub async fn figures(db: &impl ConnectionTrait) -> Result<Figures, StorageError> {
    match db.get_database_backend() {
        DbBackend::Postgres => figures_of_postgres(db).await,
        _ => figures_of_sqlite(db).await,
    }
}

async fn figures_of_postgres(db: &impl ConnectionTrait) -> Result<Figures, StorageError> {
    let sql = "SELECT current_setting('server_version') AS version, pg_database_size(current_database())::bigint AS size_bytes";
    let row = one(db, sql).await?;
    // Counted by the server as it goes; after a crash only the last analysis is left.
    let sql = "SELECT c.relname::text AS name, greatest(coalesce(nullif(s.n_live_tup, 0), c.reltuples::bigint), 0)::bigint AS row_count \
         FROM pg_class AS c LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname";
    let tables = db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    Ok(Figures {
        backend: "PostgreSQL",
        version: row.try_get("", "version")?,
        size_bytes: row.try_get("", "size_bytes")?,
        tables: tables
            .iter()
            .map(|row| Ok((row.try_get("", "name")?, row.try_get("", "row_count")?)))
            .collect::<Result<_, StorageError>>()?,
    })
}

async fn figures_of_sqlite(db: &impl ConnectionTrait) -> Result<Figures, StorageError> {
    let sql = "SELECT sqlite_version() AS version, \
         (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS size_bytes";
    let row = one(db, sql).await?;
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let mut tables = Vec::new();
    for table in db.query_all_raw(Statement::from_string(DbBackend::Sqlite, names)).await? {
        let name: String = table.try_get("", "name")?;
        let quoted = name.replace('"', "\"\"");
        let limit = COUNTED_ROWS + 1;
        let sql = format!("SELECT count(*) AS row_count FROM (SELECT 1 AS one FROM \"{quoted}\" LIMIT {limit})");
        let mut count: i64 = one(db, &sql).await?.try_get("", "row_count")?;
        if count > COUNTED_ROWS {
            count = one(db, &format!("SELECT max(rowid) AS row_count FROM \"{quoted}\"")).await?.try_get("", "row_count")?;
        }
        tables.push((name, count));
    }
    Ok(Figures { backend: "SQLite", version: row.try_get("", "version")?, size_bytes: row.try_get("", "size_bytes")?, tables })
}

async fn one(db: &impl ConnectionTrait, sql: &str) -> Result<QueryResult, StorageError> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or(StorageError::Inconsistent("a statement that has one row has none"))
}
