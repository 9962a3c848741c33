//! How e-mail leaves the house.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Mode, reader::Reader, value::CredentialUrl};

/// Settings of e-mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `smtp://` (STARTTLS) or `smtps://`; none: the dev inbox.
    pub url: Option<SecretString>,
    /// Who messages come from.
    pub from: Option<String>,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url: Option<CredentialUrl> = reader.optional(
            "mail.url",
            "smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host. None in development: the dev inbox; production needs one.",
        );
        let mail = Self {
            url: url.map(|CredentialUrl(url)| SecretString::from(url)),
            from: reader.optional(
                "mail.from",
                "Who messages come from: no-reply@example.com or Example <no-reply@example.com>. Needed with mail.url.",
            ),
        };
        match &mail.url {
            None if reader.mode == Mode::Production => reader.problem("mail.url", "is needed in production"),
            Some(url) if !is_smtp(url.expose_secret()) => reader.problem("mail.url", "must begin with smtp:// or smtps:// and name a host"),
            _ => {}
        }
        match &mail.from {
            None if mail.url.is_some() => reader.problem("mail.from", "is needed with mail.url"),
            Some(from) if !is_mailbox(from) => {
                reader.problem("mail.from", "is not an address like no-reply@example.com or Example <no-reply@example.com>");
            }
            _ => {}
        }
        mail
    }
}

fn is_smtp(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "smtp" | "smtps") && url.host_str().is_some_and(|host| !host.is_empty()))
}

/// A first look only; the sender parses it by RFC 5322 when it starts.
fn is_mailbox(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !address.contains(|character: char| character.is_whitespace() || ",;<>".contains(character))
            && !domain.contains('@')
    })
}
