//! Failed attempts: rows, so that lockouts and budgets outlive every cache. An attempt is counted before it is checked, in one
//! conditional write, so that many at once cannot get past the limit.

use std::time::Duration;

use entity::{Timestamp, attempt_counters};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryTrait, Statement, Value,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    batch::{Batch, Write},
    error::StorageError,
};

/// How many failures lock, and for how long.
#[derive(Clone, Debug)]
pub struct Policy {
    /// This many within any one window lock.
    pub failures: i32,
    /// How long a failure counts.
    pub window: Duration,
    /// How long each lock in a row holds; the last one repeats.
    pub locks: Vec<Duration>,
    /// After this many in a row nothing but a success elsewhere opens it again.
    pub in_a_row: i32,
}

/// Whose attempt it is.
#[derive(Clone, Debug)]
pub struct Counted<'a> {
    /// `password`, `code` or `second_factor`.
    pub kind: &'a str,
    /// What is counted, as a keyed hash.
    pub key: &'a [u8],
    /// The account, where there is one.
    pub user_id: Option<Uuid>,
    /// Whether it is the account's own counter, not that of one of its devices.
    pub is_account: bool,
}

/// Whether an attempt may be checked.
#[derive(Clone, Debug)]
pub enum Reservation {
    /// It may, and counts as failed until it is given back or cleared.
    Reserved(attempt_counters::Model),
    /// It may not before this; it was not counted.
    Locked {
        /// When the lock ends.
        until: Timestamp,
    },
}

/// Digits of an instant in `recent`: enough for every year that a database can hold, so that texts compare as numbers do.
const STAMP: i32 = 15;

fn stamp(at: Timestamp) -> String {
    format!("{:015}", Ord::max(at.millis(), 0))
}

/// Counts an attempt, unless the counter is locked.
pub async fn reserve(
    db: &impl ConnectionTrait,
    counted: &Counted<'_>,
    policy: &Policy,
    new_id: Uuid,
    now: Timestamp,
) -> Result<Reservation, StorageError> {
    let last = policy.locks.len().saturating_sub(1);
    // $1 id, $2 kind, $3 key, $4 user, $5 now, $6 start of the window, $7 in a row, $8 now in `recent`, $9 length of `recent`, $10 place of the
    // failure that makes them enough, $11 and $12 the lock of a first failure, $13… ends of the locks
    let lock_end = policy.locks.iter().enumerate().map(|(n, _)| match n {
        n if n == last => format!("ELSE {} ", parameter(db, 13 + n)),
        n => format!("WHEN {n} THEN {} ", parameter(db, 13 + n)),
    });
    let lock_end = if last == 0 { parameter(db, 13) } else { format!("CASE attempt_counters.locks {}END", lock_end.collect::<String>()) };
    let recent = "substr(CAST($8 AS text) || (CASE WHEN attempt_counters.locked_until IS NOT NULL THEN '' ELSE attempt_counters.recent END), 1, \
                  CAST($9 AS integer))";
    let is_account = counted.is_account;
    let locks = format!("substr({recent}, CAST($10 AS integer), {STAMP}) > CAST($6 AS text)");
    let sql = format!(
        "INSERT INTO attempt_counters (id, kind, key, user_id, failures, total, locks, locked_until, last_failure_at, created_at, updated_at, recent, is_account) \
         VALUES ($1, $2, $3, $4, 1, 1, $11, $12, $5, $5, $5, CAST($8 AS text), {is_account}) \
         ON CONFLICT (kind, key) DO UPDATE SET \
         failures = length({recent}) / {STAMP}, \
         total = attempt_counters.total + 1, \
         locks = attempt_counters.locks + (CASE WHEN {locks} THEN 1 ELSE 0 END), \
         locked_until = (CASE WHEN {locks} THEN {lock_end} ELSE NULL END), \
         last_failure_at = $5, updated_at = $5, recent = {recent}, is_account = {is_account} \
         WHERE (attempt_counters.locked_until IS NULL OR attempt_counters.locked_until <= $5) AND attempt_counters.total < $7 \
         RETURNING *"
    );
    let enough = Ord::max(policy.failures, 1);
    let first_locks = enough == 1;
    let mut values: Vec<Value> = vec![
        new_id.into(),
        counted.kind.into(),
        counted.key.to_vec().into(),
        counted.user_id.into(),
        now.into(),
        stamp(now - policy.window).into(),
        policy.in_a_row.into(),
        stamp(now).into(),
        enough.saturating_mul(STAMP).into(),
        (enough - 1).saturating_mul(STAMP).saturating_add(1).into(),
        i32::from(first_locks).into(),
        policy.locks.first().filter(|_| first_locks).map(|lock| now + *lock).into(),
    ];
    values.extend(policy.locks.iter().map(|lock| Value::from(now + *lock)));
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    if let Some(row) = row {
        return Ok(Reservation::Reserved(attempt_counters::Model::from_query_result(&row, "")?));
    }
    let longest = policy.locks.last().copied().unwrap_or(policy.window);
    let until = find(db, counted.kind, counted.key).await?.and_then(|row| row.locked_until).filter(|until| *until > now);
    Ok(Reservation::Locked { until: until.unwrap_or(now + longest) })
}

fn parameter(db: &impl ConnectionTrait, number: usize) -> String {
    // Inside CASE PostgreSQL would take an untyped parameter for text.
    match db.get_database_backend() {
        DbBackend::Postgres => format!("${number}::timestamptz"),
        _ => format!("${number}"),
    }
}

/// Takes the newest attempt back, which was right or never checked, and the lock that it had brought: the others count as if it had never been.
pub async fn give_back(db: &impl ConnectionTrait, counted: &Counted<'_>, now: Timestamp) -> Result<(), StorageError> {
    use attempt_counters::Column;
    // Nothing is counted while it is locked, so this one was among those that locked it, and without it they are too few.
    let locked = Expr::col(Column::LockedUntil).gt(now);
    attempt_counters::Entity::update_many()
        .col_expr(Column::Locks, Expr::case(locked.clone(), Expr::col(Column::Locks).sub(1)).finally(Expr::col(Column::Locks)).into())
        .col_expr(
            Column::LockedUntil,
            Expr::case(locked, Expr::value(Option::<Timestamp>::None)).finally(Expr::col(Column::LockedUntil)).into(),
        )
        .col_expr(Column::Failures, Expr::col(Column::Failures).sub(1))
        .col_expr(Column::Total, Expr::col(Column::Total).sub(1))
        .col_expr(Column::Recent, Expr::cust(format!("substr(recent, {})", STAMP + 1)))
        .filter(Column::Kind.eq(counted.kind))
        .filter(Column::Key.eq(counted.key.to_vec()))
        .filter(Column::Failures.gt(0))
        .exec(db)
        .await?;
    Ok(())
}

/// Forgets every failure: what a success does.
pub async fn clear(db: &impl ConnectionTrait, kind: &str, key: &[u8]) -> Result<(), StorageError> {
    attempt_counters::Entity::delete_many()
        .filter(attempt_counters::Column::Kind.eq(kind))
        .filter(attempt_counters::Column::Key.eq(key.to_vec()))
        .exec(db)
        .await?;
    Ok(())
}

/// The same, with other writes.
pub fn clear_later(batch: &mut Batch, kind: &str, key: &[u8]) {
    let delete = attempt_counters::Entity::delete_many()
        .filter(attempt_counters::Column::Kind.eq(kind))
        .filter(attempt_counters::Column::Key.eq(key.to_vec()));
    batch.push(Write::Delete(delete.into_query()));
}

/// Forgets every failure at an account, from wherever: what ends a lockout.
pub async fn clear_all_of_user(db: &impl ConnectionTrait, kind: &str, user_id: Uuid) -> Result<(), StorageError> {
    attempt_counters::Entity::delete_many()
        .filter(attempt_counters::Column::Kind.eq(kind))
        .filter(attempt_counters::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}

/// The counter as it stands.
pub async fn find(db: &impl ConnectionTrait, kind: &str, key: &[u8]) -> Result<Option<attempt_counters::Model>, StorageError> {
    let query = attempt_counters::Entity::find()
        .filter(attempt_counters::Column::Kind.eq(kind))
        .filter(attempt_counters::Column::Key.eq(key.to_vec()));
    Ok(query.one(db).await?)
}

/// The counters of an account, in no order.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<attempt_counters::Model>, StorageError> {
    Ok(attempt_counters::Entity::find().filter(attempt_counters::Column::UserId.eq(user_id)).all(db).await?)
}

/// The counters with these keys, in no order.
pub async fn list_by_keys(
    db: &impl ConnectionTrait,
    kind: &str,
    keys: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Vec<attempt_counters::Model>, StorageError> {
    let query =
        attempt_counters::Entity::find().filter(attempt_counters::Column::Kind.eq(kind)).filter(attempt_counters::Column::Key.is_in(keys));
    Ok(query.all(db).await?)
}

/// Whether others than the newest failure came shortly before it, `enough` of them since then, or locked the counter since the last success.
#[must_use]
pub fn failed_before(counter: &attempt_counters::Model, enough: usize, since: Timestamp) -> bool {
    let since = stamp(since);
    let width = usize::try_from(STAMP).unwrap_or(15);
    let stamps = counter.recent.as_bytes().chunks(width).skip(1);
    counter.locks > 0 || stamps.filter(|stamp| *stamp > since.as_bytes()).count() >= enough
}
