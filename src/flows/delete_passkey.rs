//! Takes a passkey off the signed-in user's account, where something else is left to sign in with.

use entity::{account_events::Kind, user_audit_log::Category, users};
use serde_json::json;
use uuid::Uuid;

use super::{caller::Caller, change::Change, failure::Failure, hold_account, notify, remove_phone};
use crate::{
    app::App,
    domain::ways_in::WaysIn,
    outbound::message::Template,
    storage::{audit::Entry, known_devices, passkeys},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user has no such passkey.
    NotFound,
    /// Nothing else would be left to sign in with.
    LastSignInMethod,
}

/// Takes it away.
pub async fn run(app: &App, caller: &Caller, passkey_id: &str) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let id = Uuid::parse_str(passkey_id).map_err(|_| Failure::Refused(Refusal::NotFound))?;
    let mut change = Change::begin(app, caller, now).await?;
    // Held, so that of two last ones that go at once one stays.
    let user = hold_account::run(&change, me, None).await?;
    let ways = remove_phone::ways_in(app, change.db(), &user).await?;
    if !passkeys::delete(change.db(), user.id, id).await? {
        return Err(Failure::Refused(Refusal::NotFound));
    }
    let left = WaysIn { passkeys: ways.passkeys.saturating_sub(1), ..ways };
    if !left.any() {
        return Err(Failure::Refused(Refusal::LastSignInMethod));
    }
    known_devices::revoke_trust(change.db(), user.id).await?;
    for message in notify::all_contacts(app, caller, &user, &Template::PasskeyRemoved(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    change.tell(Kind::PasskeyChanged, user.id);
    let entry = Entry::success("passkey_removed", Category::Security, Some(user.id)).in_session(me.live.session.id);
    change.audit(entry.with(json!({ "passkeyId": id })));
    change.commit().await?;
    Ok(user)
}
