//! Coins of accounts: what an account has lies with its row, and every entry stays.

use entity::{Timestamp, coin_entries, user_sessions::Actor, users};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::error::StorageError;

/// A window on the entries of an account, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Only what is older than the entry with this number.
    pub after: Option<i64>,
    /// Only what is newer than it.
    pub before: Option<i64>,
    /// From the end of the list backwards.
    pub from_end: bool,
    /// How many at most.
    pub limit: u64,
}

/// An entry that is to be written.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Time-ordered.
    pub id: Uuid,
    /// Whose coins.
    pub user_id: Uuid,
    /// Positive when earned, negative when spent.
    pub amount: i32,
    /// What is left.
    pub balance_after: i32,
    /// Why.
    pub reason: String,
    /// Counts once for an account.
    pub idempotency_key: String,
    /// On whose behalf.
    pub actor: Actor,
    /// The administrator, where it was a person.
    pub actor_user_id: Option<Uuid>,
    /// When.
    pub created_at: Timestamp,
}

/// The entry of an account that this key brought about.
pub async fn find_by_key(db: &impl ConnectionTrait, user_id: Uuid, key: &str) -> Result<Option<coin_entries::Model>, StorageError> {
    let query =
        coin_entries::Entity::find().filter(coin_entries::Column::UserId.eq(user_id)).filter(coin_entries::Column::IdempotencyKey.eq(key));
    Ok(query.one(db).await?)
}

/// Writes an entry. A key that the account has used is a conflict.
pub async fn insert(db: &impl ConnectionTrait, entry: NewEntry) -> Result<coin_entries::Model, StorageError> {
    let row = coin_entries::ActiveModel {
        seq: NotSet,
        id: Set(entry.id),
        user_id: Set(entry.user_id),
        amount: Set(entry.amount),
        balance_after: Set(entry.balance_after),
        reason: Set(entry.reason),
        idempotency_key: Set(entry.idempotency_key),
        actor: Set(entry.actor),
        actor_user_id: Set(entry.actor_user_id),
        created_at: Set(entry.created_at),
    };
    Ok(coin_entries::Entity::insert(row).exec_with_returning(db).await?)
}

/// Adds an amount to what an account has, or takes it, and returns the account as it is now. The database refuses a negative balance.
pub async fn adjust(db: &impl ConnectionTrait, user_id: Uuid, amount: i32, now: Timestamp) -> Result<Option<users::Model>, StorageError> {
    let earned = Ord::max(amount, 0);
    let written = users::Entity::update_many()
        .col_expr(users::Column::CoinBalance, Expr::col(users::Column::CoinBalance).add(amount))
        .col_expr(users::Column::TotalEarnedCoins, Expr::col(users::Column::TotalEarnedCoins).add(earned))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(users::Column::Id.eq(user_id))
        .exec_with_returning(db)
        .await?;
    Ok(written.into_iter().next())
}

/// The entries of an account, the newest first, in the direction of the window.
pub async fn list(db: &impl ConnectionTrait, user_id: Uuid, window: Window) -> Result<Vec<coin_entries::Model>, StorageError> {
    use coin_entries::Column;
    let mut query = coin_entries::Entity::find().filter(Column::UserId.eq(user_id));
    if let Some(after) = window.after {
        query = query.filter(Column::Seq.lt(after));
    }
    if let Some(before) = window.before {
        query = query.filter(Column::Seq.gt(before));
    }
    query = if window.from_end { query.order_by_asc(Column::Seq) } else { query.order_by_desc(Column::Seq) };
    Ok(query.limit(window.limit).all(db).await?)
}
