//! Switches the authenticator app on with its first code, and shows the recovery codes, this once.

use entity::{account_events::Kind, user_audit_log::Category, users};

use super::{
    begin_totp_enrollment as begin,
    caller::{Caller, Reason},
    change::{self, Change},
    check_factor::SEED_PURPOSE,
    failure::Failure,
    hold_account, notify, reauthenticate, recovery_code_set,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::totp,
    ephemeral::rate_limits::{Rule, ip_subject},
    outbound::message::Template,
    storage::{
        audit::Entry,
        known_devices, sessions, spent_tokens,
        totp::{self as storage, Enrollment},
        users as user_storage,
    },
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None was begun, or too long ago.
    Expired,
    /// Not a code of that seed.
    CodeInvalid,
    /// One is set up by now.
    AlreadyEnabled,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::Expired => "CODE_EXPIRED",
            Self::CodeInvalid => "CODE_INVALID",
            Self::AlreadyEnabled => "TOTP_ALREADY_ENABLED",
        }
    }
}

/// What is shown.
pub struct Outcome {
    /// The account as it is now.
    pub user: users::Model,
    /// Shown this once.
    pub recovery_codes: Vec<String>,
}

/// Switches it on.
pub async fn run(app: &App, caller: &Caller, code: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = enable(app, caller, code, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("totp_enabled", Category::Security, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn enable(app: &App, caller: &Caller, code: &str, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let expired = || Failure::Refused(Refusal::Expired);
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    if me.live.user.totp_enabled_at.is_some() {
        return Err(Failure::Refused(Refusal::AlreadyEnabled));
    }
    let enrollment = begin::find(app, me.live.user.id, now).await?.ok_or_else(expired)?;
    let sealed = enrollment.secret_sealed().ok_or_else(expired)?;
    let seed = app.secret_box.open(SEED_PURPOSE, &sealed).map(zeroize::Zeroizing::new).ok_or_else(expired)?;
    let step = totp::matching_step(&seed, code, None, now).ok_or(Failure::Refused(Refusal::CodeInvalid))?;

    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    if !storage::enable(change.db(), user.id, Enrollment { secret_sealed: &sealed, step }, now).await? {
        return Err(Failure::Refused(Refusal::AlreadyEnabled));
    }
    // A seed that was shown is good for one enrolment, whatever the short-lived store forgets.
    if !spent_tokens::consume(change.db(), "totp_enrollment", &enrollment.id.to_string(), now + begin::ENROLLMENT_TTL).await? {
        return Err(expired());
    }
    let recovery_codes = recovery_code_set::replace(app, &change, user.id).await?;
    known_devices::revoke_trust(change.db(), user.id).await?;
    // Whoever gave the code is there: the session goes on as one with a second factor.
    let proof = reauthenticate::totp_given(&me.live.session);
    if !sessions::advance_authentication(change.db(), me.live.session.id, proof, now).await? {
        return Err(Failure::Unauthenticated(Reason::SessionEnded));
    }
    change.tell(Kind::SecondFactorChanged, user.id);
    change.tell_session(Kind::SessionRefreshed, user.id, me.live.session.id);
    change.audit(Entry::success("totp_enabled", Category::Security, Some(user.id)).in_session(me.live.session.id));
    for message in notify::all_contacts(app, caller, &user, &Template::TotpEnabled(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    change.commit().await?;
    begin::forget(app, user.id, now).await;
    let user = user_storage::find_by_id(app.database.read(), user.id).await?.unwrap_or(user);
    Ok(Outcome { user, recovery_codes })
}
