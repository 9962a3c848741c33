//! Messages that the development inbox received: the newest 500, and a few older ones until they are swept out.

use entity::dev_inbox::{Column, Entity, Model};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{OnConflict, Query},
};

use super::error::StorageError;

/// How many are kept.
pub const KEPT: u64 = 500;

/// Puts messages in, each once however often it is delivered.
pub async fn insert(db: &impl ConnectionTrait, messages: Vec<Model>) -> Result<(), StorageError> {
    Entity::insert_many(messages.into_iter().map(IntoActiveModel::into_active_model))
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Lets the oldest go.
pub async fn sweep(db: &impl ConnectionTrait) -> Result<(), StorageError> {
    let newest = Query::select()
        .column(Column::Id)
        .from(Entity)
        .order_by(Column::SentAt, sea_orm::Order::Desc)
        .order_by(Column::Id, sea_orm::Order::Desc)
        .limit(KEPT)
        .to_owned();
    Entity::delete_many().filter(Column::Id.not_in_subquery(newest)).exec(db).await?;
    Ok(())
}

/// Newest first; those to `recipient` alone where one is named.
pub async fn list(db: &impl ConnectionTrait, recipient: Option<&str>, limit: u64) -> Result<Vec<Model>, StorageError> {
    let mut messages = Entity::find().order_by_desc(Column::SentAt).order_by_desc(Column::Id).limit(limit);
    if let Some(recipient) = recipient {
        // No message has one, and PostgreSQL takes none in a text.
        if recipient.contains('\0') {
            return Ok(Vec::new());
        }
        messages = messages.filter(Column::Recipient.eq(recipient));
    }
    Ok(messages.all(db).await?)
}
