//! Checks a password the way every flow must.
//!
//! 1. Wait while too many others are checked for the same account, so that right ones cannot lock it.
//! 2. Count the attempt, unless its counter is locked: nothing is hashed then.
//! 3. Hash, also where there is no account or it has no password: that costs the same time.
//! 4. Wrong: the attempt stays counted; the one that locked the account is told to its owner. Right: the counter is cleared.

use entity::{Timestamp, account_events::Kind, link_tokens::Purpose, user_audit_log::Category, users};

use super::{
    assess_risk,
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    lockout::{self, PasswordCounter, Subject},
    notify::{self, NoticeLink},
};
use crate::{
    app::App,
    crypto::password_hash::{Overloaded, Verdict},
    domain::password::Password,
    outbound::message::Template,
    storage::{
        attempt_counters::{self, Reservation},
        audit::Entry,
    },
};

/// What came of it.
pub enum Proof {
    /// It is the password. The counter still holds the attempt: clear it in the change that follows.
    Right {
        /// To be cleared.
        counter: PasswordCounter,
        /// Whether it should be hashed anew.
        rehash: bool,
        /// Whether wrong ones came shortly before, more than slips.
        failed_before: bool,
    },
    /// It is not; audited.
    Wrong,
    /// Not tried; audited.
    Locked {
        /// When it may be tried again.
        until: Timestamp,
    },
}

/// Whose password, and for what.
pub struct Attempt<'a> {
    /// Whose counter.
    pub subject: Subject<'a>,
    /// What was typed; `None` where it cannot be a password of ours at all.
    pub password: Option<&'a Password>,
    /// Name of the audit event, for example `login`.
    pub event_type: &'static str,
}

/// Checks the password of an account; for a subject without one it does the same work.
pub async fn run<R>(app: &App, caller: &Caller, attempt: Attempt<'_>, now: Timestamp) -> Result<Proof, Failure<R>> {
    let hash = account_of(attempt.subject).and_then(|user| user.password_hash.as_deref());
    guess(app, caller, Guess { subject: attempt.subject, hash, password: attempt.password, event_type: attempt.event_type }, now).await
}

/// A password that is compared with a hash which need not be an account's.
pub struct Guess<'a> {
    /// Whose counter.
    pub subject: Subject<'a>,
    /// What it is compared with; `None` where nothing matches.
    pub hash: Option<&'a str>,
    /// What was typed; `None` where it cannot be a password of ours at all.
    pub password: Option<&'a Password>,
    /// Name of the audit event.
    pub event_type: &'static str,
}

const fn account_of(subject: Subject<'_>) -> Option<&users::Model> {
    match subject {
        Subject::Account(user) | Subject::Device(user, _) => Some(user),
        Subject::Nobody(_) => None,
    }
}

/// Checks it.
pub async fn guess<R>(app: &App, caller: &Caller, attempt: Guess<'_>, now: Timestamp) -> Result<Proof, Failure<R>> {
    let user = account_of(attempt.subject);
    let counter = PasswordCounter::of(app, attempt.subject).enter(app).await?;
    let policy = lockout::password_policy(&app.config);
    let id = app.entropy.uuid(now);
    let row = match attempt_counters::reserve(app.database.write(), &counter.counted(), &policy, id, now).await? {
        Reservation::Reserved(row) => row,
        Reservation::Locked { until } => {
            change::record(app, caller, vec![failed(&attempt, user, "ACCOUNT_LOCKED")], now).await?;
            return Ok(Proof::Locked { until });
        }
    };
    let verdict = match attempt.password {
        Some(password) => match verify(app, password, attempt.hash).await {
            Ok(verdict) => verdict,
            Err(overloaded) => {
                attempt_counters::give_back(app.database.write(), &counter.counted(), now).await?;
                return Err(overloaded.into());
            }
        },
        None => Verdict::Wrong,
    };
    match verdict {
        Verdict::Right { rehash } => {
            let enough = assess_risk::enough_failures(&app.config);
            let failed_before = attempt_counters::failed_before(&row, enough, now - app.config.lockout.window);
            Ok(Proof::Right { counter, rehash, failed_before })
        }
        Verdict::Wrong => {
            let mut change = Change::begin(app, caller, now).await?;
            change.audit(failed(&attempt, user, "CREDENTIALS_INVALID"));
            if let Some(until) = row.locked_until {
                tell_locked(app, caller, &mut change, &attempt, (user, until)).await?;
            }
            change.commit().await?;
            Ok(Proof::Wrong)
        }
    }
}

/// A text that is not in NFKC is tried as it was typed too: an imported hash may be made of that. Whose hash it is makes no difference in time.
async fn verify(app: &App, password: &Password, hash: Option<&str>) -> Result<Verdict, Overloaded> {
    let verdict = app.passwords.verify(password.clone(), hash.map(str::to_owned)).await?;
    match (verdict, password.as_typed()) {
        (Verdict::Wrong, Some(typed)) => {
            let typed = zeroize::Zeroizing::new(typed.as_bytes().to_vec());
            app.passwords.verify(typed, hash.map(str::to_owned)).await
        }
        (verdict, _) => Ok(verdict),
    }
}

fn failed(attempt: &Guess<'_>, user: Option<&users::Model>, code: &'static str) -> Entry {
    Entry::failure(attempt.event_type, Category::Authentication, user.map(|user| user.id), code)
}

async fn tell_locked<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    attempt: &Guess<'_>,
    (user, until): (Option<&users::Model>, Timestamp),
) -> Result<(), Failure<R>> {
    let mut entry = Entry::failure("account_locked", Category::Security, user.map(|user| user.id), "ACCOUNT_LOCKED");
    entry.actor = entity::user_sessions::Actor::Security;
    entry.metadata = serde_json::json!({ "until": until.to_string() });
    change.audit(entry);
    // What locks one device alone is nothing that the account's owner has to act on.
    if let (Some(user), Subject::Account(_)) = (user, attempt.subject) {
        change.tell(Kind::Locked, user.id);
        let link = NoticeLink { purpose: Purpose::Unlock, session_id: None, expires_at: change.now + app.config.links.unlock_ttl };
        notify::first_contact_with_link(app, caller, change, (user, Template::AccountLocked { until }), link).await?;
    }
    Ok(())
}
