//! Accounts at providers that users sign in with.

use entity::auth_providers;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::error::StorageError;

/// How many an account has.
pub async fn count_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<u64, StorageError> {
    Ok(auth_providers::Entity::find().filter(auth_providers::Column::UserId.eq(user_id)).count(db).await?)
}

/// Those of an account, the oldest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<auth_providers::Model>, StorageError> {
    let query = auth_providers::Entity::find().filter(auth_providers::Column::UserId.eq(user_id));
    Ok(query.order_by_asc(auth_providers::Column::LinkedAt).order_by_asc(auth_providers::Column::Id).all(db).await?)
}
