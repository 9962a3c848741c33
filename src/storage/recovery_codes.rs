//! Recovery codes: a set of an account, each good once.

use entity::{Timestamp, recovery_codes};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::error::StorageError;

/// Puts a new set in the place of the old one.
pub async fn replace(db: &impl ConnectionTrait, user_id: Uuid, rows: Vec<recovery_codes::Model>) -> Result<(), StorageError> {
    delete_of_user(db, user_id).await?;
    let rows = rows.into_iter().map(|row| recovery_codes::ActiveModel::from(row).reset_all());
    recovery_codes::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// Drops the set of an account.
pub async fn delete_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<(), StorageError> {
    recovery_codes::Entity::delete_many().filter(recovery_codes::Column::UserId.eq(user_id)).exec(db).await?;
    Ok(())
}

/// Uses a code up; false where it is none of the account's, or was used: of many at once one is told `true`.
pub async fn consume(db: &impl ConnectionTrait, user_id: Uuid, code_hash: &[u8], now: Timestamp) -> Result<bool, StorageError> {
    let result = recovery_codes::Entity::update_many()
        .col_expr(recovery_codes::Column::UsedAt, Expr::value(now))
        .filter(unused(user_id, code_hash))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Whether a code would be taken.
pub async fn is_unused(db: &impl ConnectionTrait, user_id: Uuid, code_hash: &[u8]) -> Result<bool, StorageError> {
    Ok(recovery_codes::Entity::find().filter(unused(user_id, code_hash)).one(db).await?.is_some())
}

fn unused(user_id: Uuid, code_hash: &[u8]) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(recovery_codes::Column::UserId.eq(user_id))
        .add(recovery_codes::Column::CodeHash.eq(code_hash.to_vec()))
        .add(recovery_codes::Column::UsedAt.is_null())
}

/// How many are left.
pub async fn count_unused(db: &impl ConnectionTrait, user_id: Uuid) -> Result<u64, StorageError> {
    let query =
        recovery_codes::Entity::find().filter(recovery_codes::Column::UserId.eq(user_id)).filter(recovery_codes::Column::UsedAt.is_null());
    Ok(query.count(db).await?)
}

/// The set of an account, in no order.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<recovery_codes::Model>, StorageError> {
    Ok(recovery_codes::Entity::find().filter(recovery_codes::Column::UserId.eq(user_id)).all(db).await?)
}

/// The same for several, without those that have none.
pub async fn count_unused_by_user(db: &impl ConnectionTrait, user_ids: &[Uuid]) -> Result<Vec<(Uuid, u64)>, StorageError> {
    let rows: Vec<(Uuid, i64)> = recovery_codes::Entity::find()
        .select_only()
        .column(recovery_codes::Column::UserId)
        .column_as(recovery_codes::Column::Id.count(), "how_many")
        .filter(recovery_codes::Column::UserId.is_in(user_ids.iter().copied()))
        .filter(recovery_codes::Column::UsedAt.is_null())
        .group_by(recovery_codes::Column::UserId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
}
