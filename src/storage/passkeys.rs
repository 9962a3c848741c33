//! Passkeys: WebAuthn credentials of users.

use entity::passkey_credentials;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::error::StorageError;

/// How many an account has.
pub async fn count_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<u64, StorageError> {
    Ok(passkey_credentials::Entity::find().filter(passkey_credentials::Column::UserId.eq(user_id)).count(db).await?)
}

/// Those of an account, the oldest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<passkey_credentials::Model>, StorageError> {
    let query = passkey_credentials::Entity::find().filter(passkey_credentials::Column::UserId.eq(user_id));
    Ok(query.order_by_asc(passkey_credentials::Column::CreatedAt).order_by_asc(passkey_credentials::Column::Id).all(db).await?)
}
