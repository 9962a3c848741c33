//! Text messages by a service that the settings name.

mod twilio;
mod webhook;

use std::{fmt, time::Duration};

use entity::Timestamp;
use uuid::Uuid;

use self::{twilio::TwilioSender, webhook::WebhookSender};
use super::{http_post::Poster, render::Rendered, send_failure::SendFailure};
use crate::config::SmsSender;

/// What is wrong with the settings of the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SmsSettingError(String);

/// One text message.
#[derive(Debug)]
pub struct TextMessage<'a> {
    /// Id of the message.
    pub id: Uuid,
    /// E.164.
    pub recipient: &'a str,
    /// Name of its template.
    pub template: &'a str,
    /// What it says.
    pub content: &'a Rendered,
    /// Now.
    pub at: Timestamp,
    /// From then on it is no longer worth sending.
    pub expires_at: Timestamp,
}

/// Sends text messages.
pub struct Texter {
    poster: Poster,
    service: Service,
}

enum Service {
    Twilio(TwilioSender),
    Webhook(WebhookSender),
}

impl fmt::Debug for Texter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.service {
            Service::Twilio(_) => "Texter(Twilio)",
            Service::Webhook(_) => "Texter(webhook)",
        })
    }
}

impl Texter {
    /// `timeout` is for one message from connecting to the end.
    pub fn new(sender: &SmsSender, timeout: Duration) -> Result<Self, SmsSettingError> {
        let poster = Poster::new(timeout).map_err(SmsSettingError)?;
        let service = match sender {
            SmsSender::Twilio(settings) => Service::Twilio(TwilioSender::new(settings)?),
            SmsSender::Webhook(settings) => Service::Webhook(WebhookSender::new(settings)),
        };
        Ok(Self { poster, service })
    }

    /// Hands one message to the service; returns when it has taken it, or by the time-out.
    pub async fn send(&self, message: &TextMessage<'_>) -> Result<(), SendFailure> {
        match &self.service {
            Service::Twilio(twilio) => twilio::judge(&self.poster.post(twilio.compose(message)).await?),
            Service::Webhook(webhook) => webhook::judge(&self.poster.post(webhook.compose(message)?).await?),
        }
    }
}
