//! The rows of the keys that sign access tokens.

use entity::{Timestamp, signing_keys};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::OnConflict,
};
use uuid::Uuid;

use super::error::StorageError;

/// Every key, the oldest generation first.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<signing_keys::Model>, StorageError> {
    Ok(signing_keys::Entity::find().order_by_asc(signing_keys::Column::Generation).all(db).await?)
}

/// Adds a key; `false` where another instance made this generation first.
pub async fn insert(db: &impl ConnectionTrait, key: signing_keys::Model) -> Result<bool, StorageError> {
    let inserted = signing_keys::Entity::insert(key.into_active_model())
        .on_conflict(OnConflict::column(signing_keys::Column::Generation).do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    Ok(inserted > 0)
}

/// Says until when the keys before `generation` sign, where that is not said yet. Doing it twice changes nothing.
pub async fn retire_before(db: &impl ConnectionTrait, generation: i32, at: Timestamp) -> Result<u64, StorageError> {
    let updated = signing_keys::Entity::update_many()
        .set(signing_keys::ActiveModel { retire_at: Set(Some(at)), ..Default::default() })
        .filter(signing_keys::Column::Generation.lt(generation))
        .filter(signing_keys::Column::RetireAt.is_null())
        .exec(db)
        .await?;
    Ok(updated.rows_affected)
}

/// Replaces a sealed private key by the same one sealed anew; `false` where another instance did that first.
pub async fn reseal(db: &impl ConnectionTrait, id: Uuid, old: &[u8], new: Vec<u8>) -> Result<bool, StorageError> {
    let updated = signing_keys::Entity::update_many()
        .set(signing_keys::ActiveModel { private_key_sealed: Set(new), ..Default::default() })
        .filter(signing_keys::Column::Id.eq(id))
        .filter(signing_keys::Column::PrivateKeySealed.eq(old.to_vec()))
        .exec(db)
        .await?;
    Ok(updated.rows_affected > 0)
}

/// Removes keys that stopped signing before `before`: nothing that they signed still holds.
pub async fn delete_retired(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64, StorageError> {
    Ok(signing_keys::Entity::delete_many().filter(signing_keys::Column::RetireAt.lt(before)).exec(db).await?.rows_affected)
}
