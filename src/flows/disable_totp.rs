//! Switches the authenticator app off, and drops the recovery codes with it.

use entity::{account_events::Kind, user_audit_log::Category, users};

use super::{
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    hold_account, lockout, notify,
};
use crate::{
    app::App,
    outbound::message::Template,
    storage::{attempt_counters, audit::Entry, known_devices, recovery_codes, totp as storage, users as user_storage},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None is set up.
    NotEnabled,
}

/// Switches it off.
pub async fn run(app: &App, caller: &Caller) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    if !storage::disable(change.db(), user.id, now).await? {
        change.abandon().await?;
        let entry = Entry::failure("totp_disabled", Category::Security, Some(user.id), "TOTP_NOT_ENABLED");
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
        return Err(Failure::Refused(Refusal::NotEnabled));
    }
    recovery_codes::delete_of_user(change.db(), user.id).await?;
    attempt_counters::clear_all_of_user(change.db(), lockout::SECOND_FACTOR, user.id).await?;
    known_devices::revoke_trust(change.db(), user.id).await?;
    change.tell(Kind::SecondFactorChanged, user.id);
    change.audit(Entry::success("totp_disabled", Category::Security, Some(user.id)).in_session(me.live.session.id));
    for message in notify::all_contacts(app, caller, &user, &Template::TotpDisabled(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    change.commit().await?;
    Ok(user_storage::find_by_id(app.database.read(), user.id).await?.unwrap_or(user))
}
