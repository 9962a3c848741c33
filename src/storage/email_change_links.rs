//! The links that stop or undo a change of address. Each belongs to the address that was given up, and outlives the ones of addresses that
//! came after it: who took an account over cannot push the true owner's links out.

use entity::{
    Timestamp,
    link_tokens::{ActiveModel, Column, Entity, Model, Purpose},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::error::StorageError;

/// How many live at once for one address of a user.
const LIVE: u64 = 3;

fn unused(user_id: Uuid) -> Condition {
    Condition::all().add(Column::UserId.eq(user_id)).add(Column::Purpose.eq(Purpose::EmailChangeUndo)).add(Column::UsedAt.is_null())
}

/// Adds one; of its address only the three newest stay.
pub async fn insert(db: &impl ConnectionTrait, row: Model) -> Result<(), StorageError> {
    let older: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(unused(row.user_id.unwrap_or_default()))
        .filter(Column::Contact.eq(row.contact.as_str()))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .offset(LIVE - 1)
        .limit(100)
        .into_tuple()
        .all(db)
        .await?;
    if !older.is_empty() {
        Entity::delete_many().filter(Column::Id.is_in(older)).exec(db).await?;
    }
    Entity::insert(ActiveModel::from(row).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Gives the live ones of an address a later end.
pub async fn prolong(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    contact: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), StorageError> {
    Entity::update_many()
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(unused(user_id))
        .filter(Column::Contact.eq(contact))
        .filter(Column::ExpiresAt.gt(now))
        .exec(db)
        .await?;
    Ok(())
}

/// Ends those of an address.
pub async fn consume_all_of_contact(db: &impl ConnectionTrait, user_id: Uuid, contact: &str, now: Timestamp) -> Result<(), StorageError> {
    Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(unused(user_id))
        .filter(Column::Contact.eq(contact))
        .exec(db)
        .await?;
    Ok(())
}

/// Ends all of a user: nothing that was done to the address before can be undone any more.
pub async fn consume_all_of_user(db: &impl ConnectionTrait, user_id: Uuid, now: Timestamp) -> Result<(), StorageError> {
    Entity::update_many().col_expr(Column::UsedAt, Expr::value(now)).filter(unused(user_id)).exec(db).await?;
    Ok(())
}

/// Ends those that came with or after this one: what is undone takes every later change with it, and no earlier one.
pub async fn consume_since(db: &impl ConnectionTrait, user_id: Uuid, row: &Model, now: Timestamp) -> Result<(), StorageError> {
    Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(unused(user_id))
        .filter(Condition::any().add(Column::CreatedAt.gte(row.created_at)).add(Column::Contact.eq(row.contact.as_str())))
        .exec(db)
        .await?;
    Ok(())
}
