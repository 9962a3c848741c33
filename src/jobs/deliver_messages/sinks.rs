//! Where messages go: chosen by the settings.

use std::sync::atomic::{AtomicU32, Ordering};

use entity::{Channel, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::Pace;
use crate::{
    config::{Config, Mode},
    crypto::secret_box::SecretBox,
    entropy::Entropy,
    outbound::{
        message::INBOX_PURPOSE,
        render::Rendered,
        send_failure::SendFailure,
        sms::{SmsSettingError, TextMessage, Texter},
        smtp::{Mail, MailSettingError, Mailer},
        turns::Turns,
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
    texter: Option<Texter>,
    inbox: Inbox,
    kept: AtomicU32,
    /// Each channel has its own: where one service is slow, the other goes on.
    mail_turns: Turns,
    sms_turns: Turns,
}

/// Why a sender cannot be made of the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// E-mail.
    #[error("{0}")]
    Mail(#[from] MailSettingError),
    /// Text messages.
    #[error("sms: {0}")]
    Sms(#[from] SmsSettingError),
}

/// The inbox is swept each time that so many messages came in.
const SWEPT_EVERY: u32 = 32;

/// What a sink is given.
pub(super) struct Parcel<'a> {
    pub id: Uuid,
    pub channel: Channel,
    pub recipient: &'a str,
    pub template: &'a str,
    pub content: &'a Rendered,
    pub at: Timestamp,
    pub expires_at: Timestamp,
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
    pub fn dev_inbox() -> Self {
        Self {
            mailer: None,
            texter: None,
            inbox: Inbox::Open,
            kept: AtomicU32::new(0),
            mail_turns: Turns::new(1),
            sms_turns: Turns::new(1),
        }
    }

    /// E-mail goes to a server.
    #[must_use]
    pub fn with_mail(mailer: Mailer, inbox: Inbox) -> Self {
        Self { mailer: Some(mailer), inbox, ..Self::dev_inbox() }
    }

    /// Text messages go to a service.
    #[must_use]
    pub fn with_sms(texter: Texter, inbox: Inbox) -> Self {
        Self { texter: Some(texter), inbox, ..Self::dev_inbox() }
    }

    /// From the settings of e-mail and text messages.
    pub fn from_settings(config: &Config) -> Result<Self, SinkError> {
        let Config { mail, sms, messages, mode, .. } = config;
        let from = || mail.from.as_deref().ok_or(MailSettingError::From);
        let mailer = mail.url.as_ref().map(|url| Mailer::new(url, from()?, Pace::ATTEMPT)).transpose()?;
        let texter = sms.sender.as_ref().map(|sender| Texter::new(sender, Pace::ATTEMPT)).transpose()?;
        let inbox = if *mode == Mode::Development { Inbox::Open } else { Inbox::Closed };
        let [mail_turns, sms_turns] = [(); 2].map(|()| Turns::new(usize::from(messages.unsettled)));
        Ok(Self { mailer, texter, inbox, kept: AtomicU32::new(0), mail_turns, sms_turns })
    }

    /// Hands it over. The turn in which that was done lasts until it is written down; the inbox needs none.
    pub(super) async fn take(&self, parcel: &Parcel<'_>, keeping: &InboxKeeping<'_>) -> Result<Option<OwnedSemaphorePermit>, SendFailure> {
        let Parcel { id, recipient, template, content, at, expires_at, .. } = *parcel;
        match (parcel.channel, &self.mailer, &self.texter) {
            (Channel::Email, Some(mailer), _) => {
                Box::pin(mailer.send(&Mail { id, recipient, content, at }, &self.mail_turns)).await.map(Some)
            }
            (Channel::Sms, _, Some(texter)) => {
                let turn = self.sms_turns.next().await?;
                texter.send(&TextMessage { id, recipient, template, content, at, expires_at }).await.map(|()| Some(turn))
            }
            (Channel::Email, None, _) | (Channel::Sms, _, None) => match self.inbox {
                Inbox::Open => self.keep(parcel, keeping).await.map(|()| None),
                Inbox::Closed => Err(SendFailure::Refused(format!("no sender for {} is set", parcel.channel.as_str()))),
            },
        }
    }

    async fn keep(&self, parcel: &Parcel<'_>, keeping: &InboxKeeping<'_>) -> Result<(), SendFailure> {
        keep(parcel, keeping).await?;
        if self.kept.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEPT_EVERY)
            && let Err(error) = dev_inbox::sweep(keeping.database.write()).await
        {
            tracing::warn!(%error, "the development inbox keeps old messages");
        }
        Ok(())
    }
}

async fn keep(parcel: &Parcel<'_>, keeping: &InboxKeeping<'_>) -> Result<(), SendFailure> {
    let content =
        serde_json::to_vec(parcel.content).map(zeroize::Zeroizing::new).map_err(|error| SendFailure::Refused(error.to_string()))?;
    let row = entity::dev_inbox::Model {
        id: parcel.id,
        recipient: parcel.recipient.to_owned(),
        content_sealed: keeping.secret_box.seal(INBOX_PURPOSE, &content, keeping.entropy),
        channel: parcel.channel,
        sent_at: parcel.at,
    };
    dev_inbox::insert(keeping.database.write(), row).await.map_err(|error| SendFailure::Later(error.to_string()))?;
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
