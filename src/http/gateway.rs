//! What the transports share: the schema's entry, who authenticates, and the settings of HTTP and of sockets.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use async_graphql::{Data, Error};
use axum::http::{HeaderMap, header};
use futures::future::BoxFuture;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::{
    authenticate::{Authenticate, CookieUse, Credentials, Presented, presented},
    client_address::client_address,
    cookies::CookieStyle,
    origin::Origins,
    sockets::Sockets,
};
use crate::{
    clock::Clock,
    entropy::Entropy,
    flows::{
        caller::{Caller, Identity, Reason},
        receive_picture::Incoming,
    },
    graphql::{
        entry::{Entry, Prepared},
        error,
    },
};

/// Whether an address may ask now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Allowed,
    /// Too often.
    Limited {
        /// When it may again.
        retry_after: Duration,
    },
    /// Never: a denied address.
    Denied,
}

impl Admission {
    /// Why it may not.
    pub fn into_result(self) -> Result<(), Error> {
        match self {
            Self::Allowed => Ok(()),
            Self::Limited { retry_after } => Err(error::rate_limited(retry_after)),
            Self::Denied => Err(error::forbidden_because("ADDRESS_DENIED")),
        }
    }
}

/// Asked once per request and once per operation on a socket.
pub type Admit = Arc<dyn Fn(IpAddr) -> Admission + Send + Sync>;

/// What resolvers find in their context besides the caller and the cookies, made for each operation before anything of it is read, even
/// who asks.
pub type RequestData = Arc<dyn Fn(&Prepared) -> BoxFuture<'static, Data> + Send + Sync>;

/// Lets the file of a caller in who is known and allowed to send one.
pub type AdmitFile = Arc<dyn Fn(Arc<Caller>) -> BoxFuture<'static, Result<Incoming, Error>> + Send + Sync>;

/// How the transports behave.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Names and marks of cookies.
    pub cookies: CookieStyle,
    /// Who may call from a browser.
    pub origins: Origins,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Languages of messages, the first one the deployment's own.
    pub locales: Vec<String>,
    /// Whether `Strict-Transport-Security` is sent.
    pub https: bool,
    /// Whether queries may come by GET.
    pub get_queries: bool,
    /// Whether a browser gets GraphiQL.
    pub graphiql: bool,
    /// Bytes of a body or a socket's frame.
    pub max_body_bytes: usize,
    /// How long a body may take to come.
    pub body_timeout: Duration,
    /// Of sockets.
    pub sockets: SocketSettings,
}

/// How sockets and streams behave.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Sockets and streams of one user.
    pub per_user: usize,
    /// Sockets and streams of one address that belong to nobody (yet).
    pub anonymous_per_ip: usize,
    /// Subscriptions on one socket.
    pub subscriptions: usize,
    /// How long one may live.
    pub max_age: Duration,
    /// How long `connection_init` may take.
    pub init_timeout: Duration,
    /// How often an idle one is asked whether it still lives; without an answer for two of these it is dropped.
    pub ping_every: Duration,
    /// How long one message may take to be sent: a slow reader is dropped.
    pub send_timeout: Duration,
    /// How long the streams of an ended session may take to tell their last events.
    pub farewell: Duration,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            per_user: 20,
            anonymous_per_ip: 100,
            subscriptions: 10,
            max_age: Duration::from_hours(12),
            init_timeout: Duration::from_secs(5),
            ping_every: Duration::from_secs(25),
            send_timeout: Duration::from_secs(10),
            farewell: Duration::from_millis(700),
        }
    }
}

/// Everything that a transport needs.
pub struct Gateway<E> {
    /// The schema behind its limits.
    pub entry: Entry<E>,
    /// Who knows sessions.
    pub authenticate: Arc<dyn Authenticate>,
    /// Who may ask now.
    pub admit: Admit,
    /// What resolvers find in their context.
    pub request_data: RequestData,
    /// Who may send a file now.
    pub admit_file: AdmitFile,
    /// How the transports behave.
    pub settings: HttpSettings,
    /// The time of request ids.
    pub clock: Clock,
    /// The randomness of request ids.
    pub entropy: Entropy,
    /// Cancelled when the program stops: sockets and streams close.
    pub shutdown: CancellationToken,
    /// The open sockets and streams.
    pub sockets: Arc<Sockets>,
}

impl<E> fmt::Debug for Gateway<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway")
    }
}

/// A request before it is known who asks.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Goes with the answer, the log and the audit rows.
    pub request_id: String,
    /// The client's address.
    pub ip: IpAddr,
    /// As in [`Caller::method`].
    pub method: &'static str,
    /// As in [`Caller::path`].
    pub path: &'static str,
}

/// Longer user agents are cut.
const LONGEST_USER_AGENT: usize = 512;

impl<E> Gateway<E> {
    /// Notes the arrival of a request from `peer`.
    pub fn arrival(&self, peer: IpAddr, headers: &HeaderMap, method: &'static str, path: &'static str) -> Arrival {
        Arrival { request_id: self.request_id(), ip: client_address(peer, headers, &self.settings.trusted_proxies), method, path }
    }

    /// A new request id.
    pub fn request_id(&self) -> String {
        self.entropy.uuid(self.clock.now()).to_string()
    }

    /// Refuses an address that asks too often or is denied.
    pub fn admitted(&self, ip: IpAddr) -> Result<(), Error> {
        (self.admit)(ip).into_result()
    }

    /// Reads what a request presents.
    pub fn presented(&self, headers: &HeaderMap, cookies: CookieUse) -> Presented {
        presented(headers, self.settings.cookies, cookies)
    }

    /// Finds out whose credentials these are.
    pub async fn identify(&self, credentials: Credentials) -> Identity {
        match credentials {
            Credentials::Nothing => Identity::Anonymous,
            Credentials::Unreadable => Identity::Refused(Reason::TokenInvalid),
            token @ Credentials::AccessToken(_) => self.authenticate.authenticate(token).await,
        }
    }

    /// The caller of a request.
    pub fn caller(
        &self,
        arrival: Arrival,
        headers: &HeaderMap,
        device_token: Option<String>,
        refresh_cookie: Option<String>,
        identity: Identity,
    ) -> Caller {
        Caller {
            request_id: arrival.request_id,
            ip: arrival.ip,
            user_agent: headers.get(header::USER_AGENT).map(|value| cut(&String::from_utf8_lossy(value.as_bytes()))),
            locale: self.locale(headers),
            device_token,
            refresh_cookie,
            method: arrival.method,
            path: arrival.path,
            params: None,
            identity,
        }
    }

    /// The supported language that the client likes most.
    pub(super) fn locale(&self, headers: &HeaderMap) -> Option<String> {
        let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(f32, &String)> = None;
        for range in wanted.split(',').take(16) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let quality = parts.find_map(|part| part.trim().strip_prefix("q=")?.trim().parse().ok()).unwrap_or(1.0);
            let primary = tag.split('-').next().unwrap_or_default();
            let known = self.settings.locales.iter().find(|known| known.eq_ignore_ascii_case(tag) || known.eq_ignore_ascii_case(primary));
            if let Some(known) = known
                && quality > best.map_or(0.0, |(quality, _)| quality)
            {
                best = Some((quality, known));
            }
        }
        best.map(|(_, known)| known.clone())
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_USER_AGENT).collect()
}
