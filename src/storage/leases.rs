//! Which instance runs a job now.

use entity::{Timestamp, leases};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use super::error::StorageError;

/// Takes or renews the lease on `job` until `until`; tells whether `holder` has it now. One that another holder has, and that has not run out, stays his.
pub async fn acquire(db: &impl ConnectionTrait, job: &str, holder: &str, until: Timestamp, now: Timestamp) -> Result<bool, StorageError> {
    let lease = leases::ActiveModel {
        job: Set(job.to_owned()),
        holder: Set(holder.to_owned()),
        until: Set(until),
        updated_at: Set(now),
        ..leases::ActiveModel::default()
    };
    let free = Condition::any().add(leases::Column::Until.lte(now)).add(leases::Column::Holder.eq(holder));
    let taken = leases::Entity::insert(lease)
        .on_conflict(
            OnConflict::column(leases::Column::Job)
                .update_columns([leases::Column::Holder, leases::Column::Until, leases::Column::UpdatedAt])
                .action_cond_where(free)
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(taken > 0)
}

/// Gives the lease back before it runs out; does nothing where another holder has it.
pub async fn release(db: &impl ConnectionTrait, job: &str, holder: &str, now: Timestamp) -> Result<(), StorageError> {
    leases::Entity::update_many()
        .col_expr(leases::Column::Until, Expr::value(now))
        .col_expr(leases::Column::UpdatedAt, Expr::value(now))
        .filter(leases::Column::Job.eq(job))
        .filter(leases::Column::Holder.eq(holder))
        .filter(leases::Column::Until.gt(now))
        .exec(db)
        .await?;
    Ok(())
}

/// How far a job has come, whoever has it now; none where it never said.
pub async fn find_position(db: &impl ConnectionTrait, job: &str) -> Result<Option<String>, StorageError> {
    Ok(leases::Entity::find_by_id(job.to_owned()).one(db).await?.and_then(|lease| lease.position))
}

/// Notes how far a job has come; false where `holder` does not have it any more, and then nothing is noted.
pub async fn advance_position(
    db: &impl ConnectionTrait,
    job: &str,
    holder: &str,
    position: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let noted = leases::Entity::update_many()
        .col_expr(leases::Column::Position, Expr::value(position))
        .col_expr(leases::Column::UpdatedAt, Expr::value(now))
        .filter(leases::Column::Job.eq(job))
        .filter(leases::Column::Holder.eq(holder))
        .exec(db)
        .await?;
    Ok(noted.rows_affected == 1)
}
