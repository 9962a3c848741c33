//! The audit log as an outbox: rows in an order that never skips a late commit, for whoever hands them on.

use entity::user_audit_log::{Column, Entity, Model};
use sea_orm::{
    EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, ExprTrait},
};

use super::{
    account_events::Position,
    database::{Backend, Database},
    error::StorageError,
};

/// Where a row stands.
#[must_use]
pub const fn position(row: &Model) -> Position {
    Position { epoch: row.epoch, xid: row.xid, seq: row.seq }
}

/// At most `limit` rows after `from` before which nothing will ever appear any more, the oldest first.
pub async fn read_settled(database: &Database, from: Position, limit: u64) -> Result<Vec<Model>, StorageError> {
    let (read, limit) = (database.read(), i64::try_from(limit).unwrap_or(i64::MAX));
    let sql = match database.backend() {
        Backend::Postgres => READ_POSTGRES,
        Backend::Sqlite => READ_SQLITE,
    };
    let values = [from.epoch.into(), from.xid.into(), from.seq.into(), limit.into()];
    Ok(Entity::find().from_raw_sql(Statement::from_sql_and_values(read.get_database_backend(), sql, values)).all(read).await?)
}

/// What was written after one position, up to and with another that is settled; oldest first.
pub async fn list_between(database: &Database, after: Position, until: Position, limit: u64) -> Result<Vec<Model>, StorageError> {
    let place = || Expr::tuple([Expr::col(Column::Epoch), Expr::col(Column::Xid), Expr::col(Column::Seq)]);
    let at = |position: Position| Expr::tuple([Expr::val(position.epoch), Expr::val(position.xid), Expr::val(position.seq)]);
    let rows = Entity::find()
        .filter(place().gt(at(after)))
        .filter(place().lte(at(until)))
        .order_by_asc(Column::Epoch)
        .order_by_asc(Column::Xid)
        .order_by_asc(Column::Seq)
        .limit(limit)
        .all(database.read())
        .await?;
    Ok(rows)
}

/// Rows of an older epoch were written by a cluster whose transactions are no longer counted: they are all settled.
const READ_POSTGRES: &str = "SELECT * FROM user_audit_log WHERE (epoch, xid, seq) > ($1, $2, $3) \
    AND (epoch < (SELECT epoch FROM deployment) OR xid < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)) \
    ORDER BY epoch, xid, seq LIMIT $4";

/// One writer at a time, so that rows appear in their order.
const READ_SQLITE: &str = "SELECT * FROM user_audit_log WHERE (epoch, xid, seq) > (?, ?, ?) ORDER BY epoch, xid, seq LIMIT ?";
