//! Sign-ups before their contact is proved.

use entity::{Channel, Timestamp, pending_sign_ups};
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
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

/// Removes every pending sign-up of a contact, once it belongs to a user. Returns their challenges.
pub async fn consume_all_of_contact(db: &impl ConnectionTrait, channel: Channel, contact: &str) -> Result<Vec<Uuid>, StorageError> {
    let of_contact = Condition::all().add(pending_sign_ups::Column::Channel.eq(channel)).add(pending_sign_ups::Column::Contact.eq(contact));
    let challenges: Vec<Uuid> = pending_sign_ups::Entity::find()
        .select_only()
        .column(pending_sign_ups::Column::ChallengeId)
        .filter(of_contact.clone())
        .into_tuple()
        .all(db)
        .await?;
    pending_sign_ups::Entity::delete_many().filter(of_contact).exec(db).await?;
    Ok(challenges)
}
