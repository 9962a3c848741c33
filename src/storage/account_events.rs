//! The outbox of session and account events: written with the change that it tells, read in an order that never skips a late commit.

use entity::{
    Timestamp,
    account_events::{ActiveModel, Column, Entity, Kind, Model},
};
use sea_orm::{
    ActiveEnum,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, Iterable, QueryFilter, QueryOrder, QueryResult,
    QueryTrait, Statement,
    sea_query::{Expr, Query},
};
use uuid::Uuid;

use super::{
    batch::{Batch, Question},
    database::{Backend, Database},
    error::StorageError,
    log_range,
};

/// Where a row stands in the log. Positions compare as events follow one another, also across a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Raised by a restore.
    pub epoch: i32,
    /// PostgreSQL: the transaction. SQLite: 0.
    pub xid: i64,
    /// The row's own number.
    pub seq: i64,
}

/// Where both logs stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Positions {
    /// In `account_events`.
    pub events: Position,
    /// In `user_audit_log`.
    pub audit: Position,
}

/// An event that is about to be written.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// UUIDv7.
    pub id: Uuid,
    /// What happened.
    pub kind: Kind,
    /// To whom.
    pub user_id: Uuid,
    /// To which session, for the kinds of sessions.
    pub session_id: Option<Uuid>,
    /// When.
    pub at: Timestamp,
}

/// What one reading of the log found, all of it in one snapshot of the database.
#[derive(Debug)]
pub struct Page {
    /// In order. Those after `settled` are committed, but others may still come before them.
    pub rows: Vec<Model>,
    /// At or before this position nothing will ever appear any more.
    pub settled: Position,
    /// Where the audit log stands likewise.
    pub audit: Position,
    /// PostgreSQL: no transaction had this number yet. SQLite: 0.
    pub next_xid: i64,
    /// Which state of the machine tokens the snapshot has: another number, another state.
    pub machine_tokens: i64,
}

/// The position of a row.
#[must_use]
pub const fn position(row: &Model) -> Position {
    Position { epoch: row.epoch, xid: row.xid, seq: row.seq }
}

/// A kind as the table names it.
#[must_use]
pub fn kind_name(kind: Kind) -> String {
    kind.to_value()
}

/// What was written, and what the database answered beside it.
#[derive(Debug, Default)]
pub struct Written {
    /// In order; they are published after the commit.
    pub rows: Vec<Model>,
    /// Of each question, whether there are such rows.
    pub answers: Vec<bool>,
}

/// Writes events in the transaction of the change that they tell, after the writes that come with them, and asks on the way whether there are rows
/// of some kinds. No write that comes with a question may change its answer: PostgreSQL asks before them, SQLite after.
pub async fn insert(
    transaction: &DatabaseTransaction,
    epoch: i32,
    events: &[NewEvent],
    before: Batch,
    questions: impl IntoIterator<Item = Question>,
) -> Result<Written, StorageError> {
    let questions: Vec<Expr> = questions.into_iter().map(|question| Expr::exists(question.0)).collect();
    if events.is_empty() {
        if !questions.is_empty() {
            return Err(StorageError::Inconsistent("a question is asked where no event is written"));
        }
        before.run(transaction).await?;
        return Ok(Written::default());
    }
    let rows = events.iter().map(|event| ActiveModel {
        // The database numbers the row and its transaction.
        seq: NotSet,
        xid: NotSet,
        id: Set(event.id),
        epoch: Set(epoch),
        kind: Set(event.kind),
        user_id: Set(event.user_id),
        session_id: Set(event.session_id),
        at: Set(event.at),
    });
    let mut insert = Entity::insert_many(rows).into_query();
    let (columns, asked) = (Column::iter().count(), questions.len());
    insert.returning(Query::returning().exprs(Column::iter().map(Expr::col).chain(questions)));
    let told = before.run_with(transaction, insert).await?;
    let mut written = Written::default();
    if let Some(first) = told.first() {
        written.answers = (columns..columns + asked).map(|index| first.try_get_by_index(index)).collect::<Result<_, _>>()?;
    }
    written.rows = told.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<_, _>>()?;
    written.rows.sort_unstable_by_key(position);
    Ok(written)
}

/// At most `limit` rows after `from`, settled or not. Unsettled rows of transactions before `floor` are left out (PostgreSQL).
pub async fn read_after(database: &Database, from: Position, floor: i64, limit: u64) -> Result<Page, StorageError> {
    let read = database.read();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (sql, mut values) = match database.backend() {
        Backend::Postgres => (READ_POSTGRES, vec![from.epoch.into(), from.xid.into(), from.seq.into(), limit.into()]),
        Backend::Sqlite => (READ_SQLITE, vec![from.epoch.into(), from.xid.into(), from.seq.into(), limit.into()]),
    };
    if database.backend() == Backend::Postgres {
        values.push(floor.into());
    }
    let answer = read.query_all_raw(Statement::from_sql_and_values(read.get_database_backend(), sql, values)).await?;
    let head = answer.first().ok_or(StorageError::Inconsistent("the table deployment is empty"))?;
    let now = Now::from_query_result(head, "")?;
    let audit = Position::default();
    let mut page = Page { rows: Vec::new(), settled: from, audit, next_xid: 0, machine_tokens: now.machine_tokens };
    for row in &answer {
        page.rows.extend(Model::from_query_result_optional(row, "")?);
    }
    match database.backend() {
        Backend::Postgres => {
            page.settled = now.horizon();
            page.audit = page.settled;
            page.next_xid = now.next_xid;
        }
        // One writer at a time, so that rows appear in their order and each is settled as soon as it is seen.
        Backend::Sqlite => {
            page.settled = page.rows.last().map_or(from, position);
            page.audit = Position { epoch: now.current_epoch, xid: 0, seq: now.last_audit_seq };
        }
    }
    Ok(page)
}

/// Where the logs stand now: all that is committed before this call is at or before it, or will be read after it.
pub async fn position_now(database: &Database) -> Result<Positions, StorageError> {
    let read = database.read();
    let sql = match database.backend() {
        Backend::Postgres => NOW_POSTGRES,
        Backend::Sqlite => NOW_SQLITE,
    };
    let row = read.query_one_raw(Statement::from_string(read.get_database_backend(), sql)).await?;
    let row: QueryResult = row.ok_or(StorageError::Inconsistent("the table deployment is empty"))?;
    let now = Now::from_query_result(&row, "")?;
    Ok(match database.backend() {
        Backend::Postgres => Positions { events: now.horizon(), audit: now.horizon() },
        Backend::Sqlite => Positions {
            events: Position { epoch: now.current_epoch, xid: 0, seq: row.try_get("", "last_seq").map_err(StorageError::from)? },
            audit: Position { epoch: now.current_epoch, xid: 0, seq: now.last_audit_seq },
        },
    })
}

/// The newest row that is committed, whether settled or not; the beginning of everything where there is none.
pub async fn newest(database: &Database) -> Result<Position, StorageError> {
    let query = Entity::find().order_by_desc(Column::Epoch).order_by_desc(Column::Xid).order_by_desc(Column::Seq);
    Ok(query.one(database.read()).await?.as_ref().map(position).unwrap_or_default())
}

/// What happened to a user, or to everybody, after one position, up to and with another that is settled; oldest first.
pub async fn list_between(
    database: &Database,
    user_id: Option<Uuid>,
    after: Position,
    until: Position,
    limit: u64,
) -> Result<Vec<Model>, StorageError> {
    let query = Entity::find().apply_if(user_id, |query, user_id| query.filter(Column::UserId.eq(user_id)));
    log_range::list(database, query, [Column::Epoch, Column::Xid, Column::Seq], (after, until), limit).await
}

#[derive(Debug, FromQueryResult)]
struct Now {
    current_epoch: i32,
    /// The oldest transaction that may still write.
    oldest_xid: i64,
    next_xid: i64,
    last_audit_seq: i64,
    machine_tokens: i64,
}

impl Now {
    const fn horizon(&self) -> Position {
        Position { epoch: self.current_epoch, xid: self.oldest_xid - 1, seq: i64::MAX }
    }
}

const NOW_POSTGRES: &str = "SELECT d.epoch AS current_epoch, pg_snapshot_xmin(s)::text::bigint AS oldest_xid, \
    pg_snapshot_xmax(s)::text::bigint AS next_xid, 0::bigint AS last_audit_seq, d.machine_tokens_version AS machine_tokens \
    FROM deployment d, (SELECT pg_current_snapshot() AS s) AS snapshot";

const NOW_SQLITE: &str = "SELECT d.epoch AS current_epoch, 0 AS oldest_xid, 0 AS next_xid, \
    (SELECT coalesce(max(seq), 0) FROM user_audit_log) AS last_audit_seq, (SELECT coalesce(max(seq), 0) FROM account_events) AS last_seq, \
    d.machine_tokens_version AS machine_tokens \
    FROM deployment d";

/// Rows of an older epoch were written by a cluster whose transactions are no longer counted: they are all settled.
const READ_POSTGRES: &str = "WITH now AS MATERIALIZED (SELECT d.epoch AS current_epoch, pg_snapshot_xmin(s)::text::bigint AS oldest_xid, \
    pg_snapshot_xmax(s)::text::bigint AS next_xid, 0::bigint AS last_audit_seq, d.machine_tokens_version AS machine_tokens \
    FROM deployment d, (SELECT pg_current_snapshot() AS s) AS snapshot) \
    SELECT now.*, e.* FROM now LEFT JOIN LATERAL (SELECT * FROM account_events \
    WHERE (epoch, xid, seq) > ($1, $2, $3) AND (epoch < now.current_epoch OR xid < now.oldest_xid OR xid >= $5) \
    ORDER BY epoch, xid, seq LIMIT $4) AS e ON true ORDER BY e.epoch, e.xid, e.seq";

/// What follows in the same epoch is asked for by equal columns, for SQLite goes along the index no further (see `log_range`).
pub(super) const READ_SQLITE: &str = "SELECT d.epoch AS current_epoch, 0 AS oldest_xid, 0 AS next_xid, \
    (SELECT coalesce(max(seq), 0) FROM user_audit_log) AS last_audit_seq, d.machine_tokens_version AS machine_tokens, e.* \
    FROM deployment d LEFT JOIN ( \
    SELECT * FROM (SELECT * FROM account_events WHERE epoch = ?1 AND xid = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4) UNION ALL \
    SELECT * FROM (SELECT * FROM account_events WHERE epoch > ?1 ORDER BY epoch, xid, seq LIMIT ?4) \
    ORDER BY epoch, xid, seq LIMIT ?4) AS e ON true ORDER BY e.epoch, e.xid, e.seq";
