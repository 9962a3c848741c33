//! Proves a contact of an account that exists: with the code, from the account's own session.
//!
//! It wipes nothing, for whoever is signed in has proved both: that the account is theirs, and the contact. Others who hold it without a proof lose it.

use entity::{Channel, account_events::Kind, link_tokens::Purpose as LinkPurpose, user_audit_log::Category, users};
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::{Caller, SignedIn},
    change::{self, Change},
    check_code::{self, Budget},
    confirm_contact_change::{Input, Refusal},
    failure::Failure,
    hold_account,
    release_contact::{self, Holders},
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::{
        challenges::{AFTERLIFE, Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    storage::{
        audit::Entry,
        link_tokens, spent_tokens, user_contacts,
        users::{self as storage, counts_proof_since},
    },
};

/// Proves it; returns the account as it is now.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = confirm(app, caller, me, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("contact_verification", Category::Account, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn confirm(app: &App, caller: &Caller, me: &SignedIn, input: Input, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let found = check_code::find(app, &input.challenge_id, Purpose::ContactVerification, now).await;
    let challenge = found.map_err(|failure| failure.map(Refusal::from))?;
    if challenge.user_id != Some(me.live.user.id) {
        return Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: None }));
    }
    let checked = check_code::run(app, challenge, &input.code, Budget::Own(me.live.user.id), now).await;
    let challenge = checked.map_err(|failure| failure.map(Refusal::from))?;
    match write(app, caller, me, &challenge, now).await {
        Ok(user) => {
            // The spent token has the last word; this lets other tabs see that it is done.
            let _ = app.challenges.finish(challenge.id, now).await;
            Ok(user)
        }
        Err(failure) => {
            // Only a success uses the code up: what went wrong was not the code.
            let _ = app.challenges.give_back(challenge.id, now).await;
            Err(failure)
        }
    }
}

async fn write(app: &App, caller: &Caller, me: &SignedIn, challenge: &Challenge, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let stale = || Failure::Refused(Refusal::CodeInvalid { attempts_left: None });
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, Some(&challenge.contact)).await?;
    if !counts_proof_since(&user, challenge.created_at) {
        return Err(stale());
    }
    if !spent_tokens::consume(change.db(), "challenge", &challenge.id.to_string(), challenge.expires_at + AFTERLIFE).await? {
        return Err(stale());
    }
    prove(&mut change, user.id, (challenge.channel, &challenge.contact), Holders::Keep).await?;
    let entry = Entry::success("contact_verification", Category::Account, Some(user.id))
        .in_session(me.live.session.id)
        .with(json!({ "channel": challenge.channel.as_str() }));
    change.audit(entry);
    let user = storage::find_by_id(change.db(), user.id).await?.ok_or_else(stale)?;
    change.commit().await?;
    Ok(user)
}

/// Marks a contact of an account as proved, inside a change, and takes it from others who hold it without a proof.
pub async fn prove(
    change: &mut Change<'_>,
    user_id: Uuid,
    (channel, contact): (Channel, &str),
    holders: Holders,
) -> Result<(), Failure<Refusal>> {
    let proved = user_contacts::verify(change.db(), user_id, (channel, contact), change.now).await.map_err(Refusal::of_conflict)?;
    if !proved {
        // The account has another one by now, or has proved it already.
        return Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: None }));
    }
    release_contact::run(change, (channel, contact), user_id, holders).await?;
    link_tokens::consume_all_of_user(change.db(), user_id, &[LinkPurpose::EmailVerification], change.now).await?;
    change.tell(if channel == Channel::Email { Kind::EmailVerified } else { Kind::PhoneVerified }, user_id);
    Ok(())
}
