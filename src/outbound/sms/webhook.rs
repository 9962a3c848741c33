//! A webhook of the deployment's own: JSON, signed as Standard Webhooks has it. `docs/messages.md` is its contract.

use secrecy::SecretSlice;
use serde::Serialize;
use url::Url;

use super::TextMessage;
use crate::{
    config::Webhook,
    outbound::{
        http_post::{Answer, Parcel},
        send_failure::SendFailure,
        webhook_signature,
    },
};

pub(super) struct WebhookSender {
    url: Url,
    key: SecretSlice<u8>,
}

/// The body.
#[derive(Serialize)]
struct Told<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    id: &'a str,
    to: &'a str,
    text: &'a str,
    code: Option<&'a str>,
    template: &'a str,
    expires_at: String,
}

impl WebhookSender {
    pub(super) fn new(settings: &Webhook) -> Self {
        Self { url: settings.url.clone(), key: settings.key.clone() }
    }

    pub(super) fn compose(&self, message: &TextMessage<'_>) -> Result<Parcel<'_>, SendFailure> {
        // The same for every attempt, so that the receiver can tell a second one.
        let id = message.id.to_string();
        let told = Told {
            r#type: "sms.send",
            timestamp: message.at.to_string(),
            data: Data {
                id: &id,
                to: message.recipient,
                text: &message.content.text,
                code: message.content.code.as_deref(),
                template: message.template,
                expires_at: message.expires_at.to_string(),
            },
        };
        let body = serde_json::to_string(&told).map_err(|error| SendFailure::Refused(error.to_string()))?;
        let seconds = message.at.millis().div_euclid(1000).to_string();
        Ok(Parcel {
            url: self.url.clone(),
            content_type: "application/json",
            headers: webhook_signature::headers(&self.key, id.clone(), seconds, &body)?,
            body,
            credentials: None,
        })
    }
}

/// 2xx took it; 400 and 422 never will; everything else may be put right.
pub(super) fn judge(answer: &Answer) -> Result<(), SendFailure> {
    let told = || format!("the webhook answered {}", answer.status);
    match answer.status {
        200..300 => Ok(()),
        400 | 422 => Err(SendFailure::Refused(told())),
        _ => Err(SendFailure::Later(told())),
    }
}

#[cfg(test)]
mod tests {
    use entity::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::outbound::render::Rendered;

    #[test]
    fn what_is_posted_keeps_its_shape() {
        let sender = WebhookSender { url: Url::parse("https://sms.example.com/").expect("a URL"), key: vec![7; 32].into() };
        let content =
            Rendered { subject: None, text: "123456 is \"it\"\n".to_owned(), html: None, code: Some("123456".to_owned()), link: None };
        let message = TextMessage {
            id: Uuid::from_u128(7),
            recipient: "+66812345678",
            template: "sign_in_code",
            content: &content,
            at: Timestamp::from_millis(1_700_000_000_000),
            expires_at: Timestamp::from_millis(1_700_000_600_000),
        };
        let parcel = sender.compose(&message).expect("composed");
        let told: serde_json::Value = serde_json::from_str(&parcel.body).expect("JSON");
        let data = serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000007", "to": "+66812345678", "text": "123456 is \"it\"\n", "code": "123456",
            "template": "sign_in_code", "expiresAt": told["data"]["expiresAt"],
        });
        assert_eq!(told, serde_json::json!({ "type": "sms.send", "timestamp": told["timestamp"], "data": data }));
        assert_eq!(parcel.headers[1], ("webhook-timestamp", "1700000000".to_owned()));
    }
}
