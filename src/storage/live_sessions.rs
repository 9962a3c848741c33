//! Reads a session together with its user: the one round trip of a request whose session is not in memory.

use entity::{
    Timestamp,
    user_sessions::{self, Column, Entity, Status},
    users,
};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, SelectTwo};
use uuid::Uuid;

use super::{database::Database, error::StorageError};

const LIVE: [Status; 2] = [Status::Active, Status::Suspicious];

/// The session and its user, unless it has been ended. Its expiry is for the caller to judge, by its own clock.
pub async fn find(database: &Database, session_id: Uuid) -> Result<Option<(user_sessions::Model, users::Model)>, StorageError> {
    let with_user: SelectTwo<Entity, users::Entity> = Entity::find_by_id(session_id)
        .filter(Column::Status.is_in(LIVE))
        .join(JoinType::InnerJoin, Entity::belongs_to(users::Entity).from(Column::UserId).to(users::Column::Id).into())
        .select_also(users::Entity);
    let found = with_user.one(database.read()).await?;
    Ok(found.and_then(|(session, user)| user.map(|user| (session, user))))
}

/// When those of the sessions that have not been ended expire.
pub async fn list_expiries(database: &Database, sessions: Vec<Uuid>) -> Result<Vec<(Uuid, Timestamp)>, StorageError> {
    let rows: Vec<(Uuid, Timestamp, Timestamp)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::ExpiresAt, Column::AbsoluteExpiresAt])
        .filter(Column::Id.is_in(sessions))
        .filter(Column::Status.is_in(LIVE))
        .into_tuple()
        .all(database.read())
        .await?;
    Ok(rows.into_iter().map(|(id, sliding, absolute)| (id, sliding.min(absolute))).collect())
}
