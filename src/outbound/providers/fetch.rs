//! One question to a provider: no redirects, a cap on its answer, and every address of its name looked at before it is connected to.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, CONTENT_TYPE},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use url::{Host, Url};

use super::address::{Private, is_allowed};

/// Discovery documents and sets of keys have some 5 KiB.
const LONGEST_ANSWER: usize = 256 * 1024;
const CONNECT: Duration = Duration::from_secs(3);

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotAsk(#[from] reqwest::Error);

/// Why a provider's answer is of no use. None of it says more than an operator needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderFault {
    /// Too late.
    #[error("no answer in time")]
    Slow,
    /// Not reached, or broken off.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// The settings do not allow what is asked.
    #[error("{0} may not be asked")]
    Forbidden(&'static str),
    /// A refusal.
    #[error("answered {status} {code}")]
    Refused {
        /// Of HTTP.
        status: u16,
        /// Of OAuth, where there is one.
        code: String,
    },
    /// More than anybody needs.
    #[error("the answer is too long")]
    TooLong,
    /// Not what it must be.
    #[error("{0}")]
    Nonsense(&'static str),
    /// It failed a moment ago.
    #[error("it failed a moment ago")]
    Lately,
}

/// What is asked.
pub(super) enum Asked<'a> {
    /// A document.
    Document,
    /// Tokens for a code.
    ForTokens { form: String, credentials: Option<(String, String)> },
    /// What it knows of the person.
    AboutPerson(&'a SecretString),
}

/// What was answered.
pub(super) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

/// Asks. Clones share its connections.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: Client,
    private: Private,
}

impl Fetcher {
    pub(super) fn new(allow_private: bool) -> Result<Self, CannotAsk> {
        let private = if allow_private { Private::Allowed } else { Private::Refused };
        let client = Client::builder()
            .redirect(Policy::none())
            // A proxy would look names up where nobody looks at the addresses.
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(private)))
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(4)
            .user_agent(concat!("Postern/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, private })
    }

    /// Whether an address may be asked at all, and if it is written as numbers, whether they may.
    pub(super) fn check(&self, url: &Url) -> Result<(), ProviderFault> {
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => return Err(ProviderFault::Forbidden("an address without a host")),
        };
        let in_the_open = url.scheme() == "http" && is_loopback && self.private == Private::Allowed;
        if url.scheme() != "https" && !in_the_open {
            return Err(ProviderFault::Forbidden("an address without TLS"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProviderFault::Forbidden("an address with a password"));
        }
        let is_allowed = match url.host() {
            Some(Host::Ipv4(address)) => is_allowed(address.into(), self.private),
            Some(Host::Ipv6(address)) => is_allowed(address.into(), self.private),
            Some(Host::Domain(_)) | None => true,
        };
        if is_allowed { Ok(()) } else { Err(ProviderFault::Forbidden("a private address")) }
    }

    /// Asks, and reads the answer whole.
    pub(super) async fn ask(&self, url: &Url, asked: Asked<'_>, until: Instant) -> Result<Answer, ProviderFault> {
        self.check(url)?;
        let request = match asked {
            Asked::Document => self.client.get(url.clone()),
            Asked::ForTokens { form, credentials } => {
                let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
                match credentials {
                    Some((name, password)) => request.basic_auth(name, Some(password)),
                    None => request,
                }
            }
            Asked::AboutPerson(token) => self.client.get(url.clone()).bearer_auth(token.expose_secret()),
        };
        let answer = read(request.header(ACCEPT, "application/json"));
        tokio::time::timeout_at(until, answer).await.unwrap_or(Err(ProviderFault::Slow))
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answer, ProviderFault> {
    let mut response = request.send().await.map_err(|error| cause(&error))?;
    if response.content_length().is_some_and(|length| length > LONGEST_ANSWER as u64) {
        return Err(ProviderFault::TooLong);
    }
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(ProviderFault::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

impl Answer {
    /// What it is, where it is an answer at all.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ProviderFault> {
        if self.status != StatusCode::OK {
            let code = self.code().filter(|code| code.len() < 64 && code.bytes().all(|byte| byte.is_ascii_graphic()));
            return Err(ProviderFault::Refused { status: self.status.as_u16(), code: code.unwrap_or_default() });
        }
        serde_json::from_slice(&self.body).map_err(|_| ProviderFault::Nonsense("the answer is not what was asked for"))
    }

    /// Whether it is a refusal with this code (RFC 6749, 5.2).
    pub(super) fn says(&self, code: &str) -> bool {
        !self.status.is_success() && self.code().as_deref() == Some(code)
    }

    fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body.get("error")?.as_str().map(str::to_owned)
    }
}

/// The innermost cause says what happened; the address is left out.
fn cause(error: &reqwest::Error) -> ProviderFault {
    if error.is_timeout() {
        return ProviderFault::Slow;
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    ProviderFault::Unreachable(cause.to_string().chars().filter(|character| !character.is_control()).take(200).collect())
}

/// Looks names up, and leaves out every address that may not be asked: what is connected to is what was looked at.
struct Resolver(Private);

/// A name leads nowhere that may be asked.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses alone")]
struct Nowhere;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| is_allowed(address.ip(), private)).collect();
            if allowed.is_empty() {
                return Err(Nowhere.into());
            }
            let allowed: Addrs = Box::new(allowed.into_iter());
            Ok(allowed)
        })
    }
}
