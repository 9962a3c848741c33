//! Requests for a new password, each of them.

use entity::password_reset_attempts::{ActiveModel, Column, Entity, Model};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};
use uuid::Uuid;

use super::error::StorageError;

/// Adds one.
pub async fn insert(db: &impl ConnectionTrait, row: Model) -> Result<(), StorageError> {
    Entity::insert(ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Notes that one led to a new password.
pub async fn mark_success(db: &impl ConnectionTrait, id: Uuid) -> Result<(), StorageError> {
    Entity::update_many().col_expr(Column::Success, Expr::value(true)).filter(Column::Id.eq(id)).exec(db).await?;
    Ok(())
}

/// Those for a user's account, the newest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().filter(Column::UserId.eq(user_id)).order_by_desc(Column::CreatedAt).all(db).await?)
}
