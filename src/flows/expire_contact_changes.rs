//! Takes back changes of an address or a number that nobody proved in time.

use entity::account_events::Kind;

use super::change::Change;
use crate::{
    app::App,
    storage::{error::StorageError, unfinished_changes},
};

/// Takes back at most `limit` of either; of how many.
pub async fn run(app: &App, limit: u64) -> Result<u64, StorageError> {
    let mut change = Change::begin_own(app, app.clock.now()).await?;
    let users = unfinished_changes::expire_due(change.db(), limit, change.now).await?;
    if users.is_empty() {
        change.abandon().await?;
        return Ok(0);
    }
    for user_id in &users {
        change.tell(Kind::Updated, *user_id);
    }
    change.commit().await?;
    Ok(users.len() as u64)
}
