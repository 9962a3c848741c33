//! Where the gateway listens, what it is called, and whom it trusts on the way.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use url::{Origin, Url};

use super::{Mode, reader::Reader, value::is_loopback};

/// Settings of the HTTP surface.
#[derive(Clone, Debug)]
pub struct Http {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How people reach the gateway: the base of every link, and the issuer of tokens.
    pub public_url: Url,
    /// Origins that browsers may call from, as they send them (`https://app.example.com`).
    pub allowed_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long the body of a request may take to come.
    pub body_timeout: Duration,
    /// How long a request may take from then on.
    pub request_timeout: Duration,
}

impl Http {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let listen = reader.value(
            "http.listen",
            SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            "The address to listen on; in development only loopback.",
        );
        let public_url = reader.derived(
            "http.public_url",
            (local_url(listen.port()), "http://localhost with the port of http.listen"),
            "How people reach the gateway: the base of every link in a message, and the issuer of tokens. In development only loopback.",
        );
        // A URL of another kind has no origin; that it is wrong is told below.
        let origin = canonical_origin(&public_url.origin().ascii_serialization());
        let mut allowed_origins = reader.list(
            "http.allowed_origins",
            (origin.into_iter().collect(), "the origin of http.public_url"),
            "Origins that browsers may call from, separated by commas. Development allows every loopback origin besides.",
        );
        for origin in &mut allowed_origins {
            match canonical_origin(origin) {
                Some(canonical) => *origin = canonical,
                None => {
                    reader.problem("http.allowed_origins", format!("is wrong: {origin:?} is not an origin like https://app.example.com"));
                }
            }
        }
        let http = Self {
            listen,
            public_url,
            allowed_origins,
            trusted_proxies: reader.list(
                "http.trusted_proxies",
                (Vec::new(), "none"),
                "Addresses and networks of proxies whose X-Forwarded-For is believed, separated by commas.",
            ),
            body_timeout: reader.duration("http.body_timeout", Duration::from_secs(10), "How long the body of a request may take to come."),
            request_timeout: reader.duration(
                "http.request_timeout",
                Duration::from_secs(5),
                "How long a request may take once its body is there.",
            ),
        };
        http.check(reader);
        http
    }

    fn check(&self, reader: &mut Reader<'_>) {
        let url = &self.public_url;
        let host = url.host_str().unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            reader.problem("http.public_url", "must be an http or https URL");
        } else if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            reader.problem("http.public_url", "must not carry a user, a query or a fragment");
        } else if reader.mode == Mode::Development && !is_loopback(host) {
            reader.problem(
                "http.public_url",
                "must name loopback (localhost, 127.0.0.1, [::1]) in development; set POSTERN_MODE=production to serve others",
            );
        } else if reader.mode == Mode::Production && url.scheme() == "http" && !is_loopback(host) {
            reader.problem("http.public_url", "must be https in production");
        }
        if reader.mode == Mode::Development && !self.listen.ip().to_canonical().is_loopback() {
            reader.problem("http.listen", "must be a loopback address in development; set POSTERN_MODE=production to serve others");
        }
    }

    /// The public URL without a slash at its end: what paths are appended to.
    #[must_use]
    pub fn public_base(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// Whether the public URL names this machine alone.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.public_url.host_str().is_some_and(is_loopback)
    }

    /// Takes over the port that the system chose where the settings said 0, wherever it follows from that.
    pub(super) fn listening_on(&mut self, address: SocketAddr) {
        self.listen = address;
        let chosen_by_us = |url: &Url| url.port() == Some(0);
        if chosen_by_us(&self.public_url) && self.public_url.set_port(Some(address.port())).is_err() {
            return;
        }
        for origin in &mut self.allowed_origins {
            if Url::parse(origin).is_ok_and(|url| chosen_by_us(&url)) {
                *origin = self.public_url.origin().ascii_serialization();
            }
        }
    }
}

#[expect(clippy::expect_used, reason = "a fixed form with a number in it, which every port satisfies")]
fn local_url(port: u16) -> Url {
    Url::parse(&format!("http://localhost:{port}")).expect("a URL of a fixed form")
}

fn canonical_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let Origin::Tuple(scheme, ..) = url.origin() else { return None };
    let bare = matches!(scheme.as_str(), "http" | "https") && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (bare && url.username().is_empty() && url.password().is_none()).then(|| url.origin().ascii_serialization())
}
