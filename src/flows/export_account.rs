//! Everything that is stored about the signed-in user, as one JSON document they can take along.
//!
//! Two things are left out: what proves who somebody is (hashes, tokens, sealed values), which would serve a thief and nobody else, and what only
//! administrators may see. A table that comes to hold people's data gets its part here.

mod parts;

use entity::user_audit_log::Category;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    caller::{Caller, Reason},
    change,
    failure::Failure,
};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{
        account_events::{self, Position},
        attempt_counters,
        audit::{self, Entry},
        coins, contact_rows,
        error::StorageError,
        identities, known_devices, link_tokens, messages, passkeys, password_reset_attempts, recovery_codes,
        sessions::{self, Filter, Window},
        users,
    },
};

/// Rows of one reading of a long list.
const PAGE: u64 = 500;

/// Taking one's data along is never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {}

/// Gathers it. That it was done is audited, and is the last of what the document tells.
pub async fn run(app: &App, caller: &Caller) -> Result<Value, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let id = me.live.user.id;
    let entry = Entry::success("account_export", Category::Account, Some(id)).in_session(me.live.session.id);
    change::record(app, caller, vec![entry], now).await?;
    let db = app.database.read();
    let user = users::find_by_id(db, id).await?.ok_or(Failure::Unauthenticated(Reason::SessionEnded))?;
    // What lies by contacts that it has proved, and by no others: whether somebody else has those is not told here.
    let before = contact_rows::list(db, &user).await?;
    Ok(json!({
        "exportedAt": now.to_string(),
        "account": parts::account(&user, app.config.http.public_base()),
        "identities": parts::list(&identities::list_of_user(db, id).await?, parts::identity),
        "sessions": parts::list(&all_sessions(app, id, now).await?, parts::session),
        "recoveryCodes": parts::list(&recovery_codes::list_of_user(db, id).await?, parts::recovery_code),
        "devices": parts::list(&known_devices::list_of_user(db, id).await?, parts::device),
        "passkeys": parts::list(&passkeys::list_of_user(db, id).await?, parts::passkey),
        "links": parts::list(&link_tokens::list_of_user(db, id).await?, parts::link),
        "messages": parts::list(&[messages::list_of_user(db, id).await?, before.messages].concat(), parts::message),
        "passwordResetAttempts":
            parts::list(&[password_reset_attempts::list_of_user(db, id).await?, before.reset_attempts].concat(), parts::reset_attempt),
        "coinEntries": parts::list(&all_coin_entries(app, id).await?, parts::coin_entry),
        "failedAttempts": parts::list(&attempt_counters::list_of_user(db, id).await?, parts::counter),
        "activity": parts::list(&all_activity(app, id).await?, |row| parts::activity(row, id)),
        "events": parts::list(&all_events(app, id).await?, parts::event),
    }))
}

async fn all_sessions(app: &App, user_id: Uuid, now: Timestamp) -> Result<Vec<entity::user_sessions::Model>, StorageError> {
    let filter = Filter { user_id: Some(user_id), ..Filter::default() };
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let window = Window { after, before: None, from_end: false, limit: PAGE };
        let page = sessions::list(app.database.read(), &filter, window, now).await?;
        let is_last = (page.len() as u64) < PAGE;
        after = page.last().map(|session| (session.created_at, session.id));
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn all_coin_entries(app: &App, user_id: Uuid) -> Result<Vec<entity::coin_entries::Model>, StorageError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let window = coins::Window { after, before: None, from_end: false, limit: PAGE };
        let page = coins::list(app.database.read(), user_id, window).await?;
        let is_last = (page.len() as u64) < PAGE;
        after = page.last().map(|entry| entry.seq);
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn all_activity(app: &App, user_id: Uuid) -> Result<Vec<entity::user_audit_log::Model>, StorageError> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let page = audit::list_of_person(app.database.read(), user_id, after, PAGE).await?;
        let is_last = (page.len() as u64) < PAGE;
        after = page.last().map_or(after, |row| row.seq);
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn all_events(app: &App, user_id: Uuid) -> Result<Vec<entity::account_events::Model>, StorageError> {
    let until = Position { epoch: i32::MAX, xid: i64::MAX, seq: i64::MAX };
    let mut all = Vec::new();
    let mut after = Position::default();
    loop {
        let page = account_events::list_between(&app.database, Some(user_id), after, until, PAGE).await?;
        let is_last = (page.len() as u64) < PAGE;
        after = page.last().map_or(after, account_events::position);
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
