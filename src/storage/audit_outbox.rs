//! The audit log as an outbox: rows in an order that never skips a late commit, for whoever hands them on.

use entity::user_audit_log::{Column, Entity, Model};
use sea_orm::{EntityTrait, Statement};

use super::{
    account_events::Position,
    database::{Backend, Database},
    error::StorageError,
    log_range,
};

/// Where a row stands.
#[must_use]
pub const fn position(row: &Model) -> Position {
    Position { epoch: row.epoch, xid: row.xid, seq: row.seq }
}

/// At most `limit` rows after `from` before which nothing will ever appear any more, the oldest first.
pub async fn read_settled(database: &Database, from: Position, limit: u64) -> Result<Vec<Model>, StorageError> {
    match database.backend() {
        Backend::Postgres => {
            let (read, limit) = (database.read(), i64::try_from(limit).unwrap_or(i64::MAX));
            let values = [from.epoch.into(), from.xid.into(), from.seq.into(), limit.into()];
            let read_after = Statement::from_sql_and_values(read.get_database_backend(), READ_POSTGRES, values);
            Ok(Entity::find().from_raw_sql(read_after).all(read).await?)
        }
        // One writer at a time, so that rows appear in their order.
        Backend::Sqlite => list_between(database, from, Position { epoch: i32::MAX, ..from }, limit).await,
    }
}

/// What was written after one position, up to and with another that is settled; oldest first.
pub async fn list_between(database: &Database, after: Position, until: Position, limit: u64) -> Result<Vec<Model>, StorageError> {
    log_range::list(database, Entity::find(), [Column::Epoch, Column::Xid, Column::Seq], (after, until), limit).await
}

/// Rows of an older epoch were written by a cluster whose transactions are no longer counted: they are all settled.
const READ_POSTGRES: &str = "SELECT * FROM user_audit_log WHERE (epoch, xid, seq) > ($1, $2, $3) \
    AND (epoch < (SELECT epoch FROM deployment) OR xid < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)) \
    ORDER BY epoch, xid, seq LIMIT $4";
