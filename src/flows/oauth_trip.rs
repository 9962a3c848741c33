//! The round trip to a provider, as it is remembered on the way: under the state until the provider sends the browser back, then under the
//! code that the browser brings to the client. Each is taken once, before anything about it is looked at.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{change::Change, failure::Failure, provider_identity::ProvedIdentity};
use crate::{
    app::App,
    clock::Timestamp,
    config::ProviderKind,
    crypto::{
        key_ring::KeyRing,
        keyed_hash::{constant_time_eq, keyed_by_any},
        opaque_token::OpaqueToken,
    },
    ephemeral::Unavailable,
    storage::{error::StorageError, spent_tokens},
};

/// How long somebody may take at the provider.
pub const TRIP_TTL: Duration = Duration::from_mins(10);
/// How long the result waits for the client.
const HANDOFF_TTL: Duration = Duration::from_mins(1);
const FLOW_COOKIE: &str = "oauth flow";

/// What a trip is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// To sign in, or up.
    SignIn,
    /// To add the provider to the account that is signed in.
    Link,
    /// To prove again who is there.
    Reauthenticate,
}

/// A trip that has begun.
#[derive(Clone, Serialize, Deserialize)]
pub struct Trip {
    /// The provider's id.
    pub provider: String,
    /// What it is for.
    pub intent: Intent,
    /// Where it ends, one of those that are allowed.
    pub redirect_uri: String,
    /// The client's: the SHA-256 of what it keeps.
    pub code_challenge: String,
    /// The session that asked for it, where it is about one.
    pub session_id: Option<Uuid>,
    /// Ours, for the provider: PKCE.
    pub verifier: String,
    /// Comes back in the ID token.
    pub nonce: String,
}

/// What came of a trip.
#[derive(Clone, Serialize, Deserialize)]
pub enum Brought {
    /// The provider said who it is.
    Identity(Box<ProvedIdentity>),
    /// The person said no.
    Denied,
    /// The provider did not answer as it should.
    Failed,
}

/// The result of a trip, for the client that began it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Handoff {
    /// What it is for.
    pub intent: Intent,
    /// The provider's id.
    pub provider: String,
    code_challenge: String,
    session_id: Option<Uuid>,
    /// What came of it.
    pub brought: Brought,
}

/// A result that was taken; to be spent in the transaction of its effect.
pub struct Taken {
    hash: [u8; 32],
    /// The provider's id.
    pub provider: String,
    /// Who it is.
    pub identity: ProvedIdentity,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a code of ours, used, too late, of another client, or for something else.
    CodeInvalid,
    /// The person said no at the provider.
    Denied,
    /// The provider did not answer as it should.
    Failed,
}

impl Refusal {
    /// As the audit log has it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CodeInvalid => "CODE_INVALID",
            Self::Denied => "PROVIDER_DENIED",
            Self::Failed => "PROVIDER_FAILED",
        }
    }
}

/// Remembers a trip, and returns its state.
pub async fn begin(app: &App, trip: &Trip, kind: ProviderKind, now: Timestamp) -> Result<String, Failure<super::begin_oauth::Refusal>> {
    let state = OpaqueToken::generate(&app.entropy);
    let record = serde_json::to_vec(trip).map_err(|_| Failure::inconsistent("a trip cannot be written"))?;
    app.store.put(&state_key(kind, &state.hash()), &record, now + TRIP_TTL, now).await?;
    Ok(state.raw().to_owned())
}

/// The trip with this state, of whichever kind of provider; looking uses nothing up.
pub async fn look(app: &App, state: &str, now: Timestamp) -> Result<Option<Trip>, Unavailable> {
    let Some(hash) = OpaqueToken::parse(state) else { return Ok(None) };
    for kind in [ProviderKind::Oidc, ProviderKind::Apple] {
        if let Some(record) = app.store.get(&state_key(kind, &hash), now).await? {
            return Ok(read(&record));
        }
    }
    Ok(None)
}

/// Takes the trip with this state to a provider: nobody else gets it any more.
pub async fn take(app: &App, state: &str, kind: ProviderKind, now: Timestamp) -> Result<Option<Trip>, Unavailable> {
    let Some(hash) = OpaqueToken::parse(state) else { return Ok(None) };
    Ok(app.store.take(&state_key(kind, &hash), now).await?.as_deref().and_then(read))
}

/// Ends a trip: keeps what came of it, and returns where the browser goes with it.
pub async fn hand_off<R>(app: &App, trip: Trip, brought: Brought, now: Timestamp) -> Result<String, Failure<R>> {
    let code = OpaqueToken::generate(&app.entropy);
    let Trip { intent, provider, code_challenge, session_id, redirect_uri, .. } = trip;
    let handoff = Handoff { intent, provider, code_challenge, session_id, brought };
    let record = serde_json::to_vec(&handoff).map_err(|_| Failure::inconsistent("what came of a trip cannot be written"))?;
    app.store.put(&handoff_key(&code.hash()), &record, now + HANDOFF_TTL, now).await?;
    let sign = if redirect_uri.contains('?') { '&' } else { '?' };
    Ok(format!("{redirect_uri}{sign}code={}", code.raw()))
}

/// What the result with this code is for, if there is one; looking uses nothing up.
pub async fn intent_of(app: &App, code: &str, now: Timestamp) -> Result<Option<(Intent, Option<Uuid>)>, Unavailable> {
    let Some(hash) = OpaqueToken::parse(code) else { return Ok(None) };
    let record = app.store.get(&handoff_key(&hash), now).await?;
    Ok(record.as_deref().and_then(read::<Handoff>).map(|handoff| (handoff.intent, handoff.session_id)))
}

/// Takes the result with this code: only the client that began gets it, only for what it began, and only in the session that it began it in.
pub async fn collect(
    app: &App,
    (code, verifier): (&str, &str),
    intent: Intent,
    session_id: Option<Uuid>,
    now: Timestamp,
) -> Result<Taken, Failure<Refusal>> {
    let refused = |refusal| Err(Failure::Refused(refusal));
    let Some(hash) = OpaqueToken::parse(code) else { return refused(Refusal::CodeInvalid) };
    let record = app.store.take(&handoff_key(&hash), now).await?;
    let Some(handoff) = record.as_deref().and_then(read::<Handoff>) else { return refused(Refusal::CodeInvalid) };
    let is_of_client = constant_time_eq(challenge_of(verifier).as_bytes(), handoff.code_challenge.as_bytes());
    if !is_of_client || handoff.intent != intent || handoff.session_id.is_some_and(|session| Some(session) != session_id) {
        return refused(Refusal::CodeInvalid);
    }
    match handoff.brought {
        // Switched off meanwhile: it speaks for nobody any more.
        Brought::Identity(_) if app.providers.find(&handoff.provider).is_none() => refused(Refusal::Failed),
        Brought::Identity(identity) => Ok(Taken { hash, provider: handoff.provider, identity: *identity }),
        Brought::Denied => refused(Refusal::Denied),
        Brought::Failed => refused(Refusal::Failed),
    }
}

impl Taken {
    /// Uses it up in the transaction of its effect; false where somebody else did.
    pub async fn spend(&self, change: &Change<'_>) -> Result<bool, StorageError> {
        spent_tokens::consume(change.db(), "oauth_handoff", &hex::encode(self.hash), change.now + HANDOFF_TTL + TRIP_TTL).await
    }
}

/// What the browser that begins a trip is known by.
pub fn flow_cookie(keys: &KeyRing, state: &str) -> String {
    keyed_by_any(keys, FLOW_COOKIE, &[state.as_bytes()]).next().map(|mac| URL_SAFE_NO_PAD.encode(mac)).unwrap_or_default()
}

/// Whether one of the trips that a browser began is this one.
pub fn is_of_flow(keys: &KeyRing, state: &str, cookies: &[&str]) -> bool {
    keyed_by_any(keys, FLOW_COOKIE, &[state.as_bytes()])
        .map(|mac| URL_SAFE_NO_PAD.encode(mac))
        .any(|mac| cookies.iter().any(|cookie| constant_time_eq(cookie.as_bytes(), mac.as_bytes())))
}

/// The challenge of a PKCE verifier (RFC 7636, S256).
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn state_key(kind: ProviderKind, hash: &[u8; 32]) -> String {
    let apples = if kind == ProviderKind::Apple { "apple:" } else { "" };
    format!("oauth_state:{apples}{}", hex::encode(hash))
}

fn handoff_key(hash: &[u8; 32]) -> String {
    format!("oauth_handoff:{}", hex::encode(hash))
}

fn read<T: DeserializeOwned>(record: &[u8]) -> Option<T> {
    serde_json::from_slice(record).ok()
}
