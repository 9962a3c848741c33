//! Where short-lived state lies that several instances share.

use std::{fmt, time::Duration};

use url::Url;

use super::{
    Mode,
    reader::Reader,
    value::{CredentialUrl, is_loopback, masked},
};

/// Settings of Redis.
#[derive(Clone)]
pub struct Redis {
    /// None: everything stays in the process. One: that server. Several: nodes of a cluster. They may carry passwords.
    pub urls: Vec<String>,
    /// How long an operation may take before the store counts as away.
    pub timeout: Duration,
}

impl Redis {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let urls: Vec<CredentialUrl> = reader.list(
            "redis.url",
            (Vec::new(), "none: in the process"),
            "redis://…, rediss://… with TLS, or several separated by commas for a cluster. Beyond loopback and Unix sockets TLS is needed in production.",
        );
        let redis = Self {
            urls: urls.into_iter().map(|CredentialUrl(url)| url).collect(),
            timeout: reader.duration(
                "redis.timeout",
                Duration::from_millis(500),
                "How long an operation may take before Redis counts as away.",
            ),
        };
        for url in &redis.urls {
            if let Err(why) = check(url, reader.mode) {
                reader.problem("redis.url", why);
            }
        }
        redis
    }
}

fn check(text: &str, mode: Mode) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "redis" | "rediss" if host.is_empty() => Err("must name a host"),
        "redis" if mode == Mode::Production && !is_loopback(host) => {
            Err("must begin with rediss:// in production, unless the host is loopback")
        }
        "rediss" if mode == Mode::Production && url.fragment() == Some("insecure") && !is_loopback(host) => {
            Err("must not carry #insecure in production, unless the host is loopback")
        }
        "redis" | "rediss" | "redis+unix" | "unix" => Ok(()),
        _ => Err("must begin with redis:// or rediss://"),
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.urls.iter().map(|url| masked(url)).collect();
        f.debug_struct("Redis").field("urls", &urls).field("timeout", &self.timeout).finish()
    }
}
