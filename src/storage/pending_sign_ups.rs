//! Sign-ups before their contact is proved.

use entity::{Channel, Timestamp, pending_sign_ups};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::error::StorageError;

/// The pending sign-up with this id, where it has not expired.
pub async fn find_live(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<Option<pending_sign_ups::Model>, StorageError> {
    let query = pending_sign_ups::Entity::find_by_id(id).filter(pending_sign_ups::Column::ExpiresAt.gt(now));
    Ok(query.one(db).await?)
}

/// Adds one, and removes the oldest ones of the contact beyond `limit`. The caller holds the lock on the contact, so that no two count
/// at once. Returns the challenges of those that went.
pub async fn insert_within(db: &impl ConnectionTrait, row: pending_sign_ups::Model, limit: u64) -> Result<Vec<Uuid>, StorageError> {
    let older = pending_sign_ups::Entity::find()
        .filter(pending_sign_ups::Column::Channel.eq(row.channel))
        .filter(pending_sign_ups::Column::Contact.eq(row.contact.as_str()))
        .order_by_desc(pending_sign_ups::Column::CreatedAt)
        .order_by_desc(pending_sign_ups::Column::Id)
        .offset(limit.saturating_sub(1))
        .limit(100)
        .all(db)
        .await?;
    if !older.is_empty() {
        let ids = older.iter().map(|row| row.id);
        pending_sign_ups::Entity::delete_many().filter(pending_sign_ups::Column::Id.is_in(ids)).exec(db).await?;
    }
    pending_sign_ups::Entity::insert(pending_sign_ups::ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(older.into_iter().map(|row| row.challenge_id).collect())
}

/// Once a contact belongs to a user: the sign-up that was finished goes, and the others can never be, like those that are begun from now on.
/// Whoever began them sees no difference.
pub async fn finish(db: &impl ConnectionTrait, finished: &pending_sign_ups::Model) -> Result<(), StorageError> {
    pending_sign_ups::Entity::delete_by_id(finished.id).exec(db).await?;
    void_all_of_contact(db, finished.channel, &finished.contact).await
}

/// Once a contact belongs to a user who came another way: none of its sign-ups can be finished, and whoever began them sees no difference.
pub async fn void_all_of_contact(db: &impl ConnectionTrait, channel: Channel, contact: &str) -> Result<(), StorageError> {
    pending_sign_ups::Entity::update_many()
        .col_expr(pending_sign_ups::Column::Decoy, Expr::value(true))
        .filter(pending_sign_ups::Column::Channel.eq(channel))
        .filter(pending_sign_ups::Column::Contact.eq(contact))
        .exec(db)
        .await?;
    Ok(())
}
