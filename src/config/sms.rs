//! How text messages leave the house, where to, and how many a day.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use url::Url;

use super::{
    phones::is_country,
    reader::Reader,
    value::{Rate, Value, is_loopback},
};

const DAY: Duration = Duration::from_hours(24);
/// Bytes of a key, as Standard Webhooks has them.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Settings of text messages.
#[derive(Clone, Debug)]
pub struct Sms {
    /// Who sends them; none: the dev inbox, and in production no text messages.
    pub sender: Option<SmsSender>,
    /// Countries that numbers may be of, as ISO 3166-1 alpha-2 in capitals; empty: all.
    pub allowed_countries: Vec<String>,
    /// Codes to a number.
    pub per_number: Rate,
    /// Codes that an account asks for, to whatever number.
    pub per_account: Rate,
    /// Codes that a block of addresses asks for: a /24, or a /64 of IPv6.
    pub per_block: Rate,
    /// Codes to one country calling code.
    pub per_country: Rate,
    /// Codes in all.
    pub in_all: Rate,
}

/// Who sends text messages.
#[derive(Clone, Debug)]
pub enum SmsSender {
    /// Twilio's REST API, or what speaks like it.
    Twilio(Twilio),
    /// A service of the deployment's own.
    Webhook(Webhook),
}

/// An account at Twilio.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// `https://api.twilio.com`.
    pub base_url: Url,
    /// `AC…`.
    pub account_sid: String,
    /// An API key (`SK…`) in place of the account's own name.
    pub api_key: Option<String>,
    /// The secret of the API key, else the account's auth token.
    pub secret: SecretString,
    /// Who messages come from.
    pub from: TwilioFrom,
    /// Where Twilio reports what became of a message.
    pub status_callback: Option<Url>,
}

/// Who Twilio says that messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwilioFrom {
    /// A number or an alphanumeric sender.
    Number(String),
    /// A messaging service (`MG…`), which chooses.
    Service(String),
}

/// A service of the deployment's own.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to post to.
    pub url: Url,
    /// Signs.
    pub key: SecretSlice<u8>,
}

/// Which sender is chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Twilio,
    Webhook,
}

impl Value for Chosen {
    const FORM: &'static str = "twilio or webhook";

    fn read(text: &str) -> Option<Self> {
        match text {
            "twilio" => Some(Self::Twilio),
            "webhook" => Some(Self::Webhook),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Twilio => "twilio".to_owned(),
            Self::Webhook => "webhook".to_owned(),
        }
    }
}

impl Sms {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let chosen = reader.optional(
            "sms.sender",
            "Who sends text messages: twilio or webhook. None in development: the dev inbox; none in production: no text messages, and no sign-up by phone.",
        );
        let twilio = read_twilio(reader, chosen == Some(Chosen::Twilio)).map(SmsSender::Twilio);
        let webhook = read_webhook(reader, chosen == Some(Chosen::Webhook)).map(SmsSender::Webhook);
        let sender = match chosen {
            Some(Chosen::Twilio) => twilio,
            Some(Chosen::Webhook) => webhook,
            None => None,
        };
        let mut allowed_countries: Vec<String> = reader.list(
            "sms.allowed_countries",
            (Vec::new(), "all"),
            "Countries that get text messages, as two letters, separated by commas (TH,SG). Name those of your users: codes to dear numbers elsewhere are a business of fraudsters.",
        );
        for country in &mut allowed_countries {
            country.make_ascii_uppercase();
            if !is_country(country) {
                reader.problem("sms.allowed_countries", format!("is wrong: {country:?} is not a country with phone numbers of its own"));
            }
        }
        let mut rate = |name, count, meaning| reader.value(name, Rate { count, period: DAY }, meaning);
        Self {
            per_number: rate("sms.per_number", 10, "Codes by text message to a number."),
            per_account: rate("sms.per_account", 20, "Codes by text message that a signed-in account asks for, to whatever number."),
            per_block: rate("sms.per_block", 100, "Codes by text message that a block of addresses asks for: a /24, or a /64 of IPv6."),
            per_country: rate("sms.per_country", 5_000, "Codes by text message to one country calling code."),
            in_all: rate(
                "sms.in_all",
                10_000,
                "Codes by text message in all: what a day costs at most, once the first has spent as much again.",
            ),
            sender,
            allowed_countries,
        }
    }
}

fn read_twilio(reader: &mut Reader<'_>, chosen: bool) -> Option<Twilio> {
    let account_sid: Option<String> = reader.optional("sms.twilio_account_sid", "The account at Twilio: AC and 32 hexadecimal digits.");
    let auth_token: Option<SecretString> =
        reader.optional("sms.twilio_auth_token", "The account's auth token; or an API key and its secret.");
    let api_key: Option<String> = reader.optional("sms.twilio_api_key", "An API key (SK…), used in place of the auth token.");
    let api_secret: Option<SecretString> = reader.optional("sms.twilio_api_secret", "The secret of the API key.");
    let number: Option<String> =
        reader.optional("sms.twilio_from", "Who messages come from: a number (+15551234567) or an alphanumeric sender.");
    let service: Option<String> =
        reader.optional("sms.twilio_messaging_service_sid", "A messaging service (MG…), used in place of sms.twilio_from.");
    let status_callback: Option<Url> =
        reader.optional("sms.twilio_status_callback", "Where Twilio reports what became of each message: a service of your own.");
    let base_url = reader.value("sms.twilio_base_url", twilio_url(), "Where Twilio's REST API is.");
    if !chosen {
        return None;
    }
    check_url(reader, "sms.twilio_base_url", &base_url);
    if let Some(url) = &status_callback {
        check_url(reader, "sms.twilio_status_callback", url);
    }
    match &account_sid {
        None => reader.problem("sms.twilio_account_sid", "is needed with sms.sender = twilio"),
        Some(sid) if !is_sid(sid, "AC") => reader.problem("sms.twilio_account_sid", "must be AC and 32 hexadecimal digits"),
        Some(_) => {}
    }
    if let Some(key) = &api_key
        && !is_sid(key, "SK")
    {
        reader.problem("sms.twilio_api_key", "must be SK and 32 hexadecimal digits");
    }
    let secret = match (&api_key, auth_token, api_secret) {
        (Some(_), _, Some(secret)) | (None, Some(secret), _) => Some(secret),
        (Some(_), _, None) => {
            reader.problem("sms.twilio_api_secret", "is needed with sms.twilio_api_key");
            None
        }
        (None, None, _) => {
            reader.problem("sms.twilio_auth_token", "is needed with sms.sender = twilio, or sms.twilio_api_key and sms.twilio_api_secret");
            None
        }
    };
    let from = match (service, number) {
        (Some(service), None) => {
            if !is_sid(&service, "MG") {
                reader.problem("sms.twilio_messaging_service_sid", "must be MG and 32 hexadecimal digits");
            }
            Some(TwilioFrom::Service(service))
        }
        (None, Some(number)) => Some(TwilioFrom::Number(number)),
        (Some(_), Some(_)) => {
            reader.problem("sms.twilio_from", "and sms.twilio_messaging_service_sid exclude each other");
            None
        }
        (None, None) => {
            reader.problem("sms.twilio_from", "or sms.twilio_messaging_service_sid is needed with sms.sender = twilio");
            None
        }
    };
    Some(Twilio { base_url, account_sid: account_sid?, api_key, secret: secret?, from: from?, status_callback })
}

fn read_webhook(reader: &mut Reader<'_>, chosen: bool) -> Option<Webhook> {
    let url: Option<Url> = reader.optional("sms.webhook_url", "Where text messages are posted to, as docs/messages.md says.");
    let secret: Option<SecretString> = reader.optional(
        "sms.webhook_secret",
        "Signs what is posted, as Standard Webhooks has it: whsec_ and 24 to 64 random bytes in base64, shared with the receiver alone.",
    );
    if !chosen {
        return None;
    }
    match &url {
        None => reader.problem("sms.webhook_url", "is needed with sms.sender = webhook"),
        Some(url) => check_url(reader, "sms.webhook_url", url),
    }
    let key = secret.as_ref().and_then(webhook_key);
    match &secret {
        None => reader.problem("sms.webhook_secret", "is needed with sms.sender = webhook"),
        Some(_) if key.is_none() => reader.problem("sms.webhook_secret", "must be whsec_ and 24 to 64 bytes in base64"),
        Some(_) => {}
    }
    Some(Webhook { url: url?, key: key? })
}

pub(super) fn webhook_key(secret: &SecretString) -> Option<SecretSlice<u8>> {
    let key = STANDARD.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
    KEY_LENGTHS.contains(&key.len()).then(|| key.into())
}

/// Codes travel there: only in the open where they do not leave this machine, and never with a password in the URL.
pub(super) fn check_url(reader: &mut Reader<'_>, name: &str, url: &Url) {
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || !matches!(url.scheme(), "http" | "https") {
        reader.problem(name, "must be an http or https URL");
    } else if url.scheme() == "http" && !is_loopback(host) {
        reader.problem(name, "must be https, but for loopback");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        reader.problem(name, "must not carry a user, a password or a fragment");
    }
}

fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[expect(clippy::expect_used, reason = "a fixed text that is a URL")]
fn twilio_url() -> Url {
    Url::parse("https://api.twilio.com").expect("a URL")
}
