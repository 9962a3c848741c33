//! Providers as they are spoken to: discovery documents and keys, which are remembered, exchanges of codes, and what a provider tells of a person.
//!
//! Only the configured issuer is asked, and the addresses that its own document names. Everything is bounded in time and size.

mod address;
mod discovery;
mod fetch;
mod keys;

use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

pub use self::fetch::{CannotAsk, ProviderFault};
use self::{
    discovery::Discovery,
    fetch::{Asked, Fetcher},
    keys::Keys,
};
use crate::{
    clock::Clock,
    config::{ClientKey, OAuth, Provider as Settings, ProviderKind},
};

/// How long a provider may keep an operation of the API waiting, which itself has five seconds.
pub const IN_OPERATION: Duration = Duration::from_secs(4);
/// How long it may keep a browser waiting that it has sent back.
pub const IN_CALLBACK: Duration = Duration::from_secs(10);

/// All that are configured. Clones share them.
#[derive(Clone, Debug)]
pub struct Providers(Arc<[Provider]>);

/// One of them.
pub struct Provider {
    /// As configured.
    pub settings: Settings,
    fetcher: Fetcher,
    discovery: Discovery,
    keys: Keys,
}

/// What the provider's discovery document says, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether its answers always name it (RFC 9207).
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub names_itself: bool,
}

/// Where a person is sent, and with what.
pub struct Errand<'a> {
    /// Where they come back to.
    pub callback: &'a str,
    /// Names the trip.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// How long ago the person may have proved themselves there; only where that matters.
    pub max_age: Option<Duration>,
}

/// A code to be exchanged.
pub struct Exchange<'a> {
    /// As it came.
    pub code: &'a str,
    /// Where it came to.
    pub callback: &'a str,
    /// The PKCE verifier.
    pub verifier: &'a str,
    /// A client secret that was made for this.
    pub signed_secret: Option<&'a str>,
}

/// What a code was exchanged for. Nothing of it is kept.
#[derive(Deserialize)]
pub struct Granted {
    /// Who it is.
    pub id_token: String,
    access_token: Option<SecretString>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("id", &self.settings.id).finish_non_exhaustive()
    }
}

impl Providers {
    /// By the settings; nothing is asked yet.
    pub fn open(settings: &[Settings], oauth: &OAuth, clock: &Clock) -> Result<Self, CannotAsk> {
        let fetcher = Fetcher::new(oauth.allow_private_addresses)?;
        let of = |settings: &Settings| Provider {
            settings: settings.clone(),
            fetcher: fetcher.clone(),
            discovery: Discovery::new(clock.clone()),
            keys: Keys::new(clock.clone()),
        };
        Ok(Self(settings.iter().map(of).collect()))
    }

    /// The one with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Provider> {
        self.iter().find(|provider| provider.settings.id == id)
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Provider {
    /// Its discovery document, remembered for an hour.
    pub async fn document(&self, until: Instant) -> Result<Arc<Document>, ProviderFault> {
        let found = self.discovery.get(&self.fetcher, &self.settings.issuer, until).await;
        self.count("discovery", found)
    }

    /// The keys that it publishes, remembered for an hour.
    pub async fn keys(&self, document: &Document, until: Instant) -> Result<Arc<[Value]>, ProviderFault> {
        let found = self.keys.get(&self.fetcher, &document.jwks_uri, until).await;
        self.count("keys", found)
    }

    /// The same, asked anew for a key that is not among them; the old ones where it was asked a moment ago.
    pub async fn newer_keys(&self, document: &Document, until: Instant) -> Result<Arc<[Value]>, ProviderFault> {
        let found = self.keys.get_newer(&self.fetcher, &document.jwks_uri, until).await;
        self.count("keys", found)
    }

    /// Where a person is to be sent.
    #[must_use]
    pub fn authorization_url(&self, document: &Document, errand: &Errand<'_>, challenge: &str) -> Url {
        let mut url = document.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("redirect_uri", errand.callback)
                .append_pair("scope", &self.settings.scopes.join(" "))
                .append_pair("state", errand.state)
                .append_pair("nonce", errand.nonce)
                .append_pair("code_challenge", challenge)
                .append_pair("code_challenge_method", "S256");
            if self.settings.kind == ProviderKind::Apple {
                query.append_pair("response_mode", "form_post");
            }
            if let Some(age) = errand.max_age.filter(|_| self.knows_max_age()) {
                query.append_pair("max_age", &age.as_secs().to_string());
            }
        }
        url
    }

    /// Whether it can be asked for a proof that is no older than so long, and then tells when that was given. Google and Apple cannot.
    #[must_use]
    pub const fn knows_max_age(&self) -> bool {
        matches!(self.settings.kind, ProviderKind::Oidc | ProviderKind::Line)
    }

    /// Exchanges a code.
    ///
    /// How a client proves itself is the provider's choice, and its document does not say which of several ways it has registered us with: where
    /// one is refused, which happens before the code is looked at, the other is tried.
    pub async fn exchange(&self, document: &Document, exchange: &Exchange<'_>, until: Instant) -> Result<Granted, ProviderFault> {
        let found = self.exchange_in_some_way(document, exchange, until).await;
        self.count("token", found)
    }

    async fn exchange_in_some_way(&self, document: &Document, exchange: &Exchange<'_>, until: Instant) -> Result<Granted, ProviderFault> {
        let secret = match &self.settings.key {
            ClientKey::Secret(secret) => Some(secret.expose_secret()),
            ClientKey::None | ClientKey::Apple { .. } => None,
        };
        let Some(secret) = secret else {
            return self.ask_for_tokens(document, exchange, Proof::InBody(exchange.signed_secret), until).await?.read();
        };
        let (in_header, in_body) = (Proof::InHeader(secret), Proof::InBody(Some(secret)));
        let (first, other) = if self.prefers_header(document) { (in_header, in_body) } else { (in_body, in_header) };
        let answer = self.ask_for_tokens(document, exchange, first, until).await?;
        if !answer.says("invalid_client") {
            return answer.read();
        }
        self.ask_for_tokens(document, exchange, other, until).await?.read()
    }

    fn prefers_header(&self, document: &Document) -> bool {
        let takes = |method: &str| {
            let methods = document.token_endpoint_auth_methods_supported.as_ref();
            methods.is_none_or(|methods| methods.iter().any(|known| known == method))
        };
        match self.settings.kind {
            ProviderKind::Line | ProviderKind::Apple => false,
            ProviderKind::Google | ProviderKind::Oidc => takes("client_secret_basic") || !takes("client_secret_post"),
        }
    }

    async fn ask_for_tokens(
        &self,
        document: &Document,
        exchange: &Exchange<'_>,
        proof: Proof<'_>,
        until: Instant,
    ) -> Result<fetch::Answer, ProviderFault> {
        let (form, credentials) = self.token_request(exchange, proof);
        self.fetcher.ask(&document.token_endpoint, Asked::ForTokens { form, credentials }, until).await
    }

    /// The form, and what goes into the header beside it.
    fn token_request(&self, exchange: &Exchange<'_>, proof: Proof<'_>) -> (String, Option<(String, String)>) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", exchange.code)
            .append_pair("redirect_uri", exchange.callback)
            .append_pair("code_verifier", exchange.verifier);
        let credentials = match proof {
            Proof::InHeader(secret) => {
                // RFC 6749, 2.3.1: both are written as in a form first.
                let written = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                Some((written(&self.settings.client_id), written(secret)))
            }
            Proof::InBody(secret) => {
                form.append_pair("client_id", &self.settings.client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret);
                }
                None
            }
        };
        (form.finish(), credentials)
    }

    /// What it tells of a person beside the ID token; null where it tells nothing.
    pub async fn person(&self, document: &Document, granted: &Granted, until: Instant) -> Result<Value, ProviderFault> {
        let (Some(url), Some(token)) = (&document.userinfo_endpoint, &granted.access_token) else { return Ok(Value::Null) };
        let found = match self.fetcher.ask(url, Asked::AboutPerson(token), until).await {
            Ok(answer) => answer.read(),
            Err(fault) => Err(fault),
        };
        self.count("userinfo", found)
    }

    fn count<T>(&self, call: &'static str, found: Result<T, ProviderFault>) -> Result<T, ProviderFault> {
        if let Err(fault) = &found {
            metrics::counter!("postern_provider_failures_total", "provider" => self.settings.id.clone(), "call" => call).increment(1);
            tracing::warn!(provider.id = self.settings.id, call, %fault, "a provider did not answer as it should");
        }
        found
    }
}

/// How we prove to a provider who we are.
#[derive(Clone, Copy)]
enum Proof<'a> {
    InHeader(&'a str),
    InBody(Option<&'a str>),
}

impl Document {
    /// Every address in it that is asked or shown.
    fn addresses(&self) -> impl Iterator<Item = &Url> {
        [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri].into_iter().chain(&self.userinfo_endpoint)
    }
}
