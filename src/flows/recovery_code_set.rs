//! A new set of recovery codes, inside a change: the old one is dead with it.

use entity::recovery_codes;
use uuid::Uuid;

use super::change::Change;
use crate::{
    app::App,
    domain::recovery_code::{COUNT, RecoveryCode},
    storage::{error::StorageError, recovery_codes as storage},
};

/// Makes it, and returns it as it is shown, this once.
pub async fn replace(app: &App, change: &Change<'_>, user_id: Uuid) -> Result<Vec<String>, StorageError> {
    let codes: Vec<RecoveryCode> = (0..COUNT).map(|_| RecoveryCode::from_bytes(app.entropy.bytes())).collect();
    let rows = codes.iter().map(|code| recovery_codes::Model {
        id: app.entropy.uuid(change.now),
        user_id,
        code_hash: code.hash(user_id).to_vec(),
        used_at: None,
        created_at: change.now,
    });
    storage::replace(change.db(), user_id, rows.collect()).await?;
    Ok(codes.iter().map(RecoveryCode::shown).collect())
}
