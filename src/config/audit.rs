//! Where the audit log is handed on to.

use secrecy::SecretString;
use url::Url;

use super::{
    reader::Reader,
    sms::{Webhook, check_url, webhook_key},
};

/// Settings of the audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Who is told of every row; none: nobody.
    pub webhook: Option<Webhook>,
}

impl Audit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url: Option<Url> =
            reader.optional("audit.webhook_url", "Where every row of the audit log is posted to, as docs/audit.md says; none: nowhere.");
        let secret: Option<SecretString> = reader.optional(
            "audit.webhook_secret",
            "Signs what is posted, as Standard Webhooks has it: whsec_ and 24 to 64 random bytes in base64, shared with the receiver alone.",
        );
        if let Some(url) = &url {
            check_url(reader, "audit.webhook_url", url);
        }
        let key = secret.as_ref().and_then(webhook_key);
        match (&url, &secret) {
            (Some(_), None) => reader.problem("audit.webhook_secret", "is needed with audit.webhook_url"),
            (None, Some(_)) => reader.problem("audit.webhook_url", "is needed with audit.webhook_secret"),
            (_, Some(_)) if key.is_none() => reader.problem("audit.webhook_secret", "must be whsec_ and 24 to 64 bytes in base64"),
            _ => {}
        }
        Self { webhook: url.zip(key).map(|(url, key)| Webhook { url, key }) }
    }
}
