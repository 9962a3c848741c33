//! Sends a code for a challenge, in the caller's change: a keyed hash goes to the challenge, the code itself only, sealed, to the message.

use entity::{
    Channel, Timestamp,
    link_tokens::{self, Purpose},
};
use uuid::Uuid;

use super::{change::Change, check_code::Budget, failure::Failure, limit_sms};
use crate::{
    app::App,
    crypto::{keyed_hash, opaque_token::OpaqueToken},
    domain::{
        code::{CODES, Code},
        contact::Contact,
    },
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

/// What the link of the message is for. Each names the end of the link.
pub enum LinkOf {
    /// It finishes a sign-up.
    SignUp {
        /// The pending one.
        pending_sign_up_id: Uuid,
        /// Its end.
        expires_at: Timestamp,
    },
    /// It does for an account what the code does.
    Account {
        /// Which account; null where there is none: then the token reaches nobody.
        user_id: Option<Uuid>,
        /// What it does.
        purpose: Purpose,
        /// The browser that asked, where that matters.
        device_hash: Option<[u8; 32]>,
        /// The attempt at a reset that it belongs to.
        reset_attempt_id: Option<Uuid>,
        /// Its end.
        expires_at: Timestamp,
    },
    /// The message carries a code alone.
    None,
}

/// What is sent besides the secrets.
pub struct Letter {
    /// Its text.
    pub template: Template,
    /// Its language.
    pub locale: String,
    /// Whether it arrives.
    pub delivery: Delivery,
    /// Whose share of what text messages may cost it takes.
    pub budget: Budget,
}

/// Writes the link's token and the message. A code by text message takes its share of what these may cost.
pub async fn run<R>(
    app: &App,
    change: &mut Change<'_>,
    challenge: &Challenge,
    secrets: Secrets,
    link_of: LinkOf,
    letter: Letter,
) -> Result<(), Failure<R>> {
    if challenge.channel == Channel::Sms {
        limit_sms::take(app, change.asker(), (letter.budget, &challenge.contact), change.now).await?;
    }
    run_counted(app, change, challenge, secrets, link_of, letter).await
}

/// The same for a code that has its share already.
pub async fn run_counted<R>(
    app: &App,
    change: &mut Change<'_>,
    challenge: &Challenge,
    secrets: Secrets,
    link_of: LinkOf,
    letter: Letter,
) -> Result<(), Failure<R>> {
    let mut delivery = letter.delivery;
    if challenge.channel == Channel::Sms {
        // Flows refuse such a number before; one that was proved while its country was allowed gets nothing any more.
        if !Contact::from_canonical(&challenge.contact).is_some_and(|contact| app.reaches_contact(&contact)) {
            delivery = Delivery::Decoy;
        }
    }
    let link = secrets.link.as_ref().filter(|_| !matches!(link_of, LinkOf::None));
    let mut expires_at = challenge.expires_at;
    if let Some(link) = link {
        expires_at = store_link(app, change, challenge, link, link_of).await?;
    }
    let secret = match letter.template {
        Template::SignUpContactTaken {} | Template::EmailChangeTaken {} | Template::PhoneChangeTaken {} => MessageSecret::none(),
        _ => MessageSecret { code: Some(secrets.code.as_str().to_owned()), link_token: link.map(|link| link.raw().to_owned()) },
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
        delivery,
    };
    change.send_counted(message);
    Ok(())
}

/// Writes the row of a link; returns its end.
async fn store_link<R>(
    app: &App,
    change: &Change<'_>,
    challenge: &Challenge,
    link: &OpaqueToken,
    link_of: LinkOf,
) -> Result<Timestamp, Failure<R>> {
    let row = |purpose, expires_at| link_tokens::Model {
        id: app.entropy.uuid(change.now),
        user_id: None,
        pending_sign_up_id: None,
        purpose,
        contact: challenge.contact.clone(),
        session_id: None,
        token_hash: link.hash().to_vec(),
        expires_at,
        used_at: None,
        created_at: change.now,
        challenge_id: Some(challenge.id),
        reset_attempt_id: None,
        device_hash: None,
    };
    match link_of {
        LinkOf::SignUp { pending_sign_up_id, expires_at } => {
            let row = link_tokens::Model { pending_sign_up_id: Some(pending_sign_up_id), ..row(Purpose::EmailVerification, expires_at) };
            storage::insert_for_sign_up(change.db(), row).await?;
            Ok(expires_at)
        }
        LinkOf::Account { user_id, purpose, device_hash, reset_attempt_id, expires_at } => {
            let device_hash = device_hash.map(|hash| hash.to_vec());
            let row = link_tokens::Model { user_id, reset_attempt_id, device_hash, ..row(purpose, expires_at) };
            // A row for nobody too, so that it costs the same; its token reaches nobody, and no flow takes it.
            storage::insert_for_account(change.db(), row).await?;
            Ok(expires_at)
        }
        LinkOf::None => Ok(challenge.expires_at),
    }
}
