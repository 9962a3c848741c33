//! Changes of an address or a number that nobody proved in time.

use entity::{
    Timestamp,
    users::{Column, Entity},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType},
};
use uuid::Uuid;

use super::error::StorageError;

/// Takes back at most `limit` changes of addresses and as many of numbers whose time is over, and returns the users whose they were.
pub async fn expire_due(db: &impl ConnectionTrait, limit: u64, now: Timestamp) -> Result<Vec<Uuid>, StorageError> {
    let mut users = Vec::new();
    for (contact, expires_at, challenge_id) in [
        (Column::PendingEmail, Column::PendingEmailExpiresAt, Column::PendingEmailChallengeId),
        (Column::PendingPhone, Column::PendingPhoneExpiresAt, Column::PendingPhoneChallengeId),
    ] {
        let some = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(expires_at.lte(now))
            .order_by_asc(expires_at)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .into_query();
        let written = Entity::update_many()
            .col_expr(contact, Expr::value(Option::<String>::None))
            .col_expr(expires_at, Expr::value(Option::<Timestamp>::None))
            .col_expr(challenge_id, Expr::value(Option::<Uuid>::None))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .col_expr(Column::Version, Expr::col(Column::Version).add(1))
            .filter(Column::Id.in_subquery(some))
            .filter(expires_at.lte(now))
            .exec_with_returning(db)
            .await?;
        users.extend(written.into_iter().map(|user| user.id));
    }
    Ok(users)
}
