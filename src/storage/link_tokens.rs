//! Tokens of the links in messages.

use entity::{
    Timestamp,
    link_tokens::{self, Purpose},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::error::StorageError;

/// How many tokens of a purpose live at once for one sign-up.
const LIVE: u64 = 3;

/// The token with this hash, used or expired or not.
pub async fn find_by_hash(db: &impl ConnectionTrait, hash: &[u8]) -> Result<Option<link_tokens::Model>, StorageError> {
    Ok(link_tokens::Entity::find().filter(link_tokens::Column::TokenHash.eq(hash)).one(db).await?)
}

/// Adds a token; of its sign-up and purpose only the three newest stay.
pub async fn insert_for_sign_up(db: &impl ConnectionTrait, row: link_tokens::Model) -> Result<(), StorageError> {
    let older: Vec<Uuid> = link_tokens::Entity::find()
        .select_only()
        .column(link_tokens::Column::Id)
        .filter(link_tokens::Column::PendingSignUpId.eq(row.pending_sign_up_id))
        .filter(link_tokens::Column::Purpose.eq(row.purpose))
        .order_by_desc(link_tokens::Column::CreatedAt)
        .order_by_desc(link_tokens::Column::Id)
        .offset(LIVE - 1)
        .limit(100)
        .into_tuple()
        .all(db)
        .await?;
    if !older.is_empty() {
        link_tokens::Entity::delete_many().filter(link_tokens::Column::Id.is_in(older)).exec(db).await?;
    }
    link_tokens::Entity::insert(link_tokens::ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Uses a token up; false where it was used, expired or never was.
pub async fn consume(db: &impl ConnectionTrait, hash: &[u8], purpose: Purpose, now: Timestamp) -> Result<bool, StorageError> {
    let result = link_tokens::Entity::update_many()
        .col_expr(link_tokens::Column::UsedAt, Expr::value(now))
        .filter(link_tokens::Column::TokenHash.eq(hash))
        .filter(link_tokens::Column::Purpose.eq(purpose))
        .filter(link_tokens::Column::UsedAt.is_null())
        .filter(link_tokens::Column::ExpiresAt.gt(now))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Ends every live token of a user: after a change of password none of them may do anything.
pub async fn consume_all_of_user(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    purposes: &[Purpose],
    now: Timestamp,
) -> Result<(), StorageError> {
    link_tokens::Entity::update_many()
        .col_expr(link_tokens::Column::UsedAt, Expr::value(now))
        .filter(link_tokens::Column::UserId.eq(user_id))
        .filter(link_tokens::Column::Purpose.is_in(purposes.iter().copied()))
        .filter(link_tokens::Column::UsedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}
