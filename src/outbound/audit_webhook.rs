//! The webhook that is told of every row of the audit log. `docs/audit.md` is its contract.

use std::{fmt, time::Duration};

use entity::Timestamp;
use secrecy::SecretSlice;
use serde_json::{Value, json};
use url::Url;

use super::{
    http_post::{Parcel, Poster},
    send_failure::SendFailure,
    webhook_signature,
};
use crate::config::Webhook;

/// The receiver cannot be asked at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotPost(String);

/// Posts rows.
pub struct AuditWebhook {
    poster: Poster,
    url: Url,
    key: SecretSlice<u8>,
}

impl fmt::Debug for AuditWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditWebhook")
    }
}

impl AuditWebhook {
    /// `timeout` is for one post from connecting to the end of the answer.
    pub fn new(settings: &Webhook, timeout: Duration) -> Result<Self, CannotPost> {
        let poster = Poster::new(timeout).map_err(CannotPost)?;
        Ok(Self { poster, url: settings.url.clone(), key: settings.key.clone() })
    }

    /// Hands rows over under an id that is the same for every attempt; returns when the receiver has taken them. Whatever it answers but 2xx is
    /// no reason to leave a row out.
    pub async fn send(&self, id: String, rows: Vec<Value>, at: Timestamp) -> Result<(), SendFailure> {
        let body = json!({ "type": "audit.events", "timestamp": at.to_string(), "data": { "events": rows } }).to_string();
        let headers = webhook_signature::headers(&self.key, id, at.seconds().to_string(), &body)?;
        let parcel = Parcel { url: self.url.clone(), content_type: "application/json", headers, body, credentials: None };
        match self.poster.post(parcel).await?.status {
            200..300 => Ok(()),
            status => Err(SendFailure::Later(format!("the webhook answered {status}"))),
        }
    }
}
