//! The audit log in the order of its positions: what its live stream reads.

use entity::user_audit_log::{Column, Entity, Model};
use sea_orm::{
    EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use super::{account_events::Position, database::Database, error::StorageError};

/// The position of a row.
#[must_use]
pub const fn position(row: &Model) -> Position {
    Position { epoch: row.epoch, xid: row.xid, seq: row.seq }
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
