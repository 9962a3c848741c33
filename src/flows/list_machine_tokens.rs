//! Lists the machine tokens, those that are over among them.

use entity::machine_tokens::Model;

use crate::{
    app::App,
    clock::Timestamp,
    storage::{error::StorageError, machine_tokens},
};

/// Whether a token still opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// All of them, the oldest first.
pub async fn run(app: &App) -> Result<Vec<(Model, State)>, StorageError> {
    let now = app.clock.now();
    let rows = machine_tokens::list_all(app.database.read()).await?;
    let with_state = |row| {
        let state = state(&row, now);
        (row, state)
    };
    Ok(rows.into_iter().map(with_state).collect())
}

fn state(row: &Model, now: Timestamp) -> State {
    if row.revoked_at.is_some() {
        State::Revoked
    } else if row.expires_at.is_some_and(|expires_at| expires_at <= now) {
        State::Expired
    } else {
        State::Active
    }
}
