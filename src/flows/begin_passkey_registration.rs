//! Asks an authenticator for a new passkey of the signed-in user. What it is checked against waits under the session; a newer one takes its place.

use entity::{Timestamp, users};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{begin_passkey_sign_in::known, caller::Caller, failure::Failure, passkey_assertion::CEREMONY_TTL};
use crate::{
    app::App,
    crypto::webauthn::{Account, RegistrationCeremony},
    storage::passkeys,
};

/// More than anybody has authenticators: a list of all of them goes with every registration.
pub const MOST_PASSKEYS: u64 = 50;

/// What the client goes on with.
pub struct Outcome {
    /// `PublicKeyCredentialCreationOptionsJSON`.
    pub options: Value,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What waits for the answer.
#[derive(Serialize, Deserialize)]
pub struct Waiting {
    /// Names it among what is spent.
    pub id: Uuid,
    /// In milliseconds.
    pub expires_at: i64,
    /// What the answer is checked against.
    pub challenge: RegistrationCeremony,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are no passkeys here, or the account has as many as it may.
    MethodDisabled,
}

/// Begins it.
pub async fn run(app: &App, caller: &Caller) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let relying_party = app.relying_party.as_ref().ok_or(Failure::Refused(Refusal::MethodDisabled))?;
    let user = &me.live.user;
    let registered = passkeys::list_of_user(app.database.read(), user.id).await?;
    if registered.len() as u64 >= MOST_PASSKEYS {
        return Err(Failure::Refused(Refusal::MethodDisabled));
    }
    let (name, display_name) = names(user, &app.config.messages.product_name);
    let account = Account { id: user.id, name, display_name };
    let (options, challenge) = relying_party
        .begin_registration(account, &known(&registered))
        .map_err(|_| Failure::inconsistent("a passkey registration cannot be begun"))?;
    let expires_at = now + CEREMONY_TTL;
    let waiting = Waiting { id: app.entropy.uuid(now), expires_at: expires_at.millis(), challenge };
    let record = serde_json::to_vec(&waiting).map_err(|_| Failure::inconsistent("a passkey registration cannot be written"))?;
    app.store.put(&key_of(me.live.session.id), &record, expires_at, now).await?;
    Ok(Outcome { options, expires_at })
}

/// Where it waits.
pub fn key_of(session_id: Uuid) -> String {
    format!("passkey_registration:{session_id}")
}

/// What an authenticator lists the account by, and what people are shown.
fn names<'a>(user: &'a users::Model, product: &'a str) -> (&'a str, &'a str) {
    let given = |text: &'a Option<String>| text.as_deref().filter(|text| !text.trim().is_empty());
    let contact = given(&user.email).or_else(|| given(&user.phone)).or_else(|| given(&user.username));
    let person = given(&user.display_name).or_else(|| given(&user.full_name));
    let name = contact.or(person).unwrap_or(product);
    (name, person.unwrap_or(name))
}
