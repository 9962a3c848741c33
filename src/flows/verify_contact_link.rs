//! Proves the address of an account that exists, with the token of the link that the account asked for.
//!
//! In the browser that asked, in the account's own session, or with the account's password it wipes nothing. Elsewhere whoever opens the link
//! owns the address, and perhaps not the account: one that has proved nothing else loses its password, its devices and its sessions; one that
//! has is not given away: its password is asked for and, where it has none, the browser that asked or a session of the account.

use entity::{Channel, link_tokens, user_audit_log::Category, users};
use serde_json::json;

use super::{
    caller::Caller,
    change::{self, Change},
    confirm_contact, confirm_contact_change,
    failure::Failure,
    hold_account,
    lockout::Subject,
    prove_password::{self, Attempt, Proof},
    release_contact::{self, Holders},
    verify_email::{Outcome, Refusal},
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::keyed_hash::constant_time_eq,
    domain::password::Password,
    ephemeral::{
        challenges::AFTERLIFE,
        rate_limits::{Rule, ip_subject},
    },
    storage::{
        attempt_counters,
        audit::Entry,
        link_tokens as storage, spent_tokens,
        users::{self as user_storage, counts_proof_since},
    },
};

/// What else the opening of the link does.
enum Effect {
    Keeps,
    Wipes,
}

/// Proves it.
pub async fn run(
    app: &App,
    caller: &Caller,
    link: link_tokens::Model,
    typed: Option<&str>,
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let user_id = link.user_id;
    let ended = verify(app, caller, link, typed, now).await;
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        let entry = Entry::failure("contact_verification", Category::Account, user_id, code).with(json!({ "link": true }));
        change::record(app, caller, vec![entry], now).await?;
    }
    ended
}

async fn verify(
    app: &App,
    caller: &Caller,
    link: link_tokens::Model,
    typed: Option<&str>,
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    if link.used_at.is_some() {
        return Err(invalid());
    }
    if link.expires_at <= now {
        return Err(Failure::Refused(Refusal::TokenExpired));
    }
    let user_id = link.user_id.ok_or_else(invalid)?;
    let user = user_storage::find_by_id(app.database.read(), user_id).await?;
    let counts = |user: &users::Model| user.status == users::Status::Active && counts_proof_since(user, link.created_at);
    let user = user.filter(counts).ok_or_else(invalid)?;
    let effect = judge(app, caller, &user, &link, typed, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    hold_account::lock(&change, user_id).await?;
    change.lock("contact", &link.contact).await?;
    // Once more, now that nobody else decides on this account: a new password may have voided it meanwhile.
    user_storage::find_by_id_locked(change.db(), user_id).await?.filter(counts).ok_or_else(invalid)?;
    if !storage::consume(change.db(), &link.token_hash, link.purpose, now).await? {
        return Err(invalid());
    }
    if let Some(challenge_id) = link.challenge_id {
        let ends = now + app.config.sign_up.pending_ttl + AFTERLIFE;
        if !spent_tokens::consume(change.db(), "challenge", &challenge_id.to_string(), ends).await? {
            return Err(invalid());
        }
    }
    let holders = match effect {
        Effect::Keeps => Holders::Keep,
        Effect::Wipes => Holders::Wipe,
    };
    let proved = confirm_contact::prove(&mut change, user_id, (Channel::Email, &link.contact), holders).await;
    proved.map_err(|failure| {
        failure.map(|refusal| match refusal {
            confirm_contact_change::Refusal::Taken(_) => Refusal::EmailTaken,
            _ => Refusal::TokenInvalid,
        })
    })?;
    let wiped = matches!(effect, Effect::Wipes);
    if wiped {
        release_contact::wipe(&mut change, user_id, "contact proved elsewhere").await?;
    }
    let metadata = json!({ "channel": Channel::Email.as_str(), "link": true, "wiped": wiped });
    change.audit(Entry::success("contact_verification", Category::Account, Some(user_id)).with(metadata));
    change.commit().await?;
    if let Some(challenge_id) = link.challenge_id {
        // The spent token has the last word; this lets waiting tabs see how it ended.
        let _ = app.challenges.finish(challenge_id, now).await;
    }
    Ok(Outcome { email: link.contact, verified_at: now, password_kept: !wiped && user.password_hash.is_some() })
}

async fn judge(
    app: &App,
    caller: &Caller,
    user: &users::Model,
    link: &link_tokens::Model,
    typed: Option<&str>,
    now: Timestamp,
) -> Result<Effect, Failure<Refusal>> {
    let asked_here = match (&link.device_hash, caller.device_hash()) {
        (Some(of_link), Some(of_caller)) => constant_time_eq(of_link, &of_caller),
        _ => false,
    };
    if asked_here || caller.signed_in().is_ok_and(|me| me.live.user.id == user.id) {
        return Ok(Effect::Keeps);
    }
    let (Some(typed), true) = (typed, user.password_hash.is_some()) else {
        return match stands_in_the_way(user) {
            Some(refusal) => Err(Failure::Refused(refusal)),
            None => Ok(Effect::Wipes),
        };
    };
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let password = Password::parse(typed, 1, app.config.passwords.max_length).ok();
    let attempt = Attempt { subject: Subject::Account(user), password: password.as_ref(), event_type: "login" };
    match prove_password::run(app, caller, attempt, now).await? {
        Proof::Right { counter, .. } => {
            attempt_counters::clear(app.database.write(), counter.counted().kind, counter.counted().key).await?;
            Ok(Effect::Keeps)
        }
        Proof::Wrong => Err(Failure::Refused(Refusal::CredentialsInvalid)),
        Proof::Locked { until } => Err(Failure::Refused(Refusal::Locked { until, now })),
    }
}

/// Why nobody who opens the link without more may prove the address of this account, if they may not: it is somebody's who has proved another
/// contact.
pub fn stands_in_the_way(user: &users::Model) -> Option<Refusal> {
    match (release_contact::has_another_proof(user, Channel::Email), user.password_hash.is_some()) {
        (false, _) => None,
        (true, true) => Some(Refusal::PasswordRequired),
        (true, false) => Some(Refusal::SessionRequired),
    }
}
