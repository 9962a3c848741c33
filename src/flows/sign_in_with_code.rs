//! Signs in with a code that was sent to a contact.

use entity::{
    Channel,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
};
use uuid::Uuid;

pub use super::sign_in_by_contact::Refusal;
use super::{
    caller::Caller,
    change, even_time,
    failure::Failure,
    proof::{self, Proof},
    sign_in::Outcome,
    sign_in_by_contact,
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::{
        challenges::Purpose,
        rate_limits::{Rule, ip_subject},
    },
    storage::audit::Entry,
};

/// What is typed.
pub struct Input {
    /// As `requestSignInCode` gave it.
    pub challenge_id: String,
    /// As typed.
    pub code: String,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// Signs in.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    even_time::of(Box::pin(sign_in(app, caller, input))).await
}

async fn sign_in(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let (user_id, ended) = check(app, caller, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        change::record(app, caller, vec![Entry::failure("login", Category::Authentication, user_id, code)], now).await?;
    }
    ended
}

async fn check(app: &App, caller: &Caller, input: Input, now: Timestamp) -> (Option<Uuid>, Result<Outcome, Failure<Refusal>>) {
    let proof = match proof::check(app, caller, (&input.challenge_id, &input.code), Purpose::SignIn, now).await {
        Ok(proof) => proof,
        Err((user_id, failure)) => return (user_id, Err(failure.map(Refusal::Proof))),
    };
    let method = match proof.contact().channel {
        Channel::Email => LoginMethod::EmailCode,
        Channel::Sms => LoginMethod::PhoneCode,
    };
    let ended = sign_in_by_contact::run(app, caller, &proof, (method, input.delivery), now).await;
    settle(app, &proof, &ended, now).await;
    (proof.user_id(), ended)
}

/// What used the code up finishes its challenge; where something broke, the attempt is given back.
async fn settle(app: &App, proof: &Proof, ended: &Result<Outcome, Failure<Refusal>>, now: Timestamp) {
    match ended {
        Ok(_) | Err(Failure::Refused(Refusal::Account(_))) => proof.finish(app, now).await,
        Err(Failure::Refused(Refusal::Proof(_))) => {}
        Err(_) => proof.give_back(app, now).await,
    }
}
