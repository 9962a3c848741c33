//! WebAuthn: what an authenticator is asked, and whether what it answers holds (Web Authentication Level 3, sections 7.1 and 7.2).
//!
//! The library checks most of it. Added here: discoverable credentials are asked for, answers from within foreign pages are refused, both
//! names of a credential must agree, and nothing of an answer that is not needed reaches the library or the database.

mod answer;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, Passkey, PasskeyRegistration, Webauthn, WebauthnBuilder, WebauthnError};

pub use self::answer::Assertion;
use self::answer::{Answer, Made, transports};
use crate::config;

/// This deployment, as authenticators know it.
#[derive(Clone, Debug)]
pub struct RelyingParty(Webauthn);

/// No page of the settings lies under the relying party id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no origin lies under the relying party id")]
pub struct NoPage;

/// The library could not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a passkey ceremony cannot be begun")]
pub struct CannotBegin;

/// For whom a passkey is made.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The user handle: random, and says nothing about the person.
    pub id: Uuid,
    /// What the authenticator lists it by; not empty.
    pub name: &'a str,
    /// What people are shown; not empty.
    pub display_name: &'a str,
}

/// A passkey that is registered already.
#[derive(Clone, Debug)]
pub struct Known {
    /// As the authenticator named it.
    pub credential_id: Vec<u8>,
    /// How it was reached.
    pub transports: Value,
}

/// What a registration is checked against. Kept on the server alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrationCeremony(PasskeyRegistration);

/// What an assertion is checked against. Kept on the server alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AssertionCeremony(DiscoverableAuthentication);

/// A passkey that was just made.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// 1 to 1,023 bytes, chosen by the authenticator.
    pub credential_id: Vec<u8>,
    /// As the library keeps it: the public side, without the attestation.
    pub public_key: Value,
    /// The signature counter; 0 where the authenticator has none.
    pub counter: u32,
    /// Whether it may leave the authenticator; that never changes.
    pub backup_eligible: bool,
    /// Whether it has a copy elsewhere.
    pub backed_up: bool,
    /// How the authenticator was reached, as the client tells.
    pub transports: Vec<String>,
}

/// A passkey as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Of [`NewPasskey`].
    pub public_key: &'a Value,
    /// The last counter seen.
    pub counter: u32,
    /// As last seen.
    pub backed_up: bool,
}

/// What an assertion says of its passkey now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The signature counter.
    pub counter: u32,
    /// Whether it has a copy elsewhere.
    pub backed_up: bool,
}

/// Why an answer does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It cannot be read, or is no answer to what was asked.
    Malformed,
    /// It answers another challenge.
    Challenge,
    /// It was given to another page, or within one.
    Origin,
    /// It is for another relying party.
    RelyingParty,
    /// Nobody touched the authenticator.
    NotPresent,
    /// The authenticator did not check who it was.
    NotVerified,
    /// The signature is not the passkey's.
    Signature,
    /// The counter did not go up: somebody may have a copy of the key.
    Counter,
    /// The flags about copies contradict one another, or the registration.
    BackupFlags,
}

impl Rejected {
    /// As the audit log has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Challenge => "challenge",
            Self::Origin => "origin",
            Self::RelyingParty => "relying_party",
            Self::NotPresent => "user_not_present",
            Self::NotVerified => "user_not_verified",
            Self::Signature => "signature",
            Self::Counter => "counter",
            Self::BackupFlags => "backup_flags",
        }
    }
}

impl From<WebauthnError> for Rejected {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::MismatchedChallenge => Self::Challenge,
            WebauthnError::InvalidRPOrigin | WebauthnError::CredentialCrossOrigin => Self::Origin,
            WebauthnError::InvalidRPIDHash => Self::RelyingParty,
            WebauthnError::UserNotPresent => Self::NotPresent,
            WebauthnError::UserNotVerified => Self::NotVerified,
            WebauthnError::AuthenticationFailure => Self::Signature,
            WebauthnError::CredentialPossibleCompromise => Self::Counter,
            WebauthnError::CredentialBackupEligibilityInconsistent | WebauthnError::CredentialMayNotBeHardwareBound => Self::BackupFlags,
            _ => Self::Malformed,
        }
    }
}

impl RelyingParty {
    /// As the settings have it; none where there are no passkeys.
    pub fn of(settings: &config::Passkeys, product_name: &str) -> Result<Option<Self>, NoPage> {
        let Some(id) = &settings.rp_id else { return Ok(None) };
        let (first, others) = settings.origins.split_first().ok_or(NoPage)?;
        let mut builder = WebauthnBuilder::new(id, first)
            .map_err(|_| NoPage)?
            .rp_name(settings.rp_name.as_deref().unwrap_or(product_name))
            .allow_any_port(settings.any_port)
            .allow_subdomains(settings.any_port);
        for origin in others {
            builder = builder.append_allowed_origin(origin);
        }
        builder.build().map(|webauthn| Some(Self(webauthn))).map_err(|_| NoPage)
    }

    /// `PublicKeyCredentialCreationOptionsJSON` for a new passkey beside those that there are.
    pub fn begin_registration(&self, account: Account<'_>, known: &[Known]) -> Result<(Value, RegistrationCeremony), CannotBegin> {
        let ids = known.iter().map(|known| known.credential_id.clone()).collect();
        let (response, ceremony) =
            self.0.start_passkey_registration(account.id, account.name, account.display_name, Some(ids)).map_err(|_| CannotBegin)?;
        let mut options = serde_json::to_value(response.public_key).map_err(|_| CannotBegin)?;
        options["excludeCredentials"] = descriptors(known);
        // Whoever signs in gives no name: the passkey must be found without one.
        options["authenticatorSelection"] =
            json!({ "residentKey": "required", "requireResidentKey": true, "userVerification": "required" });
        if let Some(extensions) = options["extensions"].as_object_mut() {
            extensions.remove("uvm");
        }
        Ok((options, RegistrationCeremony(ceremony)))
    }

    /// Checks a `RegistrationResponseJSON`.
    pub fn finish_registration(&self, answer: &Value, ceremony: &RegistrationCeremony) -> Result<NewPasskey, Rejected> {
        let answer = Answer::<Made>::deserialize(answer).map_err(|_| Rejected::Malformed)?;
        let raw_id = answer.raw_id()?;
        answer::check_client_data(&answer.response.client_data_json)?;
        let registration = serde_json::from_value(json!({
            "id": answer.id,
            "rawId": answer.raw_id,
            "type": answer.kind,
            "response": {
                "clientDataJSON": answer.response.client_data_json,
                "attestationObject": answer.response.attestation_object,
            },
        }));
        let registration = registration.map_err(|_| Rejected::Malformed)?;
        let passkey = self.0.finish_passkey_registration(&registration, &ceremony.0)?;
        if *passkey.cred_id() != raw_id {
            return Err(Rejected::Malformed);
        }
        let mut public_key = serde_json::to_value(&passkey).map_err(|_| Rejected::Malformed)?;
        let kept = public_key.get_mut("cred").and_then(Value::as_object_mut).ok_or(Rejected::Malformed)?;
        // None was asked for, and who made an authenticator decides nothing here.
        kept.insert("attestation".to_owned(), json!({ "data": "None", "metadata": "None" }));
        kept.insert("attestation_format".to_owned(), json!("none"));
        let flag = |name: &str| kept.get(name).and_then(Value::as_bool).ok_or(Rejected::Malformed);
        let (backup_eligible, backed_up) = (flag("backup_eligible")?, flag("backup_state")?);
        let counter = kept.get("counter").and_then(Value::as_u64).and_then(|counter| u32::try_from(counter).ok());
        let counter = counter.ok_or(Rejected::Malformed)?;
        let transports = transports(answer.response.transports.as_deref().unwrap_or_default());
        Ok(NewPasskey { credential_id: raw_id, public_key, counter, backup_eligible, backed_up, transports })
    }

    /// `PublicKeyCredentialRequestOptionsJSON`: for one of these passkeys, or with none given for any that the authenticator knows.
    pub fn begin_assertion(&self, allowed: &[Known]) -> Result<(Value, AssertionCeremony), CannotBegin> {
        let (response, ceremony) = self.0.start_discoverable_authentication().map_err(|_| CannotBegin)?;
        let mut options = serde_json::to_value(response.public_key).map_err(|_| CannotBegin)?;
        options["allowCredentials"] = descriptors(allowed);
        if let Some(options) = options.as_object_mut() {
            options.remove("extensions");
        }
        Ok((options, AssertionCeremony(ceremony)))
    }

    /// Checks an assertion against the passkey that it names. Whose that is, the caller has found out.
    pub fn finish_assertion(&self, assertion: &Assertion, ceremony: &AssertionCeremony, stored: Stored<'_>) -> Result<Seen, Rejected> {
        let mut passkey = stored.public_key.clone();
        let as_seen = passkey.get_mut("cred").and_then(Value::as_object_mut).ok_or(Rejected::Malformed)?;
        as_seen.insert("counter".to_owned(), json!(stored.counter));
        as_seen.insert("backup_state".to_owned(), json!(stored.backed_up));
        let passkey: Passkey = serde_json::from_value(passkey).map_err(|_| Rejected::Malformed)?;
        let answer = serde_json::from_value(assertion.answer.clone()).map_err(|_| Rejected::Malformed)?;
        let result = self.0.finish_discoverable_authentication_v2(&answer, ceremony.0.clone(), &passkey)?;
        if !result.user_verified() {
            return Err(Rejected::NotVerified);
        }
        Ok(Seen { counter: result.counter(), backed_up: result.backup_state() })
    }
}

fn descriptors(known: &[Known]) -> Value {
    let descriptor = |known: &Known| {
        let mut descriptor = json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(&known.credential_id) });
        if known.transports.as_array().is_some_and(|transports| !transports.is_empty()) {
            descriptor["transports"] = known.transports.clone();
        }
        descriptor
    };
    known.iter().map(descriptor).collect()
}
