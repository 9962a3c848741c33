//! Tokens of the links in messages.

use entity::{
    Timestamp,
    link_tokens::{self, Purpose},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, UpdateMany,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use uuid::Uuid;

use super::{
    batch::{Batch, Write},
    error::StorageError,
};

/// How many tokens of a purpose live at once for one sign-up.
const LIVE: u64 = 3;

/// The token with this hash, used or expired or not.
pub async fn find_by_hash(db: &impl ConnectionTrait, hash: &[u8]) -> Result<Option<link_tokens::Model>, StorageError> {
    Ok(link_tokens::Entity::find().filter(link_tokens::Column::TokenHash.eq(hash)).one(db).await?)
}

/// Adds a token; of its sign-up and purpose only the three newest stay.
pub async fn insert_for_sign_up(db: &impl ConnectionTrait, row: link_tokens::Model) -> Result<(), StorageError> {
    let same = link_tokens::Column::PendingSignUpId.eq(row.pending_sign_up_id).and(link_tokens::Column::Purpose.eq(row.purpose));
    insert_among_newest(db, same, row).await
}

/// Adds a token of an account; of its purpose only the three newest stay. For nobody's token it does the same.
pub async fn insert_for_account(db: &impl ConnectionTrait, row: link_tokens::Model) -> Result<(), StorageError> {
    let same = link_tokens::Column::UserId
        .eq(row.user_id.unwrap_or_default())
        .and(link_tokens::Column::Purpose.eq(row.purpose))
        .and(link_tokens::Column::UsedAt.is_null());
    insert_among_newest(db, same, row).await
}

/// Always the same two statements, whether or not there are older tokens: how long it takes must not tell whether there is an account.
async fn insert_among_newest(db: &impl ConnectionTrait, same: SimpleExpr, row: link_tokens::Model) -> Result<(), StorageError> {
    let older = link_tokens::Entity::find()
        .select_only()
        .column(link_tokens::Column::Id)
        .filter(same)
        .order_by_desc(link_tokens::Column::CreatedAt)
        .order_by_desc(link_tokens::Column::Id)
        .offset(LIVE - 1)
        .limit(100)
        .into_query();
    link_tokens::Entity::delete_many().filter(link_tokens::Column::Id.in_subquery(older)).exec(db).await?;
    link_tokens::Entity::insert(link_tokens::ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Adds a token that is about one thing alone, so that others of its purpose stay; with other writes.
pub fn insert_later(batch: &mut Batch, row: link_tokens::Model) {
    batch.push(Write::Insert(link_tokens::Entity::insert(link_tokens::ActiveModel::from(row).reset_all()).into_query()));
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

/// The challenges whose codes came with the live tokens of a user.
pub async fn list_live_challenges(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    purposes: &[Purpose],
    now: Timestamp,
) -> Result<Vec<Uuid>, StorageError> {
    let query = link_tokens::Entity::find()
        .select_only()
        .column(link_tokens::Column::ChallengeId)
        .filter(link_tokens::Column::UserId.eq(user_id))
        .filter(link_tokens::Column::Purpose.is_in(purposes.iter().copied()))
        .filter(link_tokens::Column::ChallengeId.is_not_null())
        .filter(link_tokens::Column::UsedAt.is_null())
        .filter(link_tokens::Column::ExpiresAt.gt(now));
    Ok(query.into_tuple().all(db).await?)
}

/// The tokens of a user, the newest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<link_tokens::Model>, StorageError> {
    let query = link_tokens::Entity::find().filter(link_tokens::Column::UserId.eq(user_id));
    Ok(query.order_by_desc(link_tokens::Column::CreatedAt).all(db).await?)
}

/// Ends every live token of a user: after a change of password none of them may do anything.
pub async fn consume_all_of_user(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    purposes: &[Purpose],
    now: Timestamp,
) -> Result<(), StorageError> {
    all_of_user(user_id, purposes, now).exec(db).await?;
    Ok(())
}

/// The same, with other writes.
pub fn consume_all_of_user_later(batch: &mut Batch, user_id: Uuid, purposes: &[Purpose], now: Timestamp) {
    batch.push(Write::Update(all_of_user(user_id, purposes, now).into_query()));
}

fn all_of_user(user_id: Uuid, purposes: &[Purpose], now: Timestamp) -> UpdateMany<link_tokens::Entity> {
    link_tokens::Entity::update_many()
        .col_expr(link_tokens::Column::UsedAt, Expr::value(now))
        .filter(link_tokens::Column::UserId.eq(user_id))
        .filter(link_tokens::Column::Purpose.is_in(purposes.iter().copied()))
        .filter(link_tokens::Column::UsedAt.is_null())
}
