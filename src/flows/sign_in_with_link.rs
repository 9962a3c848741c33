//! Signs in with the token of a link. Opening a link only looks; the button of its page, or the own front end, does this.

use entity::{
    link_tokens::Purpose,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
};
use uuid::Uuid;

pub use super::sign_in_by_contact::Refusal;
use super::{
    caller::Caller,
    change,
    failure::Failure,
    proof::{self, Proof},
    sign_in::Outcome,
    sign_in_by_contact,
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::keyed_hash::constant_time_eq,
    domain::contact,
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::{audit::Entry, users},
};

/// What the page sends.
pub struct Input {
    /// Of the link.
    pub token: String,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// What a page shows before anybody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The address that it was sent to, masked.
    pub destination: String,
    /// Whether this browser asked for it; another one has to ask its user first.
    pub asked_here: bool,
    /// The language of its owner.
    pub locale: Option<String>,
}

/// Looks at a link, and uses nothing up.
pub async fn look(app: &App, caller: &Caller, token: &str) -> Result<Preview, Failure<Refusal>> {
    let link = proof::find_link(app, token, Purpose::MagicLink, app.clock.now()).await.map_err(|failure| failure.map(Refusal::Proof))?;
    let asked_here = match (&link.device_hash, caller.device_hash()) {
        (Some(of_link), Some(of_caller)) => constant_time_eq(of_link, &of_caller),
        _ => false,
    };
    let owner = users::find_by_id(app.database.read(), link.user_id.unwrap_or_default()).await?;
    Ok(Preview { destination: contact::masked(&link.contact), asked_here, locale: owner.and_then(|owner| owner.locale) })
}

/// Signs in.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let (user_id, ended) = open(app, caller, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        change::record(app, caller, vec![Entry::failure("login", Category::Authentication, user_id, code)], now).await?;
    }
    ended
}

async fn open(app: &App, caller: &Caller, input: Input, now: Timestamp) -> (Option<Uuid>, Result<Outcome, Failure<Refusal>>) {
    let proof = match proof::find_link(app, &input.token, Purpose::MagicLink, now).await {
        Ok(link) => Proof::Link(link),
        Err(failure) => return (None, Err(failure.map(Refusal::Proof))),
    };
    let ended = sign_in_by_contact::run(app, caller, &proof, (LoginMethod::MagicLink, input.delivery), now).await;
    if matches!(ended, Ok(_) | Err(Failure::Refused(Refusal::Account(_)))) {
        proof.finish(app, now).await;
    }
    (proof.user_id(), ended)
}
