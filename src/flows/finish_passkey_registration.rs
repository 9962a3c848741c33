//! Adds the passkey that an authenticator made for the signed-in user.
//!
//! 1. The name, which may be left out.
//! 2. What waits under the session is taken before anything of the answer is looked at.
//! 3. The answer.
//! 4. One change, the account held: the passkey (no two users have the same), the end of trust in devices, event, audit row and notices.

use entity::{
    account_events::Kind,
    passkey_credentials::{self, DeviceType},
    user_audit_log::Category,
    users,
};
use serde_json::{Value, json};

use super::{
    begin_passkey_registration::{MOST_PASSKEYS, Waiting, key_of},
    caller::{Caller, SignedIn},
    change::{self, Change},
    failure::Failure,
    hold_account, notify,
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::webauthn::{NewPasskey, Rejected},
    domain::{device::Device, passkey},
    outbound::message::Template,
    storage::{audit::Entry, known_devices, passkeys, spent_tokens},
};

/// What the client sends.
pub struct Input {
    /// `RegistrationResponseJSON`.
    pub credential: Value,
    /// As typed.
    pub name: Option<String>,
}

/// What came of it.
pub struct Outcome {
    /// The new one.
    pub passkey: passkey_credentials::Model,
    /// Whose it is.
    pub user: users::Model,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Empty, too long, or with control characters.
    NameInvalid,
    /// Nothing waits for it, or it does not hold.
    PasskeyInvalid,
    /// Somebody has it: this user or another.
    AlreadyRegistered,
    /// There are no passkeys here, or the account has as many as it may.
    MethodDisabled,
}

impl Refusal {
    const fn code(self) -> &'static str {
        match self {
            Self::NameInvalid => "INVALID_INPUT",
            Self::PasskeyInvalid => "PASSKEY_INVALID",
            Self::AlreadyRegistered => "PASSKEY_ALREADY_REGISTERED",
            Self::MethodDisabled => "METHOD_DISABLED",
        }
    }
}

/// Adds it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let name = match &input.name {
        Some(typed) => passkey::name(typed).ok_or(Failure::Refused(Refusal::NameInvalid))?.to_owned(),
        None => Device::from_user_agent(caller.user_agent.as_deref()).name.chars().take(passkey::LONGEST_NAME).collect(),
    };
    let (why, ended) = match check(app, me, &input.credential, now).await {
        Ok((waiting, new)) => (None, add(app, caller, me, (waiting, new, name), now).await),
        Err((why, failure)) => (why, Err(failure)),
    };
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("passkey_added", Category::Security, Some(me.live.user.id), refusal.code());
        let entry = entry.in_session(me.live.session.id).with(json!({ "reason": why.map(Rejected::name) }));
        change::record(app, caller, vec![entry], now).await?;
    }
    ended
}

async fn check(
    app: &App,
    me: &SignedIn,
    credential: &Value,
    now: Timestamp,
) -> Result<(Waiting, NewPasskey), (Option<Rejected>, Failure<Refusal>)> {
    let refused = |why, refusal| (why, Failure::Refused(refusal));
    let relying_party = app.relying_party.as_ref().ok_or_else(|| refused(None, Refusal::MethodDisabled))?;
    let taken = app.store.take(&key_of(me.live.session.id), now).await.map_err(|away| (None, away.into()))?;
    let waiting: Option<Waiting> = taken.and_then(|record| serde_json::from_slice(&record).ok());
    let waiting = waiting.ok_or_else(|| refused(None, Refusal::PasskeyInvalid))?;
    match relying_party.finish_registration(credential, &waiting.challenge) {
        Ok(new) => Ok((waiting, new)),
        Err(rejected) => Err(refused(Some(rejected), Refusal::PasskeyInvalid)),
    }
}

async fn add(
    app: &App,
    caller: &Caller,
    me: &SignedIn,
    (waiting, new, name): (Waiting, NewPasskey, String),
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    if passkeys::count_of_user(change.db(), user.id).await? >= MOST_PASSKEYS {
        return Err(Failure::Refused(Refusal::MethodDisabled));
    }
    let ends_at = Timestamp::from_millis(waiting.expires_at);
    if !spent_tokens::consume(change.db(), "passkey_registration", &waiting.id.to_string(), ends_at).await? {
        return Err(Failure::Refused(Refusal::PasskeyInvalid));
    }
    let passkey = passkey_credentials::Model {
        id: app.entropy.uuid(now),
        user_id: user.id,
        credential_id: new.credential_id,
        public_key: new.public_key,
        counter: i64::from(new.counter),
        device_type: if new.backup_eligible { DeviceType::MultiDevice } else { DeviceType::SingleDevice },
        backed_up: new.backed_up,
        transports: json!(new.transports),
        name,
        last_used_at: None,
        created_at: now,
        updated_at: now,
    };
    passkeys::insert(change.db(), passkey.clone()).await.map_err(|error| {
        if error.is_conflict_on("passkey_credentials", "credential_id") {
            Failure::Refused(Refusal::AlreadyRegistered)
        } else {
            error.into()
        }
    })?;
    known_devices::revoke_trust(change.db(), user.id).await?;
    for message in notify::all_contacts(app, caller, &user, &Template::PasskeyAdded(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    change.tell(Kind::PasskeyChanged, user.id);
    let entry = Entry::success("passkey_added", Category::Security, Some(user.id)).in_session(me.live.session.id);
    change.audit(entry.with(json!({ "passkeyId": passkey.id, "backupEligible": new.backup_eligible })));
    change.commit().await?;
    Ok(Outcome { passkey, user })
}
