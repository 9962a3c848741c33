//! Ends a lockout with the link of the message about it. It signs nobody in.

use entity::{link_tokens::Purpose, user_audit_log::Category};

pub use super::proof::Refusal;
use super::{
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    proof::{self, Proof},
    reset_password::unlock,
};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{audit::Entry, link_tokens as links, users},
};

/// Unlocks.
pub async fn run(app: &App, caller: &Caller, token: &str) -> Result<(), Failure<Refusal>> {
    let now = app.clock.now();
    let ended = end_lock(app, caller, token, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        change::record(app, caller, vec![Entry::failure("account_unlocked", Category::Security, None, refusal.code())], now).await?;
    }
    ended
}

async fn end_lock(app: &App, caller: &Caller, token: &str, now: Timestamp) -> Result<(), Failure<Refusal>> {
    let proof = Proof::Link(proof::find_link(app, token, Purpose::Unlock, now).await?);
    let gone = || Failure::Refused(proof.gone());
    let user = users::find_by_id(app.database.read(), proof.user_id().unwrap_or_default()).await?.ok_or_else(gone)?;
    // Not its age: a changed password is no reason to leave its owner locked out.
    if !(users::ProvedContact { since: now, ..proof.contact() }).speaks_for(&user) {
        return Err(gone());
    }
    let mut change = Change::begin(app, caller, now).await?;
    if !proof.spend(app, &change).await? {
        return Err(gone());
    }
    unlock(app, &mut change, &user).await?;
    links::consume_all_of_user(change.db(), user.id, &[Purpose::Unlock], now).await?;
    Ok(change.commit().await?)
}
