//! The one row about the deployment.

use entity::deployment;
use sea_orm::{ConnectionTrait, EntityTrait};

use super::error::StorageError;

/// The epoch of positions in the event outbox and the audit log; a restore raises it.
pub async fn epoch(db: &impl ConnectionTrait) -> Result<i32, StorageError> {
    let row = deployment::Entity::find_by_id(1).one(db).await?;
    Ok(row.ok_or(StorageError::Inconsistent("the deployment row is missing"))?.epoch)
}
