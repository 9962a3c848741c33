//! Adds an account at a provider to the account that is signed in.
//!
//! 1. The account is held, and its session must still be live.
//! 2. What belongs to another user stays theirs; what is linked already stays as it is.
//! 3. One change: the result spent, the link, event, audit row, notice.

use entity::{auth_providers, user_audit_log::Category, users};
use serde_json::json;

use super::{
    caller::Caller,
    change::Change,
    complete_oauth::Refusal,
    failure::Failure,
    hold_account,
    oauth_trip::{self, Taken},
    provider_identity,
};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{audit::Entry, identities},
};

/// Links it, and returns the link and the account.
pub async fn run(
    app: &App,
    caller: &Caller,
    taken: &Taken,
    now: Timestamp,
) -> Result<(auth_providers::Model, users::Model), Failure<Refusal>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let identity = &taken.identity;
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    if !taken.spend(&change).await? {
        return Err(Failure::Refused(Refusal::Trip(oauth_trip::Refusal::CodeInvalid)));
    }
    let row = identity.row(app, user.id, now);
    if identities::insert(change.db(), row.clone()).await? {
        provider_identity::tell_linked(app, caller, &mut change, &user, &row, "owner");
        change.commit().await?;
        return Ok((row, user));
    }
    let linked = identities::find(change.db(), &identity.issuer, &identity.subject).await?;
    if let Some(linked) = linked.filter(|linked| linked.user_id == user.id) {
        change.commit().await?;
        return Ok((linked, user));
    }
    let entry = Entry::failure("identity_linked", Category::Security, Some(user.id), "IDENTITY_CONFLICT");
    change.audit(entry.in_session(me.live.session.id).with(json!({ "provider": identity.provider })));
    change.commit().await?;
    Err(Failure::Refused(Refusal::Conflict))
}
