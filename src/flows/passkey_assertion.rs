//! What a passkey answered: checked against the ceremony that was begun for it, and used up in the transaction of what it does.
//!
//! A ceremony waits in the store under the hash of a token: one of its own, or that of a sign-in that waits for its second step. It is taken
//! before anything of the answer is looked at, so each is tried once.

use std::time::Duration;

use entity::{
    Timestamp, passkey_credentials,
    user_audit_log::{Category, Severity},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    caller::{Caller, SignedIn},
    change::Change,
    failure::Failure,
    second_step::LoginAttempt,
};
use crate::{
    app::App,
    crypto::{
        opaque_token::OpaqueToken,
        webauthn::{Assertion, AssertionCeremony, Rejected, Seen, Stored},
    },
    domain::passkey,
    ephemeral::Unavailable,
    storage::{audit::Entry, error::StorageError, passkeys, spent_tokens},
};

/// How long an authenticator has to answer.
pub const CEREMONY_TTL: Duration = Duration::from_mins(5);

/// Kinds of spent tokens.
const SPENT: &str = "passkey_ceremony";

/// What an answer is waited for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceremony {
    /// Names it among what is spent.
    id: Uuid,
    /// In milliseconds.
    expires_at: i64,
    begun_for: BegunFor,
    challenge: AssertionCeremony,
}

/// What a ceremony was begun for; it is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BegunFor {
    /// A sign-in of whoever owns the passkey; where a session began it, also to prove that its user is still there.
    AnyOwner {
        /// Which one.
        session_id: Option<Uuid>,
    },
    /// The second step of this user's sign-in.
    SecondStep {
        /// Whose.
        user_id: Uuid,
    },
}

/// Who may have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Whoever owns the passkey.
    AnyOwner,
    /// This user, in the second step.
    SecondStep { user_id: Uuid },
    /// The user of this session.
    Session { user_id: Uuid, session_id: Uuid },
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such ceremony: never begun, over, used, or for something else.
    TokenInvalid,
    /// There is one, but the answer does not hold.
    Invalid {
        /// For the audit log alone.
        why: Why,
        /// Whose passkey it names, where it names one.
        owner: Option<Uuid>,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// By WebAuthn's rules.
    Rejected(Rejected),
    /// Nobody has this passkey, or not any more.
    Unknown,
    /// It says that it is another user's, or does not say whose it is.
    UserHandle,
    /// It is not the passkey of the user who has to prove something.
    NotTheirs,
    /// Used meanwhile, by another answer or with a higher counter.
    Overtaken,
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Self::Rejected(rejected) => rejected.name(),
            Self::Unknown => "unknown_passkey",
            Self::UserHandle => "user_handle",
            Self::NotTheirs => "not_theirs",
            Self::Overtaken => "overtaken",
        }
    }
}

impl Refusal {
    /// As the audit log has it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::Invalid { .. } => "PASSKEY_INVALID",
        }
    }

    /// Its audit row: of the user who had to prove something, else of the passkey's owner.
    pub fn entry(self, event_type: &'static str, user_id: Option<Uuid>) -> Entry {
        let (owner, reason) = match self {
            Self::TokenInvalid => (None, None),
            Self::Invalid { why, owner } => (owner, Some(why.name())),
        };
        let mut entry = Entry::failure(event_type, Category::Authentication, user_id.or(owner), self.code())
            .with(json!({ "method": "passkey", "reason": reason }));
        entry.severity = Severity::Warning;
        entry
    }
}

/// An answer that holds, until it is spent.
#[derive(Clone, Debug)]
pub struct Asserted {
    passkey: passkey_credentials::Model,
    seen: Seen,
    ceremony_id: Uuid,
    expires_at: Timestamp,
}

impl Asserted {
    /// Who answered.
    pub const fn user_id(&self) -> Uuid {
        self.passkey.user_id
    }

    /// RFC 8176 names of the proof.
    pub const fn amr(&self) -> [&'static str; 3] {
        passkey::amr(self.passkey.device_type)
    }

    /// Uses it up in the transaction of what it does, after the user's row was taken; false where somebody else did, the passkey is gone, or its
    /// counter has gone further.
    pub async fn spend(&self, change: &Change<'_>) -> Result<bool, StorageError> {
        let seen = passkeys::Use { counter: i64::from(self.seen.counter), backed_up: self.seen.backed_up };
        Ok(passkeys::advance_use(change.db(), self.passkey.id, seen, change.now).await?
            && spent_tokens::consume(change.db(), SPENT, &self.ceremony_id.to_string(), self.expires_at).await?)
    }

    /// What somebody is told whose answer does not hold any more.
    pub const fn gone(&self) -> Refusal {
        Refusal::Invalid { why: Why::Overtaken, owner: Some(self.passkey.user_id) }
    }
}

/// Has an answer waited for under the hash of a token, in the place of one that was waited for before.
pub async fn wait_for(
    app: &App,
    token_hash: &[u8; 32],
    (begun_for, challenge): (BegunFor, AssertionCeremony),
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), Failure<super::begin_passkey_sign_in::Refusal>> {
    let ceremony = Ceremony { id: app.entropy.uuid(now), expires_at: expires_at.millis(), begun_for, challenge };
    let record = serde_json::to_vec(&ceremony).map_err(|_| Failure::inconsistent("a passkey ceremony cannot be written"))?;
    Ok(app.store.put(&key_of(token_hash), &record, expires_at, now).await?)
}

/// Checks the answer of whoever wants to sign in.
pub async fn check_for_sign_in(app: &App, token: &str, credential: &Value, now: Timestamp) -> Result<Asserted, Failure<Refusal>> {
    let hash = OpaqueToken::parse(token).ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    check(app, (&hash, Expected::AnyOwner), credential, now).await
}

/// Checks the answer of a signed-in user who proves to be still there: the same session must have begun it.
pub async fn check_for_session(
    app: &App,
    me: &SignedIn,
    (token, credential): (&str, &Value),
    now: Timestamp,
) -> Result<Asserted, Failure<Refusal>> {
    let hash = OpaqueToken::parse(token).ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    let expected = Expected::Session { user_id: me.live.user.id, session_id: me.live.session.id };
    check(app, (&hash, expected), credential, now).await
}

/// Checks the answer to the second step of a sign-in that `second_step::find` found under the hash of its login token. Writes no audit row:
/// whoever counts attempts does ([`Refusal::entry`]).
pub async fn check_for_login(
    app: &App,
    (login_token_hash, attempt): (&[u8; 32], &LoginAttempt),
    credential: &Value,
    now: Timestamp,
) -> Result<Asserted, Failure<Refusal>> {
    check(app, (login_token_hash, Expected::SecondStep { user_id: attempt.user_id }), credential, now).await
}

/// The session that a ceremony is tied to: that of the caller, where there is one.
pub fn session_of(caller: &Caller) -> Option<Uuid> {
    caller.signed_in().ok().map(|me| me.live.session.id)
}

async fn check(
    app: &App,
    (token_hash, expected): (&[u8; 32], Expected),
    credential: &Value,
    now: Timestamp,
) -> Result<Asserted, Failure<Refusal>> {
    let refused = |why, owner| Failure::Refused(Refusal::Invalid { why, owner });
    let ceremony = take(app, token_hash, now).await?.filter(|ceremony| is_for(ceremony.begun_for, expected));
    let ceremony = ceremony.ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    let relying_party = app.relying_party.as_ref().ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    let assertion = Assertion::parse(credential).map_err(|rejected| refused(Why::Rejected(rejected), None))?;
    let found = passkeys::find_by_credential_id(app.database.read(), &assertion.credential_id).await?;
    let passkey = found.ok_or_else(|| refused(Why::Unknown, None))?;
    let owner = passkey.user_id;
    let refused = |why| refused(why, Some(owner));
    match (&assertion.user_handle, expected) {
        (Some(handle), _) if handle == owner.as_bytes() => {}
        // Who is asked for is known: the authenticator need not say it.
        (None, Expected::SecondStep { .. } | Expected::Session { .. }) => {}
        (Some(_), _) | (None, Expected::AnyOwner) => return Err(refused(Why::UserHandle)),
    }
    match expected {
        Expected::AnyOwner => {}
        Expected::SecondStep { user_id } | Expected::Session { user_id, .. } if user_id == owner => {}
        Expected::SecondStep { .. } | Expected::Session { .. } => return Err(refused(Why::NotTheirs)),
    }
    let counter = u32::try_from(passkey.counter).map_err(|_| Failure::inconsistent("a passkey's counter is out of range"))?;
    let stored = Stored { public_key: &passkey.public_key, counter, backed_up: passkey.backed_up };
    let seen =
        relying_party.finish_assertion(&assertion, &ceremony.challenge, stored).map_err(|rejected| refused(Why::Rejected(rejected)))?;
    Ok(Asserted { passkey, seen, ceremony_id: ceremony.id, expires_at: Timestamp::from_millis(ceremony.expires_at) })
}

fn is_for(begun_for: BegunFor, expected: Expected) -> bool {
    match (begun_for, expected) {
        (BegunFor::AnyOwner { .. }, Expected::AnyOwner) => true,
        (BegunFor::AnyOwner { session_id: by }, Expected::Session { session_id, .. }) => by == Some(session_id),
        (BegunFor::SecondStep { user_id: of }, Expected::SecondStep { user_id }) => of == user_id,
        (BegunFor::AnyOwner { .. }, Expected::SecondStep { .. })
        | (BegunFor::SecondStep { .. }, Expected::AnyOwner | Expected::Session { .. }) => false,
    }
}

/// Of many at once one gets it.
async fn take(app: &App, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Ceremony>, Unavailable> {
    let found = app.store.take(&key_of(token_hash), now).await?;
    Ok(found.and_then(|record| serde_json::from_slice(&record).ok()))
}

fn key_of(token_hash: &[u8; 32]) -> String {
    format!("passkey_auth:{}", hex::encode(token_hash))
}
