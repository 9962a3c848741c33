//! Sets a new password with the link or the code of a reset, or the link of an invitation. It signs nobody in.
//!
//! 1. Link or code must be right; the code is counted before it is checked.
//! 2. Only then the new password is judged, and whether the account may be used is told. Neither uses anything up.
//! 3. One change: the contact of an invitation proved, which wipes nothing, the password, the proof spent, and the end of every session, trust, link and lock. Of many at once one succeeds.

use entity::{Channel, account_events::Kind, user_audit_log::Category, user_sessions::Actor, users};
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::Caller,
    change::{self, Change},
    change_password::{personal_words, tell_changed},
    even_time,
    failure::Failure,
    lockout,
    proof::{self, Proof},
    release_contact::{self, Holders},
    revoke_sessions,
    sign_in::{self, refused_by_status},
    sign_up::judge_password,
    void_proofs,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::password::{Password, PasswordRefusal, Weakness},
    ephemeral::{
        challenges::Purpose,
        rate_limits::{Rule, ip_subject},
    },
    storage::{
        attempt_counters,
        audit::Entry,
        password_reset_attempts as attempts,
        sessions::{Ending, Which},
        user_contacts, users as storage,
    },
};

/// By what.
pub enum Given {
    /// The token of the link.
    Token(String),
    /// The code.
    Code {
        /// As `requestPasswordReset` gave it.
        challenge_id: String,
        /// As typed.
        code: String,
    },
}

/// What is typed.
pub struct Input {
    /// By what.
    pub proof: Given,
    /// The password that shall hold.
    pub new_password: String,
}

/// A new password.
pub struct Outcome {
    /// The sessions that it ended.
    pub revoked: Vec<Uuid>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Link or code is none.
    Proof(proof::Refusal),
    /// It was right, but the account may not be used.
    Account(sign_in::Refusal),
    /// It was right, but another account has proved the contact meanwhile.
    Taken(Channel),
    /// The new password is too short or too long.
    Password(PasswordRefusal),
    /// It is too easily guessed.
    Weak(Weakness),
}

impl Refusal {
    /// As the audit log has it; `None` where nothing was tried.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Proof(refusal) => Some(refusal.code()),
            Self::Account(refusal) => Some(refusal.code()),
            Self::Taken(Channel::Email) => Some("EMAIL_TAKEN"),
            Self::Taken(Channel::Sms) => Some("PHONE_TAKEN"),
            Self::Password(_) | Self::Weak(_) => None,
        }
    }
}

/// Sets it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    even_time::of(Box::pin(prove_and_reset(app, caller, input))).await
}

async fn prove_and_reset(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let rules = &app.config.passwords;
    let new = Password::parse(&input.new_password, rules.min_length, rules.max_length)
        .map_err(|refusal| Failure::Refused(Refusal::Password(refusal)))?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let (user_id, ended) = match check(app, caller, input.proof, now).await {
        Ok(proof) => {
            let ended = reset(app, caller, &proof, new, now).await;
            match &ended {
                Ok(_) => proof.finish(app, now).await,
                Err(Failure::Refused(Refusal::Proof(_))) => {}
                Err(_) => proof.give_back(app, now).await,
            }
            (proof.user_id(), ended)
        }
        Err((user_id, failure)) => (user_id, Err(failure.map(Refusal::Proof))),
    };
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        change::record(app, caller, vec![Entry::failure("password_reset", Category::Security, user_id, code)], now).await?;
    }
    ended
}

async fn check(app: &App, caller: &Caller, given: Given, now: Timestamp) -> Result<Proof, (Option<Uuid>, Failure<proof::Refusal>)> {
    match given {
        Given::Token(token) => {
            let link = proof::find_password_link(app, &token, now).await;
            link.map(Proof::Link).map_err(|failure| (None, failure))
        }
        Given::Code { challenge_id, code } => proof::check(app, caller, (&challenge_id, &code), Purpose::PasswordReset, now).await,
    }
}

async fn reset(app: &App, caller: &Caller, proof: &Proof, new: Password, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let gone = || Failure::Refused(Refusal::Proof(proof.gone()));
    let user = storage::find_by_id(app.database.read(), proof.user_id().unwrap_or_default()).await?;
    let user = user.filter(|user| proof.speaks_for(user)).ok_or_else(gone)?;
    if let Some(refusal) = refused_by_status(user.status) {
        return Err(Failure::Refused(Refusal::Account(refusal)));
    }
    if let Some(weakness) = judge_password(app, new.clone(), personal_words(&user)).await? {
        return Err(Failure::Refused(Refusal::Weak(weakness)));
    }
    let hash = app.passwords.hash(new).await?;
    let mut change = Change::begin(app, caller, now).await?;
    if proof.is_invitation() {
        accept(&mut change, user.id, proof).await?;
    }
    // The account first: every flow takes its row before the tokens, so that no two wait for each other.
    if !storage::reset_password(change.db(), user.id, proof.contact(), &hash, now).await? || !proof.spend(app, &change).await? {
        return Err(gone());
    }
    change.lock("sessions", &user.id.simple().to_string()).await?;
    let ending = Ending { by: Actor::User, reason: "password reset", suspicious: false };
    let revoked = revoke_sessions::end_for_owner(&mut change, user.id, Which::AllOf(user.id), ending).await?;
    let challenges = tell_changed(app, caller, &mut change, &user).await?;
    unlock(app, &mut change, &user).await?;
    if let Some(attempt) = attempt_of(proof) {
        attempts::mark_success(change.db(), attempt).await?;
    }
    change.audit(Entry::success("password_reset", Category::Security, Some(user.id)).with(json!({ "invitation": proof.is_invitation() })));
    change.commit().await?;
    void_proofs::show(app, challenges, now).await;
    Ok(Outcome { revoked })
}

/// Proves the contact that an invitation went to, where that is not done. Others who hold it without a proof lose it, and nothing else.
async fn accept(change: &mut Change<'_>, user_id: Uuid, proof: &Proof) -> Result<(), Failure<Refusal>> {
    let contact = (proof.contact().channel, proof.contact().contact);
    change.lock("contact", contact.1).await?;
    let proved = user_contacts::verify(change.db(), user_id, contact, change.now).await.map_err(|error| {
        if error.is_conflict_on("users", "email") || error.is_conflict_on("users", "phone") {
            Failure::Refused(Refusal::Taken(contact.0))
        } else {
            error.into()
        }
    })?;
    if proved {
        release_contact::run(change, contact, user_id, Holders::Keep).await?;
        change.tell(if contact.0 == Channel::Email { Kind::EmailVerified } else { Kind::PhoneVerified }, user_id);
        let metadata = json!({ "channel": contact.0.as_str(), "invitation": true });
        change.audit(Entry::success("contact_verification", Category::Account, Some(user_id)).with(metadata));
    }
    Ok(())
}

/// Ends a lockout in a change: every failure is forgotten, and who listens is told if there was a lock. Says whether there was.
pub async fn unlock<R>(app: &App, change: &mut Change<'_>, user: &users::Model) -> Result<bool, Failure<R>> {
    let counter = attempt_counters::find(change.db(), lockout::PASSWORD, &lockout::account_key(app, user.id)).await?;
    let most = lockout::password_policy(&app.config).in_a_row;
    let was_locked = counter.is_some_and(|counter| counter.total >= most || counter.locked_until.is_some_and(|until| until > change.now));
    attempt_counters::clear_all_of_user(change.db(), lockout::PASSWORD, user.id).await?;
    if was_locked {
        change.tell(Kind::Unlocked, user.id);
        change.audit(Entry::success("account_unlocked", Category::Security, Some(user.id)));
    }
    Ok(was_locked)
}

const fn attempt_of(proof: &Proof) -> Option<Uuid> {
    match proof {
        Proof::Code(challenge) => challenge.subject,
        Proof::Link(link) => link.reset_attempt_id,
    }
}
