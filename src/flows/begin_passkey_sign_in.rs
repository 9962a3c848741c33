//! Begins a passkey ceremony: asks whichever passkey is at hand, or in the second step of a sign-in one of the account's.
//!
//! 1. Limit: by address.
//! 2. With a login token: the sign-in that it stands for, and the passkeys of that account. Without one nobody is named, so that nothing tells
//!    who has an account.
//! 3. The challenge waits in the store.

use serde_json::Value;

use super::{
    caller::Caller,
    failure::Failure,
    passkey_assertion::{self, BegunFor, CEREMONY_TTL},
    second_step,
};
use crate::{
    app::App,
    crypto::{opaque_token::OpaqueToken, webauthn::Known},
    ephemeral::rate_limits::{Rule, ip_subject},
    storage::passkeys,
};

/// What the client goes on with.
pub struct Outcome {
    /// The given login token, or that of this ceremony.
    pub login_token: String,
    /// `PublicKeyCredentialRequestOptionsJSON`.
    pub options: Value,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are no passkeys here.
    MethodDisabled,
    /// The login token is none, or its sign-in is over.
    TokenInvalid,
}

/// Begins it.
pub async fn run(app: &App, caller: &Caller, login_token: Option<String>) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let relying_party = app.relying_party.as_ref().ok_or(Failure::Refused(Refusal::MethodDisabled))?;
    app.rate_limits.take(Rule::PasskeysPerIp, &ip_subject(caller.ip), now).await?;
    let ends_at = now + CEREMONY_TTL;
    let (login_token, hash, begun_for, expires_at, allowed) = if let Some(token) = login_token {
        let found = second_step::find(app, &token, now).await?;
        let (attempt, hash) = found.ok_or(Failure::Refused(Refusal::TokenInvalid))?;
        let allowed = known(&passkeys::list_of_user(app.database.read(), attempt.user_id).await?);
        (token, hash, BegunFor::SecondStep { user_id: attempt.user_id }, ends_at.min(attempt.expires_at()), allowed)
    } else {
        let token = OpaqueToken::generate(&app.entropy);
        let begun_for = BegunFor::AnyOwner { session_id: passkey_assertion::session_of(caller) };
        (token.raw().to_owned(), token.hash(), begun_for, ends_at, Vec::new())
    };
    let (options, challenge) =
        relying_party.begin_assertion(&allowed).map_err(|_| Failure::inconsistent("a passkey ceremony cannot be begun"))?;
    passkey_assertion::wait_for(app, &hash, (begun_for, challenge), expires_at, now).await?;
    Ok(Outcome { login_token, options })
}

/// As authenticators are told of them.
pub fn known(rows: &[entity::passkey_credentials::Model]) -> Vec<Known> {
    rows.iter().map(|row| Known { credential_id: row.credential_id.clone(), transports: row.transports.clone() }).collect()
}
