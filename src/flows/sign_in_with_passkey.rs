//! Signs in with a passkey: with user verification it is both factors at once, so that no second step follows.
//!
//! 1. Limit: by address. A lock of the password does not count here: nobody can guess a passkey.
//! 2. The answer, against the ceremony that waits for it.
//! 3. Only after a right one: whether the account may be used.
//! 4. One change: the account, the answer spent, the session begun.

use entity::{
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
};
use serde_json::Value;

use super::{
    assess_risk::{self, Failures, SignIn},
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    passkey_assertion::{self, Asserted},
    second_step::Clearance,
    sign_in::{self, Outcome, find_device, refused_by_status},
    start_session::{self, NewSession},
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::{audit::Entry, users as storage},
};

/// What the client sends.
pub struct Input {
    /// Of the ceremony.
    pub login_token: String,
    /// `AuthenticationResponseJSON`.
    pub credential: Value,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The passkey did not prove it.
    Passkey(passkey_assertion::Refusal),
    /// It did, but the account may not be used.
    Account(sign_in::Refusal),
}

/// Signs in.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let checked = passkey_assertion::check_for_sign_in(app, &input.login_token, &input.credential, now).await;
    let ended = match checked {
        Ok(asserted) => sign_in(app, caller, (&asserted, input.delivery), now).await,
        Err(failure) => Err(failure.map(Refusal::Passkey)),
    };
    if let Err(Failure::Refused(Refusal::Passkey(refusal))) = &ended {
        change::record(app, caller, vec![refusal.entry("login", None)], now).await?;
    }
    ended
}

async fn sign_in(
    app: &App,
    caller: &Caller,
    (asserted, delivery): (&Asserted, TokenDelivery),
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let gone = || Failure::Refused(Refusal::Passkey(asserted.gone()));
    let user = storage::find_by_id(app.database.read(), asserted.user_id()).await?.ok_or_else(gone)?;
    let known_device = find_device(app, caller, Some(user.id)).await?;
    // Both factors were given: nothing more is asked for, whatever it looks like.
    let looks = SignIn { user: &user, known_device: known_device.as_ref(), failures: Failures::Irrelevant };
    let signals = assess_risk::of_sign_in(app, caller, looks, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    if let Some(refusal) = refused_by_status(user.status) {
        if !asserted.spend(&change).await? {
            return Err(gone());
        }
        change.audit(Entry::failure("login", Category::Authentication, Some(user.id), refusal.code()));
        change.commit().await?;
        return Err(Failure::Refused(Refusal::Account(refusal)));
    }
    // The account first: every flow takes its row before what proves something.
    if !storage::advance_sign_in_by_itself(change.db(), user.id, now).await? || !asserted.spend(&change).await? {
        return Err(gone());
    }
    let new = NewSession {
        user: &user,
        login_method: LoginMethod::Passkey,
        amr: &asserted.amr(),
        clearance: Clearance::of_passkey(signals),
        delivery,
        known_device,
        is_new_user: false,
    };
    let started = start_session::run(app, caller, &mut change, new).await?;
    Ok(Outcome::SignedIn(started.commit(change, user).await?))
}
