//! Users: who they are and how they sign in.

use entity::{Timestamp, users};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::error::StorageError;

/// The user with this id.
pub async fn find_by_id(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<users::Model>, StorageError> {
    Ok(users::Entity::find_by_id(id).one(db).await?)
}

/// The users with these ids, in no order.
pub async fn list_by_ids(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<users::Model>, StorageError> {
    Ok(users::Entity::find().filter(users::Column::Id.is_in(ids.iter().copied())).all(db).await?)
}

/// The user who proved this address.
pub async fn find_by_verified_email(db: &impl ConnectionTrait, email: &str) -> Result<Option<users::Model>, StorageError> {
    let query = users::Entity::find().filter(users::Column::Email.eq(email)).filter(users::Column::EmailVerifiedAt.is_not_null());
    Ok(query.one(db).await?)
}

/// The user who proved this number.
pub async fn find_by_verified_phone(db: &impl ConnectionTrait, phone: &str) -> Result<Option<users::Model>, StorageError> {
    let query = users::Entity::find().filter(users::Column::Phone.eq(phone)).filter(users::Column::PhoneVerifiedAt.is_not_null());
    Ok(query.one(db).await?)
}

/// The user with this name, given in lower case.
pub async fn find_by_username(db: &impl ConnectionTrait, username: &str) -> Result<Option<users::Model>, StorageError> {
    Ok(users::Entity::find().filter(users::Column::Username.eq(username)).one(db).await?)
}

/// Adds a user. A contact or username that somebody else holds is a conflict.
pub async fn insert(db: &impl ConnectionTrait, user: users::Model) -> Result<(), StorageError> {
    users::Entity::insert(users::ActiveModel::from(user).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// What a right password changes.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    /// The hash that was checked: the account must still have it.
    pub password_hash: &'a str,
    /// The same password under today's parameters.
    pub rehashed: Option<&'a str>,
}

/// Notes a sign-in by password, and locks the row for the rest of the transaction; false where the account is no longer active or has
/// another password by now.
pub async fn advance_sign_in(db: &impl ConnectionTrait, id: Uuid, sign_in: SignIn<'_>, now: Timestamp) -> Result<bool, StorageError> {
    let mut update = users::Entity::update_many()
        .col_expr(users::Column::LastLoginAt, Expr::value(now))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::Status.eq(users::Status::Active))
        .filter(users::Column::PasswordHash.eq(sign_in.password_hash));
    if let Some(hash) = sign_in.rehashed {
        update = update.col_expr(users::Column::PasswordHash, Expr::value(hash));
    }
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Replaces the password; false where the account has another one by now than the one that was checked, or is not active.
pub async fn change_password(
    db: &impl ConnectionTrait,
    id: Uuid,
    old_hash: &str,
    new_hash: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let result = users::Entity::update_many()
        .col_expr(users::Column::PasswordHash, Expr::value(new_hash))
        .col_expr(users::Column::LastPasswordChangeAt, Expr::value(now))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::Status.eq(users::Status::Active))
        .filter(users::Column::PasswordHash.eq(old_hash))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}
