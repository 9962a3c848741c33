//! Sends a code, by e-mail also a link, for a new password. The answer is the same whether or not the contact has an account; the account
//! itself is as before, and every attempt is kept.

use entity::{link_tokens, password_reset_attempts, user_audit_log::Category};
use serde_json::json;

use super::{
    ask_for_code::{self, Asked, Outcome, Refusal},
    caller::Caller,
    change::Change,
    even_time,
    failure::Failure,
    send_code::{self, LinkOf},
    sign_up::{self, ContactInput},
};
use crate::{
    app::App,
    clock::Timestamp,
    ephemeral::challenges::Purpose,
    outbound::message::Template,
    storage::{audit::Entry, password_reset_attempts as attempts},
};

/// Sends it.
pub async fn run(app: &App, caller: &Caller, contact: &ContactInput) -> Result<Outcome, Failure<Refusal>> {
    even_time::of(Box::pin(ask(app, caller, contact))).await
}

async fn ask(app: &App, caller: &Caller, contact: &ContactInput) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let asked = ask_for_code::run(app, caller, contact, now).await?;
    let attempt = password_reset_attempts::Model {
        id: app.entropy.uuid(now),
        user_id: asked.owner.as_ref().map(|user| user.id),
        contact: asked.contact.as_str().to_owned(),
        ip_address: Some(caller.ip.to_string()),
        user_agent: caller.user_agent.clone(),
        token_generated: asked.owner.is_some(),
        success: false,
        created_at: now,
        updated_at: now,
    };
    let sent = send(app, caller, &asked, attempt.clone(), now).await;
    if let Err(Failure::RateLimited { .. }) = &sent {
        // It was an attempt all the same. Those that an address makes too often are not kept: they would fill the table.
        let attempt = password_reset_attempts::Model { token_generated: false, ..attempt };
        attempts::insert(app.database.write(), attempt).await?;
    }
    sent
}

async fn send(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    attempt: password_reset_attempts::Model,
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    asked.take_send(app, caller, now).await?;
    let (device_token, device_hash) = sign_up::device(app, caller);
    let attempt_id = attempt.id;
    let (challenge, secrets) = asked.challenge(app, Purpose::PasswordReset, Some(attempt_id), now);
    app.challenges.create(&challenge, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &challenge.contact).await?;
    attempts::insert(change.db(), attempt).await?;
    let link_of = LinkOf::Account {
        user_id: challenge.user_id,
        purpose: link_tokens::Purpose::PasswordReset,
        device_hash: Some(device_hash),
        reset_attempt_id: Some(attempt_id),
        expires_at: now + app.config.links.password_reset_ttl,
    };
    let letter = asked.letter(app, caller, Template::PasswordReset { challenge_id: challenge.id });
    send_code::run(app, &mut change, &challenge, secrets, link_of, letter).await?;
    let mut entry =
        Entry::success("password_reset", Category::Security, challenge.user_id).with(json!({ "channel": challenge.channel.as_str() }));
    entry.status = entity::user_audit_log::Status::Pending;
    entry.actor_user_id = None;
    change.audit(entry);
    change.commit().await?;
    Ok(Outcome { challenge, device_token })
}
