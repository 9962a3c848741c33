//! Makes new recovery codes; the old ones stop working.

use entity::{account_events::Kind, user_audit_log::Category, users};

use super::{
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    hold_account, notify, recovery_code_set,
};
use crate::{
    app::App,
    outbound::message::Template,
    storage::{audit::Entry, known_devices},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No authenticator app is set up: there is nothing to recover.
    TotpNotEnabled,
}

/// What is shown.
pub struct Outcome {
    /// The account.
    pub user: users::Model,
    /// Shown this once.
    pub recovery_codes: Vec<String>,
}

/// Makes them.
pub async fn run(app: &App, caller: &Caller) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    if user.totp_enabled_at.is_none() {
        change.abandon().await?;
        let entry = Entry::failure("recovery_codes_replaced", Category::Security, Some(user.id), "TOTP_NOT_ENABLED");
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
        return Err(Failure::Refused(Refusal::TotpNotEnabled));
    }
    let recovery_codes = recovery_code_set::replace(app, &change, user.id).await?;
    known_devices::revoke_trust(change.db(), user.id).await?;
    change.tell(Kind::SecondFactorChanged, user.id);
    change.audit(Entry::success("recovery_codes_replaced", Category::Security, Some(user.id)).in_session(me.live.session.id));
    for message in notify::all_contacts(app, caller, &user, &Template::RecoveryCodesReplaced(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    change.commit().await?;
    Ok(Outcome { user, recovery_codes })
}
