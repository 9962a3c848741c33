//! Changes the password of the signed-in user. Every other session, every trust in a device and whatever was sent before to prove a contact ends.

use entity::{account_events::Kind, user_audit_log::Category, users};
use uuid::Uuid;

use super::{
    caller::Caller, change::Change, failure::Failure, notify, prove_password::Proof, reauthenticate, revoke_sessions,
    sign_up::judge_password, void_proofs,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::password::{Password, PasswordRefusal, Weakness},
    ephemeral::rate_limits::{Rule, ip_subject},
    outbound::message::Template,
    storage::{attempt_counters, audit::Entry, error::StorageError, known_devices, sessions::Which, users as storage},
};

/// What is typed.
pub struct Input {
    /// The one that holds.
    pub current: String,
    /// The one that shall hold.
    pub new: String,
}

/// A changed password.
pub struct Outcome {
    /// The account as it is now.
    pub user: users::Model,
    /// The sessions that it ended.
    pub revoked: Vec<Uuid>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the current password.
    CredentialsInvalid,
    /// Too many wrong ones.
    Locked {
        /// When it ends.
        until: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
    /// The new one is too short or too long.
    Password(PasswordRefusal),
    /// The new one is too easily guessed.
    Weak(Weakness),
    /// The new one is the current one.
    Unchanged,
}

/// Changes it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let rules = &app.config.passwords;
    let new =
        Password::parse(&input.new, rules.min_length, rules.max_length).map_err(|refusal| Failure::Refused(Refusal::Password(refusal)))?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let counter = match reauthenticate::prove(app, caller, me, &input.current, "password_change", now).await? {
        Proof::Right { counter, .. } => counter,
        Proof::Wrong => return Err(Failure::Refused(Refusal::CredentialsInvalid)),
        Proof::Locked { until } => return Err(Failure::Refused(Refusal::Locked { until, now })),
    };
    attempt_counters::clear(app.database.write(), counter.counted().kind, counter.counted().key).await?;
    let user = storage::find_by_id(app.database.read(), me.live.user.id).await?.ok_or(Failure::Refused(Refusal::CredentialsInvalid))?;
    let old_hash = user.password_hash.clone().ok_or(Failure::Refused(Refusal::CredentialsInvalid))?;
    if Password::parse(&input.current, 1, rules.max_length).is_ok_and(|current| current == new) {
        return Err(Failure::Refused(Refusal::Unchanged));
    }
    if let Some(weakness) = judge_password(app, new.clone(), personal_words(&user)).await? {
        return Err(Failure::Refused(Refusal::Weak(weakness)));
    }
    let new_hash = app.passwords.hash(new).await?;
    let mut change = Change::begin(app, caller, now).await?;
    if !storage::change_password(change.db(), user.id, &old_hash, &new_hash, now).await? {
        // Somebody else changed or reset it meanwhile: what was proved no longer holds.
        return Err(Failure::Refused(Refusal::CredentialsInvalid));
    }
    let revoked = revoke_sessions::end(&mut change, me, Which::AllOfBut(user.id, me.live.session.id), "password changed").await?;
    change.audit(Entry::success("password_change", Category::Security, Some(user.id)).in_session(me.live.session.id));
    let challenges = tell_changed(app, caller, &mut change, &user).await?;
    change.commit().await?;
    void_proofs::show(app, challenges, now).await;
    Ok(Outcome { user: with_password(user, new_hash, now), revoked })
}

/// What goes with every new password, besides the sessions: trust in devices ends and whatever was sent before, and the owner is told. `user` is the
/// account as it was. Returns the challenges that are over.
pub async fn tell_changed(app: &App, caller: &Caller, change: &mut Change<'_>, user: &users::Model) -> Result<Vec<Uuid>, StorageError> {
    let now = change.now;
    known_devices::revoke_trust(change.db(), user.id).await?;
    let challenges = void_proofs::run(app, change, user).await?;
    change.tell(Kind::PasswordChanged, user.id);
    for message in notify::all_contacts(app, caller, user, &Template::PasswordChanged(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    Ok(challenges)
}

/// The account as it is after the change.
pub fn with_password(user: users::Model, hash: String, now: Timestamp) -> users::Model {
    users::Model {
        password_hash: Some(hash),
        last_password_change_at: Some(now),
        updated_at: now,
        version: user.version + 1,
        pending_email: None,
        pending_email_expires_at: None,
        pending_email_challenge_id: None,
        pending_phone: None,
        pending_phone_expires_at: None,
        pending_phone_challenge_id: None,
        proofs_void_before: Some(now),
        ..user
    }
}

/// What must not make a password.
pub fn personal_words(user: &users::Model) -> Vec<String> {
    let words = [&user.email, &user.phone, &user.username, &user.display_name, &user.full_name, &user.first_name, &user.last_name];
    words.into_iter().flatten().cloned().collect()
}
