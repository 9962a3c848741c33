//! Finishes the round trip to a provider: signs in, or links.
//!
//! 1. To link takes the session that began it, and a proof of a moment ago; that is asked before anything is used up.
//! 2. The result is taken: it must be of this client, by what it kept, and for this. What proves somebody again counts at `reauthenticate` alone.
//! 3. By what the provider said: a session ([`super::sign_in_by_identity`]), or a link ([`super::link_identity`]).

use entity::{auth_providers, user_audit_log::Category, user_sessions::TokenDelivery, users};
use serde_json::json;

use super::{
    caller::Caller,
    change,
    failure::Failure,
    link_identity,
    oauth_trip::{self, Intent},
    recent::is_recent,
    sign_in, sign_in_by_identity,
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::audit::Entry,
};

/// What the client brings.
pub struct Input {
    /// That came back with the browser.
    pub code: String,
    /// What the client kept.
    pub code_verifier: String,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// What it led to.
pub enum Outcome {
    /// A sign-in.
    SignIn(sign_in::Outcome),
    /// A link.
    Linked {
        /// What was linked.
        identity: auth_providers::Model,
        /// To whom.
        user: Box<users::Model>,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no result.
    Trip(oauth_trip::Refusal),
    /// It belongs to another user, or its address to an account that must be signed in to first.
    Conflict,
    /// There is no account, and none is made here.
    SignUpDisabled,
    /// The account may not be used.
    Account(sign_in::Refusal),
    /// To link takes a proof of a moment ago; nothing was used up.
    NotRecent,
}

impl Refusal {
    /// As the audit log has it; `None` where it was written in the change that refused, or nothing happened.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Trip(refusal) => Some(refusal.code()),
            Self::Conflict | Self::SignUpDisabled | Self::Account(_) | Self::NotRecent => None,
        }
    }
}

/// Finishes it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let links = oauth_trip::intent_of(app, &input.code, now).await?.is_some_and(|(intent, _)| intent == Intent::Link);
    let ended = if links { link(app, caller, &input, now).await } else { sign_in(app, caller, &input, now).await };
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        let (event, category) = if links { ("identity_linked", Category::Security) } else { ("login", Category::Authentication) };
        let user_id = caller.signed_in().ok().filter(|_| links).map(|me| me.live.user.id);
        let entry = Entry::failure(event, category, user_id, code).with(json!({ "method": "oauth" }));
        change::record(app, caller, vec![entry], now).await?;
    }
    ended
}

async fn sign_in(app: &App, caller: &Caller, input: &Input, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let by = (input.code.as_str(), input.code_verifier.as_str());
    let taken = oauth_trip::collect(app, by, Intent::SignIn, None, now).await.map_err(|failure| failure.map(Refusal::Trip))?;
    Ok(Outcome::SignIn(sign_in_by_identity::run(app, caller, &taken, input.delivery, now).await?))
}

async fn link(app: &App, caller: &Caller, input: &Input, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    if !is_recent(app, &me.live, now) {
        return Err(Failure::Refused(Refusal::NotRecent));
    }
    let (by, session) = ((input.code.as_str(), input.code_verifier.as_str()), me.live.session.id);
    let taken = oauth_trip::collect(app, by, Intent::Link, Some(session), now).await.map_err(|failure| failure.map(Refusal::Trip))?;
    let (identity, user) = link_identity::run(app, caller, &taken, now).await?;
    Ok(Outcome::Linked { identity, user: Box::new(user) })
}
