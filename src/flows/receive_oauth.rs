//! Receives the browser that a provider sends back, and hands what came of it to the client.
//!
//! 1. The state is taken: of many that bring it, one goes on. It must have begun at this provider, and in this browser.
//! 2. The provider must be the one that answers (RFC 9207); a refusal of the person is handed on.
//! 3. The code is exchanged, and the ID token held against the configured issuer, its keys and the nonce.
//! 4. Nothing is written but the result, for a minute, under a code that the browser takes along. No session begins, nothing is linked.

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    failure::Failure,
    oauth_trip::{self, Brought, Intent, Trip, is_of_flow},
    provider_identity::ProvedIdentity,
};
use crate::{
    app::App,
    clock::Timestamp,
    config::{ClientKey, ProviderKind},
    crypto::{
        client_secret::{self, Signer},
        id_token::{self, Asymmetric, Expected, IdClaims, Person, Rejected, Signed},
    },
    domain::provider_person,
    outbound::providers::{Document, Exchange, Granted, IN_CALLBACK, Provider, ProviderFault},
};

/// What the browser brings.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    /// Names the trip.
    pub state: String,
    /// To be exchanged.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub issuer: Option<String>,
    /// Apple: the person's name, the first time only, and signed by nobody.
    pub user: Option<String>,
}

/// Why the browser is sent nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No trip with this state, or not any more, or at another provider, or of another browser.
    Unknown,
}

/// Why a provider's answer is not believed.
#[derive(Debug, thiserror::Error)]
enum Disbelief {
    #[error(transparent)]
    Fault(#[from] ProviderFault),
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    CannotSign(#[from] client_secret::CannotSign),
    #[error("{0}")]
    Odd(&'static str),
}

/// Where a provider sends the browser back to.
pub fn callback_of(app: &App, provider: &str) -> String {
    format!("{}/oauth/callback/{provider}", app.config.http.public_base())
}

/// Receives it, and returns where it goes now.
pub async fn run(app: &App, provider_id: &str, arrived: Arrived, flow_cookies: &[&str]) -> Result<String, Failure<Refusal>> {
    let (now, until) = (app.clock.now(), Instant::now() + IN_CALLBACK);
    let unknown = || Failure::Refused(Refusal::Unknown);
    let provider = app.providers.find(provider_id).ok_or_else(unknown)?;
    let trip = oauth_trip::take(app, &arrived.state, provider.settings.kind, now).await?.ok_or_else(unknown)?;
    if trip.provider != provider_id || !is_of_flow(&app.key_ring, &arrived.state, flow_cookies) {
        return Err(unknown());
    }
    let brought = match listen(app, provider, &trip, &arrived, (now, until)).await {
        Ok(brought) => brought,
        Err(disbelief) => {
            tracing::warn!(provider.id = provider_id, %disbelief, "a sign-in with a provider came to nothing");
            Brought::Failed
        }
    };
    oauth_trip::hand_off(app, trip, brought, now).await
}

/// What the provider says, where it is to be believed.
async fn listen(
    app: &App,
    provider: &Provider,
    trip: &Trip,
    arrived: &Arrived,
    (now, until): (Timestamp, Instant),
) -> Result<Brought, Disbelief> {
    if arrived.issuer.as_ref().is_some_and(|issuer| *issuer != provider.settings.issuer) {
        return Err(Disbelief::Odd("the answer is of another issuer"));
    }
    match arrived.error.as_deref() {
        None => {}
        Some("access_denied" | "user_cancelled_authorize") => return Ok(Brought::Denied),
        Some(_) => return Err(Disbelief::Odd("the provider answered with an error")),
    }
    let code = arrived.code.as_deref().ok_or(Disbelief::Odd("the answer has no code"))?;
    let document = provider.document(until).await?;
    if document.names_itself && arrived.issuer.is_none() {
        return Err(Disbelief::Odd("the answer does not name its issuer"));
    }
    let signed_secret = match &provider.settings.key {
        ClientKey::Apple { team_id, key_id, private_key } => {
            let private_key = secrecy::ExposeSecret::expose_secret(private_key);
            let (client_id, issuer) = (provider.settings.client_id.as_str(), provider.settings.issuer.as_str());
            Some(client_secret::sign(Signer { team_id, key_id, private_key, client_id, issuer }, now)?)
        }
        ClientKey::Secret(_) | ClientKey::None => None,
    };
    let callback = callback_of(app, &trip.provider);
    let exchange = Exchange { code, callback: &callback, verifier: &trip.verifier, signed_secret: signed_secret.as_deref() };
    let granted = provider.exchange(&document, &exchange, until).await?;
    let expected = Expected {
        issuer: &provider.settings.issuer,
        client_id: &provider.settings.client_id,
        nonce: &trip.nonce,
        authenticated_since: (trip.intent == Intent::Reauthenticate).then(|| now - app.config.sessions.recent),
        must_tell_when: provider.knows_max_age(),
    };
    let claims = verify(provider, &document, &granted, expected, (now, until)).await?;
    let person = person(provider, &document, &granted, &claims, until).await?;
    Ok(Brought::Identity(Box::new(identity(provider, claims.sub, &person, arrived))))
}

/// Holds the ID token against what the provider signs with. A key that is not known may be a new one.
async fn verify(
    provider: &Provider,
    document: &Document,
    granted: &Granted,
    expected: Expected<'_>,
    (now, until): (Timestamp, Instant),
) -> Result<IdClaims, Disbelief> {
    let taken = match provider.settings.kind {
        ProviderKind::Line => {
            let ClientKey::Secret(secret) = &provider.settings.key else { return Err(Disbelief::Odd("there is no channel secret")) };
            let secret = secrecy::ExposeSecret::expose_secret(secret).as_bytes();
            return Ok(id_token::verify(&granted.id_token, Signed::BySecret(secret), expected, now)?);
        }
        ProviderKind::Google | ProviderKind::Apple => Asymmetric::Usual,
        ProviderKind::Oidc => Asymmetric::Any,
    };
    let keys = provider.keys(document, until).await?;
    match id_token::verify(&granted.id_token, Signed::ByPublished(&keys, taken), expected, now) {
        Err(Rejected::UnknownKey) => {
            let keys = provider.newer_keys(document, until).await?;
            Ok(id_token::verify(&granted.id_token, Signed::ByPublished(&keys, taken), expected, now)?)
        }
        verified => Ok(verified?),
    }
}

/// What is told of the person: by the ID token, or where that tells no address, by the provider when it is asked.
async fn person(
    provider: &Provider,
    document: &Document,
    granted: &Granted,
    claims: &IdClaims,
    until: Instant,
) -> Result<Person, Disbelief> {
    if provider.settings.kind != ProviderKind::Oidc || claims.person.email.is_string() {
        return Ok(claims.person.clone());
    }
    let told = provider.person(document, granted, until).await?;
    if told.is_null() {
        return Ok(claims.person.clone());
    }
    if told.get("sub").and_then(Value::as_str) != Some(&claims.sub) {
        return Err(Disbelief::Odd("the provider tells of somebody else"));
    }
    let told = Person::deserialize(&told).map_err(|_| Disbelief::Odd("what the provider tells of the person cannot be read"))?;
    let or = |first: &Value, other: Value| if first.is_null() { other } else { first.clone() };
    Ok(Person {
        // Both or neither: an address here is not proved by a claim there.
        email: told.email,
        email_verified: told.email_verified,
        name: or(&claims.person.name, told.name),
        given_name: or(&claims.person.given_name, told.given_name),
        family_name: or(&claims.person.family_name, told.family_name),
        locale: or(&claims.person.locale, told.locale),
    })
}

fn identity(provider: &Provider, subject: String, person: &Person, arrived: &Arrived) -> ProvedIdentity {
    let email = provider_person::email(&person.email);
    let is_verified = provider_person::says_verified(provider.settings.kind, &person.email_verified);
    let apples = arrived.user.as_deref().filter(|_| provider.settings.kind == ProviderKind::Apple);
    let names: Value = apples.and_then(|user| serde_json::from_str(user).ok()).unwrap_or_default();
    let name_part = |claim: &Value, key: &str| provider_person::text(claim).or_else(|| provider_person::text(names.get("name")?.get(key)?));
    let (given_name, family_name) = (name_part(&person.given_name, "firstName"), name_part(&person.family_name, "lastName"));
    let parts: Vec<&str> = given_name.iter().chain(&family_name).map(String::as_str).collect();
    let whole = (!parts.is_empty()).then(|| parts.join(" "));
    ProvedIdentity {
        provider: provider.settings.id.clone(),
        issuer: provider.settings.issuer.clone(),
        subject,
        verified_email: email.clone().filter(|_| is_verified),
        shown_email: email,
        name: provider_person::text(&person.name).or(whole),
        given_name,
        family_name,
        locale: provider_person::text(&person.locale),
    }
}
