//! Begins the round trip to a provider: to sign in, to link, or to prove again who is there.
//!
//! 1. The provider, where to come back to (byte by byte one of those that are allowed), the client's challenge.
//! 2. To prove oneself again, the provider must be linked, and count.
//! 3. The provider is asked for its discovery document, if that is not known: one that is down is told now.
//! 4. The trip is remembered. The browser goes to an address of ours first, which gives it the cookie that it is known by.

use entity::Timestamp;

use super::{
    caller::{Caller, Reason},
    failure::Failure,
    oauth_trip::{self, Intent, TRIP_TTL, Trip},
    provider_identity,
};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    outbound::providers::IN_OPERATION,
    storage::{identities, users},
};

/// What the client wants.
pub struct Input {
    /// The provider's id.
    pub provider: String,
    /// Where to come back to.
    pub redirect_uri: String,
    /// SHA-256 of what the client keeps, in base64url.
    pub code_challenge: String,
    /// What for; the caller's level was checked.
    pub intent: Intent,
}

/// A trip that has begun.
pub struct Outcome {
    /// Where to send the browser: one of our own addresses.
    pub url: String,
    /// Until when it must be back.
    pub expires_at: Timestamp,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None with this id.
    ProviderUnknown,
    /// It does not answer.
    ProviderFailed,
    /// Not one of those that are allowed.
    RedirectUriNotAllowed,
    /// Not 32 bytes in base64url.
    ChallengeInvalid,
    /// It proves nothing: not linked, or a second factor is on.
    MethodDisabled,
}

/// Begins it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let refused = |refusal| Err(Failure::Refused(refusal));
    let Some(provider) = app.providers.find(&input.provider) else { return refused(Refusal::ProviderUnknown) };
    if !app.config.oauth.redirect_uris.contains(&input.redirect_uri) {
        return refused(Refusal::RedirectUriNotAllowed);
    }
    if OpaqueToken::parse(&input.code_challenge).is_none() {
        return refused(Refusal::ChallengeInvalid);
    }
    let session_id = match input.intent {
        Intent::SignIn => None,
        Intent::Link | Intent::Reauthenticate => Some(caller.signed_in().map_err(Failure::Unauthenticated)?.live.session.id),
    };
    if input.intent == Intent::Reauthenticate && !counts(app, caller, &input.provider).await? {
        return refused(Refusal::MethodDisabled);
    }
    if provider.document(tokio::time::Instant::now() + IN_OPERATION).await.is_err() {
        return refused(Refusal::ProviderFailed);
    }
    let trip = Trip {
        provider: input.provider,
        intent: input.intent,
        redirect_uri: input.redirect_uri,
        code_challenge: input.code_challenge,
        session_id,
        verifier: OpaqueToken::generate(&app.entropy).raw().to_owned(),
        nonce: OpaqueToken::generate(&app.entropy).raw().to_owned(),
    };
    let state = oauth_trip::begin(app, &trip, provider.settings.kind, now).await?;
    let url = format!("{}/oauth/start/{state}", app.config.http.public_base());
    Ok(Outcome { url, expires_at: now + TRIP_TTL })
}

/// Whether this provider can prove again who the signed-in user is.
async fn counts(app: &App, caller: &Caller, provider: &str) -> Result<bool, Failure<Refusal>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let db = app.database.write();
    let user = users::find_by_id(db, me.live.user.id).await?.ok_or(Failure::Unauthenticated(Reason::SessionEnded))?;
    let mut linked = identities::list_of_user(db, user.id).await?;
    linked.retain(|identity| identity.provider == provider);
    Ok(user.totp_enabled_at.is_none() && provider_identity::count_usable(app, &linked) > 0)
}
