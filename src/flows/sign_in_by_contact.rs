//! Signs in whoever proved a contact of an account.
//!
//! 1. The account must be active; otherwise that is told, and the proof is used up.
//! 2. The gate: whoever has a second factor is asked for it. The first one is used up all the same.
//! 3. One change: the account (which must still have that contact, and no newer password), the proof spent and every other link that
//!    signs in with it, the session begun.

use entity::{
    link_tokens::Purpose,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
};

use super::{
    assess_risk::Failures,
    caller::Caller,
    change::Change,
    failure::Failure,
    proof::{self, Proof},
    second_step::{self, FirstFactor, Gate},
    sign_in::{self, Outcome, find_device, refused_by_status},
    start_session::{self, NewSession},
};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{audit::Entry, link_tokens as links, users as storage},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The proof is none.
    Proof(proof::Refusal),
    /// It was right, but the account may not be used.
    Account(sign_in::Refusal),
}

impl Refusal {
    /// As the audit log has it; `None` where it was written with the proof.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Proof(refusal) => Some(refusal.code()),
            Self::Account(_) => None,
        }
    }
}

/// Begins the session.
pub async fn run(
    app: &App,
    caller: &Caller,
    proof: &Proof,
    (login_method, delivery): (LoginMethod, TokenDelivery),
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let gone = || Failure::Refused(Refusal::Proof(proof.gone()));
    let user = storage::find_by_id(app.database.read(), proof.user_id().unwrap_or_default()).await?;
    let user = user.filter(|user| proof.contact().speaks_for(user)).ok_or_else(gone)?;
    let known_device = find_device(app, caller, Some(user.id)).await?;
    let amr = &["otp"];
    let first = FirstFactor {
        user: &user,
        known_device: known_device.as_ref(),
        login_method,
        amr,
        proved: Some(proof.contact()),
        identity: None,
        failures: Failures::Unknown,
    };
    let gate = second_step::run(app, caller, first, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    if let Some(refusal) = refused_by_status(user.status) {
        if !proof.spend(app, &change).await? {
            return Err(gone());
        }
        change.audit(Entry::failure("login", Category::Authentication, Some(user.id), refusal.code()));
        change.commit().await?;
        return Err(Failure::Refused(Refusal::Account(refusal)));
    }
    // The account first: every flow takes its row before the tokens, so that no two wait for each other.
    if !storage::advance_sign_in_by_contact(change.db(), user.id, proof.contact(), now).await? || !proof.spend(app, &change).await? {
        return Err(gone());
    }
    links::consume_all_of_user_later(change.later(), user.id, &[Purpose::MagicLink], now);
    let clearance = match gate {
        Gate::Open(clearance) => clearance,
        Gate::Asks(mut asked) => {
            second_step::send(app, caller, &mut change, (&user, login_method), &mut asked).await?;
            change.commit().await?;
            return Ok(Outcome::SecondFactorRequired(asked));
        }
    };
    let new = NewSession { user: &user, login_method, amr, clearance, delivery, known_device, is_new_user: false };
    let started = start_session::run(app, caller, &mut change, new).await?;
    Ok(Outcome::SignedIn(started.commit(change, user).await?))
}
