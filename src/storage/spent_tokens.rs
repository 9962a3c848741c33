//! Single-use things that were used. A row is written in the transaction of the effect, so that the database has the last word even
//! where a short-lived store forgot or failed over.

use entity::{Timestamp, spent_tokens};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, TryInsertResult, sea_query::OnConflict};

use super::error::StorageError;

/// Spends a thing; false where it was spent before.
pub async fn consume(db: &impl ConnectionTrait, kind: &str, id: &str, expires_at: Timestamp) -> Result<bool, StorageError> {
    let row = spent_tokens::ActiveModel { kind: Set(kind.to_owned()), id: Set(id.to_owned()), expires_at: Set(expires_at) };
    let result = spent_tokens::Entity::insert(row)
        .on_conflict(OnConflict::columns([spent_tokens::Column::Kind, spent_tokens::Column::Id]).do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(db)
        .await?;
    Ok(matches!(result, TryInsertResult::Inserted(rows) if rows == 1))
}
