//! The authenticator app of a user: the sealed seed, and the newest time step that was used.

use entity::{Timestamp, users};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::error::StorageError;

/// A seed that was proved by a code.
#[derive(Clone, Copy, Debug)]
pub struct Enrollment<'a> {
    /// The seed.
    pub secret_sealed: &'a [u8],
    /// The step of that code, which is used.
    pub step: i64,
}

/// Switches it on; false where it is on already, or the account not active: of many at once one is told `true`.
pub async fn enable(db: &impl ConnectionTrait, user_id: Uuid, with: Enrollment<'_>, now: Timestamp) -> Result<bool, StorageError> {
    let result = users::Entity::update_many()
        .col_expr(users::Column::TotpSecretSealed, Expr::value(with.secret_sealed.to_vec()))
        .col_expr(users::Column::TotpEnabledAt, Expr::value(now))
        .col_expr(users::Column::TotpLastStep, Expr::value(with.step))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(users::Column::Id.eq(user_id))
        .filter(users::Column::Status.eq(users::Status::Active))
        .filter(users::Column::TotpEnabledAt.is_null())
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Switches it off; false where it was off.
pub async fn disable(db: &impl ConnectionTrait, user_id: Uuid, now: Timestamp) -> Result<bool, StorageError> {
    let result = users::Entity::update_many()
        .col_expr(users::Column::TotpSecretSealed, Expr::value(Option::<Vec<u8>>::None))
        .col_expr(users::Column::TotpEnabledAt, Expr::value(Option::<Timestamp>::None))
        .col_expr(users::Column::TotpLastStep, Expr::value(Option::<i64>::None))
        .col_expr(users::Column::UpdatedAt, Expr::value(now))
        .col_expr(users::Column::Version, Expr::col(users::Column::Version).add(1))
        .filter(users::Column::Id.eq(user_id))
        .filter(users::Column::TotpEnabledAt.is_not_null())
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Uses a time step up; false where it, or a later one, was used: of many at once one is told `true`. `enabled_at` names the seed that was looked at.
pub async fn advance_step(db: &impl ConnectionTrait, user_id: Uuid, enabled_at: Timestamp, step: i64) -> Result<bool, StorageError> {
    let above = Condition::any().add(users::Column::TotpLastStep.is_null()).add(users::Column::TotpLastStep.lt(step));
    let result = users::Entity::update_many()
        .col_expr(users::Column::TotpLastStep, Expr::value(step))
        .filter(users::Column::Id.eq(user_id))
        .filter(users::Column::TotpEnabledAt.eq(enabled_at))
        .filter(above)
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Users and their sealed seeds, by id, from after `after` on.
pub async fn list_sealed(db: &impl ConnectionTrait, after: Option<Uuid>, limit: u64) -> Result<Vec<(Uuid, Vec<u8>)>, StorageError> {
    let mut query = users::Entity::find()
        .select_only()
        .columns([users::Column::Id, users::Column::TotpSecretSealed])
        .filter(users::Column::TotpSecretSealed.is_not_null());
    if let Some(after) = after {
        query = query.filter(users::Column::Id.gt(after));
    }
    Ok(query.order_by_asc(users::Column::Id).limit(limit).into_tuple().all(db).await?)
}

/// Puts the same seed, sealed anew, in the place of what was read; false where it is another one by now.
pub async fn reseal(db: &impl ConnectionTrait, user_id: Uuid, old: &[u8], new: &[u8]) -> Result<bool, StorageError> {
    let result = users::Entity::update_many()
        .col_expr(users::Column::TotpSecretSealed, Expr::value(new.to_vec()))
        .filter(users::Column::Id.eq(user_id))
        .filter(users::Column::TotpSecretSealed.eq(old.to_vec()))
        .exec(db)
        .await?;
    Ok(result.rows_affected == 1)
}
