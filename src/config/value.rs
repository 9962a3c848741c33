//! How the text of a setting becomes a value, and how a value is shown again.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

/// What a setting can hold.
pub(super) trait Value: Sized {
    /// What the text must be, to end the sentence "it is not …".
    const FORM: &'static str;
    /// Whether the text must not be repeated in a message.
    const SECRET: bool = false;
    /// The value, where the text has the right form.
    fn read(text: &str) -> Option<Self>;
    /// The text for `config show` and the reference, without what is secret.
    fn show(&self) -> String;
}

/// How often something may happen: `count` times in a `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many times.
    pub count: u32,
    /// In how long.
    pub period: Duration,
}

/// A URL that may carry a password; kept as it was written, shown without.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CredentialUrl(pub(super) String);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Value for Duration {
    const FORM: &'static str = "a duration like 500ms, 10s, 15min, 24h or 30d";

    fn read(text: &str) -> Option<Self> {
        let digits = text.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(*millis).map(Self::from_millis)
    }

    fn show(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        // A day is said as 24h, so that the defaults read as in the documentation.
        let (name, size) = UNITS
            .iter()
            .rev()
            .find(|(name, size)| millis >= *size && millis.is_multiple_of(*size) && !(*name == "d" && millis == *size))
            .unwrap_or(&UNITS[0]);
        format!("{}{name}", millis / size)
    }
}

impl Value for Rate {
    const FORM: &'static str = "a rate like 10/min, 20/h or 5/15min";

    fn read(text: &str) -> Option<Self> {
        let (count, period) = text.split_once('/')?;
        let count = count.trim().parse().ok().filter(|count| *count > 0)?;
        let period = period.trim();
        let period = Duration::read(period).or_else(|| Duration::read(&format!("1{period}")))?;
        (!period.is_zero()).then_some(Self { count, period })
    }

    fn show(&self) -> String {
        let period = self.period.show();
        let unit = period.strip_prefix('1').filter(|rest| !rest.starts_with(|character: char| character.is_ascii_digit()));
        format!("{}/{}", self.count, unit.unwrap_or(&period))
    }
}

impl Value for bool {
    const FORM: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! parsed {
    ($($kind:ty: $form:literal),+ $(,)?) => {$(
        impl Value for $kind {
            const FORM: &'static str = $form;

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

parsed! {
    u8: "a number from 0 to 255",
    u32: "a whole number",
    usize: "a whole number",
    SocketAddr: "an address and port like 127.0.0.1:4000 or [::1]:4000",
}

impl Value for Url {
    const FORM: &'static str = "a URL like https://auth.example.com";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        // A bare host looks better without; elsewhere the slash is part of the path.
        let text = self.as_str();
        (if self.path() == "/" { text.trim_end_matches('/') } else { text }).to_owned()
    }
}

impl Value for IpNet {
    const FORM: &'static str = "an address or network like 10.0.0.0/8 or fd00::1";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const FORM: &'static str = "a text without line breaks and control characters";

    fn read(text: &str) -> Option<Self> {
        (!text.chars().any(char::is_control)).then(|| text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "a path";

    fn read(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| Self::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SecretString {
    const FORM: &'static str = "a text";
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }

    fn show(&self) -> String {
        "***".to_owned()
    }
}

impl Value for CredentialUrl {
    const FORM: &'static str = "a URL";
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        // The SQLite driver's own form, `sqlite:path`, may hold characters that a URL may not.
        (text.starts_with("sqlite:") || Url::parse(text).is_ok()).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        masked(&self.0)
    }
}

/// A URL without its password, which may also stand in the query.
pub(super) fn masked(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.split_once('?').map_or(text, |(path, _)| path).to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    let query: Vec<String> = url
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if key.to_ascii_lowercase().contains("pass") => format!("{key}=***"),
            _ => pair.to_owned(),
        })
        .collect();
    url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    url.to_string()
}

/// Whether a host is this machine: a loopback address, or `localhost` and names below it (RFC 6761).
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_show() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("15min", 900_000), ("24h", 86_400_000), ("90d", 7_776_000_000), ("0ms", 0)]
        {
            let duration = Duration::read(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(duration.show(), text);
        }
        assert_eq!(Duration::read("10 s"), Some(Duration::from_secs(10)));
        for wrong in ["", "10", "s", "-1s", "1.5s", "10 years", "99999999999999999999s", "18446744073709551615d", "10s ", "1é"] {
            assert_eq!(Duration::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rates_read_and_show() {
        for text in ["10/min", "20/h", "5/15min", "1/s"] {
            assert_eq!(Rate::read(text).unwrap().show(), text);
        }
        for wrong in ["", "10", "10/", "/min", "0/min", "10/0s", "-1/min", "1/fortnight"] {
            assert_eq!(Rate::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn urls_are_shown_without_passwords() {
        assert_eq!(masked("postgres://ada:s3cret@db:5432/x?sslmode=verify-full"), "postgres://ada:***@db:5432/x?sslmode=verify-full");
        assert!(!masked("postgres:///x?user=ada&password=s3cret").contains("s3cret"));
        assert!(!masked("redis://:s3cret@cache").contains("s3cret"));
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::ffff:127.0.0.1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "localhost.example.com", "0.0.0.0", "10.0.0.1", "notlocalhost", "[::]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
