//! Accounts at providers that users sign in with. Each belongs to one user: the database has the last word on whose it is.

use entity::{Timestamp, auth_providers, users};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, TryInsertResult,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::error::StorageError;

/// How many an account has.
pub async fn count_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<u64, StorageError> {
    Ok(auth_providers::Entity::find().filter(auth_providers::Column::UserId.eq(user_id)).count(db).await?)
}

/// Those of an account, the oldest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<auth_providers::Model>, StorageError> {
    list_of_users(db, &[user_id]).await
}

/// Those of several accounts, the oldest first.
pub async fn list_of_users(db: &impl ConnectionTrait, user_ids: &[Uuid]) -> Result<Vec<auth_providers::Model>, StorageError> {
    let query = auth_providers::Entity::find().filter(auth_providers::Column::UserId.is_in(user_ids.iter().copied()));
    Ok(query.order_by_asc(auth_providers::Column::LinkedAt).order_by_asc(auth_providers::Column::Id).all(db).await?)
}

/// The one with this subject at this issuer.
pub async fn find(db: &impl ConnectionTrait, issuer: &str, subject: &str) -> Result<Option<auth_providers::Model>, StorageError> {
    Ok(auth_providers::Entity::find().filter(named(issuer, subject)).one(db).await?)
}

/// Adds one; false where somebody has that account at the provider already.
pub async fn insert(db: &impl ConnectionTrait, row: auth_providers::Model) -> Result<bool, StorageError> {
    let key = OnConflict::columns([auth_providers::Column::Issuer, auth_providers::Column::ProviderUserId]).do_nothing().to_owned();
    let row = auth_providers::ActiveModel::from(row).reset_all();
    let result = auth_providers::Entity::insert(row).on_conflict(key).try_insert().exec_without_returning(db).await?;
    Ok(matches!(result, TryInsertResult::Inserted(rows) if rows == 1))
}

/// Notes a use, and the address as the provider tells it now.
pub async fn advance_use(db: &impl ConnectionTrait, id: Uuid, email: Option<&str>, now: Timestamp) -> Result<(), StorageError> {
    let mut update = auth_providers::Entity::update_many()
        .col_expr(auth_providers::Column::LastUsedAt, Expr::value(now))
        .filter(auth_providers::Column::Id.eq(id));
    if let Some(email) = email {
        update = update.col_expr(auth_providers::Column::Email, Expr::value(email));
    }
    update.exec(db).await?;
    Ok(())
}

/// Removes one; false where it is not, or no longer, this user's.
pub async fn delete(db: &impl ConnectionTrait, user_id: Uuid, id: Uuid) -> Result<bool, StorageError> {
    let of_user = auth_providers::Entity::delete_by_id(id).filter(auth_providers::Column::UserId.eq(user_id));
    Ok(of_user.exec(db).await?.rows_affected == 1)
}

/// Notes a sign-in by a provider, and locks the user's row for the rest of the transaction; false where the account is no longer active.
pub async fn advance_sign_in(db: &impl ConnectionTrait, user_id: Uuid, now: Timestamp) -> Result<bool, StorageError> {
    let update = users::Entity::update_many()
        .col_expr(users::Column::LastLoginAt, Expr::value(now))
        .filter(users::Column::Id.eq(user_id))
        .filter(users::Column::Status.eq(users::Status::Active));
    Ok(update.exec(db).await?.rows_affected == 1)
}

fn named(issuer: &str, subject: &str) -> Condition {
    Condition::all().add(auth_providers::Column::Issuer.eq(issuer)).add(auth_providers::Column::ProviderUserId.eq(subject))
}
