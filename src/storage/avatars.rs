//! Which picture an account has; the pictures themselves lie elsewhere.

use entity::{Timestamp, users};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::error::StorageError;

/// A picture that is kept.
#[derive(Clone, Debug)]
pub struct Avatar {
    /// Its name in the storage.
    pub key: String,
    /// In bytes.
    pub size: i32,
    /// What it is.
    pub mime_type: &'static str,
}

/// The key of an account's picture.
pub async fn find_key(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<String>, StorageError> {
    let query = users::Entity::find_by_id(id).select_only().column(users::Column::AvatarKey);
    Ok(query.into_tuple::<Option<String>>().one(db).await?.flatten())
}

/// Gives an account this picture, or none, and returns the user as they are now; `None` where the account is not there or not active.
pub async fn set(
    db: &impl ConnectionTrait,
    id: Uuid,
    avatar: Option<Avatar>,
    now: Timestamp,
) -> Result<Option<users::Model>, StorageError> {
    let (key, size, mime_type) = match avatar {
        Some(Avatar { key, size, mime_type }) => (Some(key), Some(size), Some(mime_type.to_owned())),
        None => (None, None, None),
    };
    let written = users::Entity::update_many()
        .col_expr(users::Column::AvatarKey, Expr::value(key))
        .col_expr(users::Column::AvatarSize, Expr::value(size))
        .col_expr(users::Column::AvatarMimeType, Expr::value(mime_type))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(users::Column::Id.eq(id))
        .filter(users::Column::Status.eq(users::Status::Active))
        .exec_with_returning(db)
        .await?;
    Ok(written.into_iter().next())
}

/// Which of these keys some account names.
pub async fn list_named(db: &impl ConnectionTrait, keys: &[String]) -> Result<Vec<String>, StorageError> {
    let query = users::Entity::find()
        .select_only()
        .column(users::Column::AvatarKey)
        .filter(users::Column::AvatarKey.is_in(keys.iter().map(String::as_str)));
    Ok(query.into_tuple::<Option<String>>().all(db).await?.into_iter().flatten().collect())
}
