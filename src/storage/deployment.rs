//! The one row about the deployment.

use entity::deployment;
use sea_orm::{
    ConnectionTrait, EntityTrait,
    sea_query::{Expr, ExprTrait},
};

use super::error::StorageError;

/// The epoch of positions in the event outbox and the audit log; a restore raises it.
pub async fn epoch(db: &impl ConnectionTrait) -> Result<i32, StorageError> {
    let row = deployment::Entity::find_by_id(1).one(db).await?;
    Ok(row.ok_or(StorageError::Inconsistent("the deployment row is missing"))?.epoch)
}

/// Tells every instance that a machine token was made or revoked, in the transaction of that.
pub async fn advance_machine_tokens_version(db: &impl ConnectionTrait) -> Result<(), StorageError> {
    let column = deployment::Column::MachineTokensVersion;
    deployment::Entity::update_many().col_expr(column, Expr::col(column).add(1)).exec(db).await?;
    Ok(())
}
