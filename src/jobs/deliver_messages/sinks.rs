//! Where messages go: chosen by the settings.

use std::sync::atomic::{AtomicUsize, Ordering};

use entity::{Channel, Timestamp, messages::Model};
use tokio::sync::OwnedSemaphorePermit;

use super::Pace;
use crate::{
    config::{Config, Mode},
    outbound::{
        render::Rendered,
        send_failure::SendFailure,
        sms::{SmsSettingError, TextMessage, Texter},
        smtp::{Mail, MailSettingError, Mailer},
        turns::Turns,
    },
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
    kept: AtomicUsize,
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
const SWEPT_EVERY: usize = 32;

impl Sinks {
    /// Everything goes to the development inbox.
    #[must_use]
    pub fn dev_inbox() -> Self {
        Self {
            mailer: None,
            texter: None,
            inbox: Inbox::Open,
            kept: AtomicUsize::new(0),
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
        Ok(Self { mailer, texter, inbox, kept: AtomicUsize::new(0), mail_turns, sms_turns })
    }

    /// Whether what goes over a channel ends in the development inbox.
    pub(super) fn is_kept(&self, channel: Channel) -> bool {
        let has_sender = match channel {
            Channel::Email => self.mailer.is_some(),
            Channel::Sms => self.texter.is_some(),
        };
        !has_sender && self.inbox == Inbox::Open
    }

    /// Notes that the inbox took so many more. Returns whether it is time to sweep it.
    pub(super) fn note_kept(&self, more: usize) -> bool {
        let before = self.kept.fetch_add(more, Ordering::Relaxed);
        before / SWEPT_EVERY < before.wrapping_add(more) / SWEPT_EVERY
    }

    /// Hands it over. The turn in which that was done lasts until it is written down.
    pub(super) async fn take(&self, message: &Model, content: &Rendered, at: Timestamp) -> Result<OwnedSemaphorePermit, SendFailure> {
        let Model { id, channel, recipient, template, expires_at, .. } = message;
        match (channel, &self.mailer, &self.texter) {
            (Channel::Email, Some(mailer), _) => Box::pin(mailer.send(&Mail { id: *id, recipient, content, at }, &self.mail_turns)).await,
            (Channel::Sms, _, Some(texter)) => {
                let turn = self.sms_turns.next().await?;
                texter.send(&TextMessage { id: *id, recipient, template, content, at, expires_at: *expires_at }).await.map(|()| turn)
            }
            (Channel::Email, None, _) | (Channel::Sms, _, None) => {
                Err(SendFailure::Refused(format!("no sender for {} is set", channel.as_str())))
            }
        }
    }
}
