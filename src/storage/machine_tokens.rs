//! Tokens of listeners and back ends.

use entity::{
    Timestamp,
    machine_tokens::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{deployment, error::StorageError};

/// Adds one, and tells every instance, in a transaction.
pub async fn insert(transaction: &impl ConnectionTrait, row: Model) -> Result<(), StorageError> {
    Entity::insert(ActiveModel::from(row).reset_all()).exec_without_returning(transaction).await?;
    deployment::advance_machine_tokens_version(transaction).await
}

/// Revokes one, and tells every instance, in a transaction; the row as it is now, or none where it was revoked already or never there.
pub async fn revoke(transaction: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<Option<Model>, StorageError> {
    let revoked = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(transaction)
        .await?;
    if revoked.rows_affected == 0 {
        return Ok(None);
    }
    deployment::advance_machine_tokens_version(transaction).await?;
    Ok(Entity::find_by_id(id).one(transaction).await?)
}

/// The one with this id, whatever became of it.
pub async fn find_by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, StorageError> {
    Ok(Entity::find_by_id(id).one(db).await?)
}

/// All that ever were, the oldest first.
pub async fn list_all(db: &impl ConnectionTrait) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Id).all(db).await?)
}

/// Those that were not revoked; whether they have expired is for the caller to judge, by its own clock.
pub async fn list_unrevoked(db: &impl ConnectionTrait) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().filter(Column::RevokedAt.is_null()).all(db).await?)
}

/// Notes that some were used now, unless that was noted since `before`.
pub async fn advance_last_used(db: &impl ConnectionTrait, ids: &[Uuid], before: Timestamp, now: Timestamp) -> Result<(), StorageError> {
    let not_lately = Column::LastUsedAt.is_null().or(Column::LastUsedAt.lt(before));
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(not_lately)
        .exec(db)
        .await?;
    Ok(())
}
