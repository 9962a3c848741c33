//! Begins to set up an authenticator app: a new seed, which counts once a code of it was given.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use entity::{
    Timestamp,
    user_audit_log::{Category, Status},
    users,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{caller::Caller, change, check_factor::SEED_PURPOSE, failure::Failure};
use crate::{
    app::App,
    domain::totp::{self, Invitation, SEED_BYTES},
    ephemeral::Unavailable,
    storage::{audit::Entry, users as storage},
};

/// How long the app may take to be set up.
pub const ENROLLMENT_TTL: Duration = Duration::from_mins(10);

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One is set up: remove it first.
    AlreadyEnabled,
}

/// What is shown, once.
pub struct Outcome {
    /// For the app.
    pub invitation: Invitation,
    /// Until when it waits for its first code.
    pub expires_at: Timestamp,
}

/// A seed that waits for its first code.
#[derive(Serialize, Deserialize)]
pub struct Enrollment {
    /// Names it.
    pub id: Uuid,
    secret_sealed: String,
}

impl Enrollment {
    /// The seed, as it will be kept.
    pub fn secret_sealed(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.secret_sealed).ok()
    }
}

/// Begins it, in the place of one that was begun before.
pub async fn run(app: &App, caller: &Caller) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let user = storage::find_by_id(app.database.read(), me.live.user.id).await?;
    let user = user.filter(|user| user.totp_enabled_at.is_none()).ok_or(Failure::Refused(Refusal::AlreadyEnabled))?;
    let seed: Zeroizing<[u8; SEED_BYTES]> = Zeroizing::new(app.entropy.bytes());
    let invitation = totp::invitation(&*seed, &app.config.messages.product_name, account_name(&user))
        .ok_or(Failure::inconsistent("a seed cannot be shown"))?;
    let sealed = app.secret_box.seal(SEED_PURPOSE, &*seed, &app.entropy);
    let enrollment = Enrollment { id: app.entropy.uuid(now), secret_sealed: STANDARD.encode(sealed) };
    let record = serde_json::to_vec(&enrollment).map_err(|_| Failure::inconsistent("an enrolment cannot be written"))?;
    let expires_at = now + ENROLLMENT_TTL;
    app.store.put(&key_of(user.id), &record, expires_at, now).await?;
    let mut entry = Entry::success("totp_enabled", Category::Security, Some(user.id)).in_session(me.live.session.id);
    entry.status = Status::Pending;
    change::record(app, caller, vec![entry], now).await?;
    Ok(Outcome { invitation, expires_at })
}

/// What waits for its first code; looking uses nothing up.
pub async fn find(app: &App, user_id: Uuid, now: Timestamp) -> Result<Option<Enrollment>, Unavailable> {
    let found = app.store.get(&key_of(user_id), now).await?;
    Ok(found.and_then(|record| serde_json::from_slice(&record).ok()))
}

/// Forgets it, once the database has it.
pub async fn forget(app: &App, user_id: Uuid, now: Timestamp) {
    let _ = app.store.take(&key_of(user_id), now).await;
}

fn key_of(user_id: Uuid) -> String {
    format!("pending_registration:{user_id}")
}

/// By what the app shows whose code it is.
fn account_name(user: &users::Model) -> &str {
    let names = [&user.email, &user.username, &user.phone, &user.display_name];
    names.into_iter().flatten().next().map_or("", String::as_str)
}
