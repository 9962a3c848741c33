//! Where messages go: chosen by the settings.

use entity::{Channel, Timestamp};
use uuid::Uuid;

use super::Pace;
use crate::{
    crypto::secret_box::SecretBox,
    entropy::Entropy,
    outbound::{
        message::INBOX_PURPOSE,
        render::Rendered,
        smtp::{Mail, MailFailure, MailSettingError, Mailer},
    },
    storage::{database::Database, dev_inbox},
};

/// Whether messages without a sender of their own go to the development inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbox {
    /// Development.
    Open,
    /// Production: nobody could read them there.
    Closed,
}

/// One for each channel.
#[derive(Debug)]
pub struct Sinks {
    mailer: Option<Mailer>,
    inbox: Inbox,
}

/// What a sink is given.
pub(super) struct Parcel<'a> {
    pub id: Uuid,
    pub channel: Channel,
    pub recipient: &'a str,
    pub content: &'a Rendered,
    pub at: Timestamp,
}

/// What the development inbox needs.
pub(super) struct InboxKeeping<'a> {
    pub database: &'a Database,
    pub secret_box: &'a SecretBox,
    pub entropy: &'a Entropy,
}

impl Sinks {
    /// Everything goes to the development inbox.
    #[must_use]
    pub const fn dev_inbox() -> Self {
        Self { mailer: None, inbox: Inbox::Open }
    }

    /// E-mail goes to a server.
    #[must_use]
    pub const fn with_mail(mailer: Mailer, inbox: Inbox) -> Self {
        Self { mailer: Some(mailer), inbox }
    }

    /// From the settings `mail.url` and `mail.from`.
    pub fn from_settings(url: Option<&secrecy::SecretString>, from: Option<&str>, inbox: Inbox) -> Result<Self, MailSettingError> {
        let mailer = url.map(|url| Mailer::new(url, from.ok_or(MailSettingError::From)?, Pace::ATTEMPT)).transpose()?;
        Ok(Self { mailer, inbox })
    }

    pub(super) async fn take(&self, parcel: &Parcel<'_>, keeping: &InboxKeeping<'_>) -> Result<(), MailFailure> {
        match (parcel.channel, &self.mailer, self.inbox) {
            (Channel::Email, Some(mailer), _) => {
                let Parcel { id, recipient, content, at, .. } = *parcel;
                mailer.send(&Mail { id, recipient, content, at }).await
            }
            (Channel::Email, None, Inbox::Open) | (Channel::Sms, _, Inbox::Open) => keep(parcel, keeping).await,
            (Channel::Email, None, Inbox::Closed) | (Channel::Sms, _, Inbox::Closed) => {
                Err(MailFailure::Refused(format!("no sender for {} is set", parcel.channel.as_str())))
            }
        }
    }
}

async fn keep(parcel: &Parcel<'_>, keeping: &InboxKeeping<'_>) -> Result<(), MailFailure> {
    let content =
        serde_json::to_vec(parcel.content).map(zeroize::Zeroizing::new).map_err(|error| MailFailure::Refused(error.to_string()))?;
    let row = entity::dev_inbox::Model {
        id: parcel.id,
        recipient: parcel.recipient.to_owned(),
        content_sealed: keeping.secret_box.seal(INBOX_PURPOSE, &content, keeping.entropy),
        channel: parcel.channel,
        sent_at: parcel.at,
    };
    dev_inbox::insert(keeping.database.write(), row).await.map_err(|error| MailFailure::Later(error.to_string()))?;
    // The code stays out of the log, here as everywhere.
    tracing::info!(
        message.id = %parcel.id,
        message.channel = parcel.channel.as_str(),
        message.to = parcel.recipient,
        message.subject = parcel.content.subject.as_deref().unwrap_or_default(),
        "a message for you is in the development inbox: /dev/inbox"
    );
    Ok(())
}
