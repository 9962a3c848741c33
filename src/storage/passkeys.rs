//! Passkeys: WebAuthn credentials of users.

use entity::passkey_credentials;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
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

/// The same for several, without those that have none.
pub async fn count_by_user(db: &impl ConnectionTrait, user_ids: &[Uuid]) -> Result<Vec<(Uuid, u64)>, StorageError> {
    let rows: Vec<(Uuid, i64)> = passkey_credentials::Entity::find()
        .select_only()
        .column(passkey_credentials::Column::UserId)
        .column_as(passkey_credentials::Column::Id.count(), "how_many")
        .filter(passkey_credentials::Column::UserId.is_in(user_ids.iter().copied()))
        .group_by(passkey_credentials::Column::UserId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
}
