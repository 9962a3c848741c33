//! Accounts that are to go: the wish, the change of mind, and the end.

use entity::{
    Timestamp, avatar_removals, messages,
    users::{Column, Entity, Model, Status},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{contact_rows, error::StorageError};

/// Writes down when an account is to go and returns it as it is now; `None` where that was written down before, or the account is not active.
pub async fn schedule(db: &impl ConnectionTrait, id: Uuid, at: Timestamp, now: Timestamp) -> Result<Option<Model>, StorageError> {
    let wanted = Condition::all().add(Column::Status.eq(Status::Active)).add(Column::DeletionScheduledAt.is_null());
    set(db, id, (wanted, Some(at)), now).await
}

/// Keeps an account that was to go, and returns it as it is now; `None` where it was not to go, or is not active.
pub async fn cancel(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<Option<Model>, StorageError> {
    let wanted = Condition::all().add(Column::Status.eq(Status::Active)).add(Column::DeletionScheduledAt.is_not_null());
    set(db, id, (wanted, None), now).await
}

async fn set(
    db: &impl ConnectionTrait,
    id: Uuid,
    (wanted, at): (Condition, Option<Timestamp>),
    now: Timestamp,
) -> Result<Option<Model>, StorageError> {
    let written = Entity::update_many()
        .col_expr(Column::DeletionScheduledAt, Expr::value(at))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id))
        .filter(wanted)
        .exec_with_returning(db)
        .await?;
    Ok(written.into_iter().next())
}

/// Whether somebody else administrates: an active account that is not to go itself. The caller holds the lock on administrators.
pub async fn has_other_admin(db: &impl ConnectionTrait, id: Uuid) -> Result<bool, StorageError> {
    let other = Entity::find()
        .select_only()
        .column(Column::Id)
        // Written out, so that the index of these alone is used.
        .filter(Expr::cust("role = 'admin'"))
        .filter(Column::Status.eq(Status::Active))
        .filter(Column::DeletionScheduledAt.is_null())
        .filter(Column::Id.ne(id));
    Ok(other.into_tuple::<Uuid>().one(db).await?.is_some())
}

/// At most `limit` accounts whose time has come, after a place in their order; with the place of each.
pub async fn list_due(
    db: &impl ConnectionTrait,
    after: Option<(Timestamp, Uuid)>,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<(Timestamp, Uuid)>, StorageError> {
    let mut due = Entity::find()
        .select_only()
        .columns([Column::DeletionScheduledAt, Column::Id])
        .filter(Column::DeletionScheduledAt.lte(now))
        .order_by_asc(Column::DeletionScheduledAt)
        .order_by_asc(Column::Id)
        .limit(limit);
    if let Some((at, id)) = after {
        let later = Condition::all().add(Column::DeletionScheduledAt.eq(at)).add(Column::Id.gt(id));
        due = due.filter(Condition::any().add(Column::DeletionScheduledAt.gt(at)).add(later));
    }
    Ok(due.into_tuple().all(db).await?)
}

/// Reads an account whose time has come, and locks its row for the rest of the transaction; `None` where its owner has kept it.
pub async fn lock_due(db: &impl ConnectionTrait, id: Uuid, now: Timestamp) -> Result<Option<Model>, StorageError> {
    Ok(Entity::find_by_id(id).filter(Column::DeletionScheduledAt.lte(now)).lock_exclusive().one(db).await?)
}

/// Removes an account and all that lies by its id or by contacts that it has or had proved. What has a row of its own in the audit log and the event log stays.
///
/// The file of its picture is noted for removal in the same transaction, so that it goes although the program may be killed in between.
pub async fn erase(db: &impl ConnectionTrait, user: &Model, now: Timestamp) -> Result<(), StorageError> {
    if let Some(key) = &user.avatar_key {
        let removal = avatar_removals::ActiveModel { key: Set(key.clone()), created_at: Set(now) };
        avatar_removals::Entity::insert(removal)
            .on_conflict(OnConflict::column(avatar_removals::Column::Key).do_nothing().to_owned())
            .exec_without_returning(db)
            .await?;
    }
    contact_rows::erase(db, user).await?;
    messages::Entity::delete_many().filter(messages::Column::UserId.eq(user.id)).exec(db).await?;
    // Sessions, devices, links and counters go with it.
    Entity::delete_by_id(user.id).exec(db).await?;
    Ok(())
}

/// Keys of at most `limit` pictures that are noted for removal, the oldest first.
pub async fn list_removed_avatars(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<String>, StorageError> {
    let query = avatar_removals::Entity::find().select_only().column(avatar_removals::Column::Key);
    Ok(query.order_by_asc(avatar_removals::Column::CreatedAt).limit(limit).into_tuple().all(db).await?)
}

/// Forgets pictures whose files are gone.
pub async fn forget_avatars(db: &impl ConnectionTrait, keys: &[String]) -> Result<(), StorageError> {
    let keys = keys.iter().map(String::as_str);
    avatar_removals::Entity::delete_many().filter(avatar_removals::Column::Key.is_in(keys)).exec(db).await?;
    Ok(())
}
