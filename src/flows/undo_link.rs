//! Writes the message to an address that is being given up, with the link that stops or undoes that.

use entity::{
    Channel, Timestamp,
    link_tokens::{self, Purpose},
    users,
};
use uuid::Uuid;

use super::{caller::Caller, change::Change, notify};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    outbound::message::{Delivery, MessageSecret, NewMessage, Template},
    storage::{email_change_links, error::StorageError},
};

/// To whom, about what.
pub struct Notice<'a> {
    /// The account.
    pub user: &'a users::Model,
    /// The address that it is being moved away from.
    pub address: &'a str,
    /// The challenge of the change.
    pub challenge_id: Uuid,
    /// What the message says.
    pub template: Template,
    /// How long the link counts.
    pub expires_at: Timestamp,
}

/// Writes the row of the link and the message.
pub async fn send(app: &App, caller: &Caller, change: &mut Change<'_>, notice: Notice<'_>) -> Result<(), StorageError> {
    let token = OpaqueToken::generate(&app.entropy);
    let row = link_tokens::Model {
        id: app.entropy.uuid(change.now),
        user_id: Some(notice.user.id),
        pending_sign_up_id: None,
        purpose: Purpose::EmailChangeUndo,
        contact: notice.address.to_owned(),
        session_id: None,
        token_hash: token.hash().to_vec(),
        expires_at: notice.expires_at,
        used_at: None,
        created_at: change.now,
        challenge_id: Some(notice.challenge_id),
        reset_attempt_id: None,
        device_hash: None,
    };
    email_change_links::insert(change.db(), row).await?;
    let message = NewMessage {
        user_id: Some(notice.user.id),
        channel: Channel::Email,
        recipient: notice.address.to_owned(),
        template: notice.template,
        secret: MessageSecret { code: None, link_token: Some(token.raw().to_owned()) },
        locale: notify::locale(app, caller, Some(notice.user)),
        created_at: change.now,
        expires_at: change.now + notify::NOTICE_TTL,
        delivery: Delivery::Send,
    };
    change.send(message);
    Ok(())
}
