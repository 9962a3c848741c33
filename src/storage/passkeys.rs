//! Passkeys: WebAuthn credentials of users.

use entity::{Timestamp, passkey_credentials};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use super::error::StorageError;

/// How many an account has.
pub async fn count_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<u64, StorageError> {
    Ok(passkey_credentials::Entity::find().filter(passkey_credentials::Column::UserId.eq(user_id)).count(db).await?)
}

/// Those of an account, the oldest first.
pub async fn list_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Vec<passkey_credentials::Model>, StorageError> {
    list_of_users(db, &[user_id]).await
}

/// Those of several accounts, the oldest first.
pub async fn list_of_users(db: &impl ConnectionTrait, user_ids: &[Uuid]) -> Result<Vec<passkey_credentials::Model>, StorageError> {
    let query = passkey_credentials::Entity::find().filter(passkey_credentials::Column::UserId.is_in(user_ids.iter().copied()));
    Ok(query.order_by_asc(passkey_credentials::Column::CreatedAt).order_by_asc(passkey_credentials::Column::Id).all(db).await?)
}

/// The one that an authenticator names so.
pub async fn find_by_credential_id(
    db: &impl ConnectionTrait,
    credential_id: &[u8],
) -> Result<Option<passkey_credentials::Model>, StorageError> {
    let query = passkey_credentials::Entity::find().filter(passkey_credentials::Column::CredentialId.eq(credential_id.to_vec()));
    Ok(query.one(db).await?)
}

/// Adds one. A credential id that anybody has is a conflict.
pub async fn insert(db: &impl ConnectionTrait, passkey: passkey_credentials::Model) -> Result<(), StorageError> {
    passkey_credentials::Entity::insert(passkey_credentials::ActiveModel::from(passkey).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// What a use tells of a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The signature counter.
    pub counter: i64,
    /// Whether it has a copy elsewhere.
    pub backed_up: bool,
}

/// Notes a use; false where the counter did not go up since (an authenticator without one stays at 0), or the passkey is gone.
pub async fn advance_use(db: &impl ConnectionTrait, id: Uuid, seen: Use, now: Timestamp) -> Result<bool, StorageError> {
    let counter = passkey_credentials::Column::Counter;
    let mut goes_up = Condition::any().add(counter.lt(seen.counter));
    if seen.counter == 0 {
        goes_up = goes_up.add(counter.eq(0));
    }
    let result = passkey_credentials::Entity::update_many()
        .col_expr(counter, Expr::value(seen.counter))
        .col_expr(passkey_credentials::Column::BackedUp, Expr::value(seen.backed_up))
        .col_expr(passkey_credentials::Column::LastUsedAt, Expr::value(now))
        .col_expr(passkey_credentials::Column::UpdatedAt, Expr::value(now))
        .filter(passkey_credentials::Column::Id.eq(id))
        .filter(goes_up)
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Gives one of a user's another name, and returns it; `None` where it is not theirs.
pub async fn rename(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    id: Uuid,
    name: &str,
    now: Timestamp,
) -> Result<Option<passkey_credentials::Model>, StorageError> {
    let renamed = passkey_credentials::Entity::update_many()
        .col_expr(passkey_credentials::Column::Name, Expr::value(name))
        .col_expr(passkey_credentials::Column::UpdatedAt, Expr::value(now))
        .filter(passkey_credentials::Column::Id.eq(id))
        .filter(passkey_credentials::Column::UserId.eq(user_id))
        .exec_with_returning(db)
        .await?;
    Ok(renamed.into_iter().next())
}

/// Takes one of a user's away; false where it is not theirs.
pub async fn delete(db: &impl ConnectionTrait, user_id: Uuid, id: Uuid) -> Result<bool, StorageError> {
    let result = passkey_credentials::Entity::delete_many()
        .filter(passkey_credentials::Column::Id.eq(id))
        .filter(passkey_credentials::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Takes all of an account away, and says how many those were.
pub async fn delete_of_user(db: &impl ConnectionTrait, user_id: Uuid) -> Result<u64, StorageError> {
    let result = passkey_credentials::Entity::delete_many().filter(passkey_credentials::Column::UserId.eq(user_id)).exec(db).await?;
    Ok(result.rows_affected)
}

/// How many several accounts have, without those that have none.
pub async fn count_by_user(db: &impl ConnectionTrait, user_ids: &[Uuid]) -> Result<Vec<(Uuid, u64)>, StorageError> {
    let rows: Vec<(Uuid, i64)> = passkey_credentials::Entity::find()
        .select_only()
        .column(passkey_credentials::Column::UserId)
        .column_as(passkey_credentials::Column::Id.count(), "how_many")
        .filter(passkey_credentials::Column::UserId.is_in(user_ids.iter().copied()))
        .group_by(passkey_credentials::Column::UserId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
}
