//! Devices that have signed in to an account before.

use entity::{Timestamp, known_devices};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryTrait, sea_query::Expr};
use uuid::Uuid;

use super::{
    batch::{Batch, Write},
    error::StorageError,
};

/// The device with this token, where this account knows it.
pub async fn find(db: &impl ConnectionTrait, user_id: Uuid, token_hash: &[u8]) -> Result<Option<known_devices::Model>, StorageError> {
    let query = known_devices::Entity::find()
        .filter(known_devices::Column::UserId.eq(user_id))
        .filter(known_devices::Column::TokenHash.eq(token_hash));
    Ok(query.one(db).await?)
}

/// Makes a device known to an account.
pub fn insert_later(batch: &mut Batch, row: known_devices::Model) {
    batch.push(Write::Insert(known_devices::Entity::insert(known_devices::ActiveModel::from(row).reset_all()).into_query()));
}

/// What a device looks like that was here again.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// As its user agent tells.
    pub name: &'a str,
    /// Where it is: ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
}

/// Notes that a device was here again, and what it looked like where that is to be remembered.
pub fn advance_last_seen_later(batch: &mut Batch, id: Uuid, seen: Option<Seen<'_>>, now: Timestamp) {
    let mut update = known_devices::Entity::update_many().col_expr(known_devices::Column::LastSeenAt, Expr::value(now));
    if let Some(seen) = seen {
        update = update.col_expr(known_devices::Column::Name, Expr::value(seen.name));
        if let Some(country) = seen.country {
            update = update.col_expr(known_devices::Column::LocationCountry, Expr::value(country));
        }
    }
    batch.push(Write::Update(update.filter(known_devices::Column::Id.eq(id)).into_query()));
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

/// Trusts a device until then; false where the account does not know it any more.
pub async fn trust(db: &impl ConnectionTrait, user_id: Uuid, id: Uuid, until: Timestamp) -> Result<bool, StorageError> {
    let result = known_devices::Entity::update_many()
        .col_expr(known_devices::Column::TrustedUntil, Expr::value(until))
        .filter(known_devices::Column::Id.eq(id))
        .filter(known_devices::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Ends the trust in one device; false where there was none.
pub async fn revoke_trust_of(db: &impl ConnectionTrait, id: Uuid) -> Result<bool, StorageError> {
    let result = known_devices::Entity::update_many()
        .col_expr(known_devices::Column::TrustedUntil, Expr::value(Option::<Timestamp>::None))
        .filter(known_devices::Column::Id.eq(id))
        .filter(known_devices::Column::TrustedUntil.is_not_null())
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Makes a device a stranger again.
pub async fn delete(db: &impl ConnectionTrait, id: Uuid) -> Result<(), StorageError> {
    known_devices::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// The device with this id.
pub async fn find_by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<known_devices::Model>, StorageError> {
    Ok(known_devices::Entity::find_by_id(id).one(db).await?)
}

/// The devices that a user has, the newest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<known_devices::Model>, StorageError> {
    let query = known_devices::Entity::find().filter(known_devices::Column::UserId.eq(user_id));
    Ok(query.order_by_desc(known_devices::Column::CreatedAt).all(db).await?)
}

/// The devices with these ids, in no order.
pub async fn list_by_ids(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<known_devices::Model>, StorageError> {
    Ok(known_devices::Entity::find().filter(known_devices::Column::Id.is_in(ids.iter().copied())).all(db).await?)
}
