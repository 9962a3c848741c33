//! Proves the address of an account that exists, with the token of the link that the account asked for.
//!
//! In the browser that asked, in the account's own session, or with the account's password it wipes nothing. Elsewhere whoever opens the link
//! owns the address, and perhaps not the account: one that has proved nothing else loses its password, its devices and its sessions; one that
//! has is not given away, and the password is asked for.

use entity::{Channel, link_tokens, user_audit_log::Category, user_sessions::Actor, users};
use serde_json::json;

use super::{
    caller::Caller,
    change::Change,
    confirm_contact, confirm_contact_change,
    failure::Failure,
    hold_account,
    lockout::Subject,
    prove_password::{self, Attempt, Proof},
    release_contact,
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
        link_tokens as storage,
        sessions::{self, Ending, Which},
        spent_tokens, user_contacts, users as user_storage,
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
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    if link.used_at.is_some() {
        return Err(invalid());
    }
    if link.expires_at <= now {
        return Err(Failure::Refused(Refusal::TokenExpired));
    }
    let user_id = link.user_id.ok_or_else(invalid)?;
    let user = user_storage::find_by_id(app.database.read(), user_id).await?;
    let user = user.filter(|user| user.status == users::Status::Active).ok_or_else(invalid)?;
    let effect = judge(app, caller, &user, &link, typed, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    hold_account::lock(&change, user_id).await?;
    change.lock("contact", &link.contact).await?;
    if !storage::consume(change.db(), &link.token_hash, link.purpose, now).await? {
        return Err(invalid());
    }
    if let Some(challenge_id) = link.challenge_id {
        let ends = now + app.config.sign_up.pending_ttl + AFTERLIFE;
        if !spent_tokens::consume(change.db(), "challenge", &challenge_id.to_string(), ends).await? {
            return Err(invalid());
        }
    }
    let proved = confirm_contact::prove(&mut change, user_id, (Channel::Email, &link.contact)).await;
    proved.map_err(|failure| {
        failure.map(|refusal| match refusal {
            confirm_contact_change::Refusal::Taken(_) => Refusal::EmailTaken,
            _ => Refusal::TokenInvalid,
        })
    })?;
    let wiped = matches!(effect, Effect::Wipes);
    if wiped {
        wipe(&mut change, user_id).await?;
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
    let Some(typed) = typed else {
        let stays_theirs = release_contact::has_another_proof(user, Channel::Email);
        return if stays_theirs { Err(Failure::Refused(Refusal::CredentialsInvalid)) } else { Ok(Effect::Wipes) };
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

/// Takes everything out of an account that somebody without a proof had set up.
async fn wipe(change: &mut Change<'_>, user_id: uuid::Uuid) -> Result<(), Failure<Refusal>> {
    let now = change.now;
    user_contacts::wipe_proofs(change.db(), user_id, now).await?;
    let ending = Ending { by: Actor::Security, reason: "contact proved elsewhere", suspicious: false };
    for session_id in sessions::revoke(change.db(), Which::AllOf(user_id), ending, now).await? {
        change.tell_session(entity::account_events::Kind::SessionRevoked, user_id, session_id);
    }
    Ok(())
}
