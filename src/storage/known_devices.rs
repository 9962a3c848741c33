//! Devices that have signed in to an account before.

use entity::{Timestamp, known_devices};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::error::StorageError;

/// The device with this token, where this account knows it.
pub async fn find(db: &impl ConnectionTrait, user_id: Uuid, token_hash: &[u8]) -> Result<Option<known_devices::Model>, StorageError> {
    let query = known_devices::Entity::find()
        .filter(known_devices::Column::UserId.eq(user_id))
        .filter(known_devices::Column::TokenHash.eq(token_hash));
    Ok(query.one(db).await?)
}

/// Makes a device known to an account.
pub async fn insert(db: &impl ConnectionTrait, row: known_devices::Model) -> Result<(), StorageError> {
    known_devices::Entity::insert(known_devices::ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Notes that a device was here again.
pub async fn advance_last_seen(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<(), StorageError> {
    known_devices::Entity::update_many()
        .col_expr(known_devices::Column::LastSeenAt, Expr::value(now))
        .filter(known_devices::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Ends the trust in every device of a user; they stay known.
pub async fn revoke_trust(db: &impl ConnectionTrait, user_id: Uuid) -> Result<(), StorageError> {
    known_devices::Entity::update_many()
        .col_expr(known_devices::Column::TrustedUntil, Expr::value(Option::<Timestamp>::None))
        .filter(known_devices::Column::UserId.eq(user_id))
        .filter(known_devices::Column::TrustedUntil.is_not_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Ends the trust in one device.
pub async fn revoke_trust_of(db: &impl ConnectionTrait, id: Uuid) -> Result<(), StorageError> {
    known_devices::Entity::update_many()
        .col_expr(known_devices::Column::TrustedUntil, Expr::value(Option::<Timestamp>::None))
        .filter(known_devices::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// The device with this id.
pub async fn find_by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<known_devices::Model>, StorageError> {
    Ok(known_devices::Entity::find_by_id(id).one(db).await?)
}

/// The devices with these ids, in no order.
pub async fn list_by_ids(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<known_devices::Model>, StorageError> {
    Ok(known_devices::Entity::find().filter(known_devices::Column::Id.is_in(ids.iter().copied())).all(db).await?)
}
