//! Sends a code, by e-mail also a link, that signs in. The answer is the same whether or not the contact has an account.

use entity::{link_tokens, user_audit_log::Category};
use serde_json::json;

use super::{
    ask_for_code::{self, Outcome, Refusal},
    caller::Caller,
    change::Change,
    even_time,
    failure::Failure,
    send_code::{self, LinkOf},
    sign_up::{self, ContactInput},
};
use crate::{app::App, ephemeral::challenges::Purpose, outbound::message::Template, storage::audit::Entry};

/// Sends it.
pub async fn run(app: &App, caller: &Caller, contact: &ContactInput) -> Result<Outcome, Failure<Refusal>> {
    even_time::of(Box::pin(send(app, caller, contact))).await
}

async fn send(app: &App, caller: &Caller, contact: &ContactInput) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let asked = ask_for_code::run(app, caller, contact, now).await?;
    asked.take_send(app, caller, now).await?;
    let (device_token, device_hash) = sign_up::device(app, caller);
    let (challenge, secrets) = asked.challenge(app, Purpose::SignIn, None, now);
    app.challenges.create(&challenge, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &challenge.contact).await?;
    let link_of = LinkOf::Account {
        user_id: challenge.user_id,
        purpose: link_tokens::Purpose::MagicLink,
        device_hash: Some(device_hash),
        reset_attempt_id: None,
        expires_at: now + app.config.links.sign_in_ttl,
    };
    let letter = asked.letter(app, caller, Template::SignInCode { challenge_id: challenge.id });
    send_code::run(app, &mut change, &challenge, secrets, link_of, letter).await?;
    let mut entry = Entry::success("login", Category::Authentication, challenge.user_id)
        .with(json!({ "channel": challenge.channel.as_str(), "codeSent": true }));
    entry.status = entity::user_audit_log::Status::Pending;
    entry.actor_user_id = None;
    change.audit(entry);
    change.commit().await?;
    Ok(Outcome { challenge, device_token })
}
