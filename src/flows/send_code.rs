//! Sends a code for a challenge, in the caller's change: a keyed hash goes to the challenge, the code itself only, sealed, to the message.

use entity::{
    Channel, Timestamp,
    link_tokens::{self, Purpose},
};
use uuid::Uuid;

use super::{change::Change, failure::Failure};
use crate::{
    app::App,
    crypto::{keyed_hash, opaque_token::OpaqueToken},
    domain::code::{CODES, Code},
    ephemeral::challenges::Challenge,
    outbound::message::{Delivery, MessageSecret, NewMessage, Template},
    storage::link_tokens as storage,
};

/// A code and, by e-mail, the token of a link.
pub struct Secrets {
    code: Code,
    link: Option<OpaqueToken>,
}

/// Whether the code can ever be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// For the owner of the contact.
    Really,
    /// The contact is not what it was given for: nothing matches, and nothing arrives.
    AsDecoy,
}

impl Secrets {
    /// Draws them.
    pub fn draw(app: &App, channel: Channel) -> Self {
        let link = (channel == Channel::Email).then(|| OpaqueToken::generate(&app.entropy));
        Self { code: Code::from_number(app.entropy.below(CODES)), link }
    }

    /// What the challenge keeps.
    pub fn code_hash(&self, app: &App, challenge_id: Uuid, meant: Meant) -> Option<[u8; 32]> {
        (meant == Meant::Really).then(|| keyed_hash::code_hash(&app.key_ring, challenge_id, self.code.as_str()))
    }
}

/// Which sign-up a link finishes, and until when.
pub struct LinkOf {
    /// The pending sign-up.
    pub pending_sign_up_id: Uuid,
    /// Its end.
    pub expires_at: Timestamp,
}

/// What is sent besides the secrets.
pub struct Letter {
    /// Its text.
    pub template: Template,
    /// Its language.
    pub locale: String,
    /// Whether it arrives.
    pub delivery: Delivery,
}

/// Writes the link's token and the message.
pub async fn run<R>(
    app: &App,
    change: &mut Change<'_>,
    challenge: &Challenge,
    secrets: Secrets,
    link_of: LinkOf,
    letter: Letter,
) -> Result<(), Failure<R>> {
    if let Some(link) = &secrets.link {
        let row = link_tokens::Model {
            id: app.entropy.uuid(change.now),
            user_id: None,
            pending_sign_up_id: Some(link_of.pending_sign_up_id),
            purpose: Purpose::EmailVerification,
            contact: challenge.contact.clone(),
            session_id: None,
            token_hash: link.hash().to_vec(),
            expires_at: link_of.expires_at,
            used_at: None,
            created_at: change.now,
        };
        storage::insert_for_sign_up(change.db(), row).await?;
    }
    let expires_at = if secrets.link.is_some() { link_of.expires_at } else { challenge.expires_at };
    let secret = match letter.template {
        Template::SignUpContactTaken {} => MessageSecret::none(),
        _ => MessageSecret {
            code: Some(secrets.code.as_str().to_owned()),
            link_token: secrets.link.as_ref().map(|link| link.raw().to_owned()),
        },
    };
    let message = NewMessage {
        user_id: challenge.user_id,
        channel: challenge.channel,
        recipient: challenge.contact.clone(),
        template: letter.template,
        secret,
        locale: letter.locale,
        created_at: change.now,
        expires_at,
        delivery: letter.delivery,
    };
    change.send(message).await?;
    Ok(())
}
