//! A provider of the tests' own: it speaks as OpenID Connect asks, and lies or fails in whichever way it is told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use postern::{
    clock::Clock,
    config::{ClientKey, Provider as Settings, ProviderKind},
    entropy::Entropy,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

/// What the provider calls the deployment.
pub const CLIENT: &str = "postern-at-the-provider";
/// By what it knows it.
pub const SECRET: &str = "a secret & a percent % that both know";

/// A person with an account at the provider.
#[derive(Clone, Debug)]
pub struct Person {
    /// Claims beside those that every token has.
    pub claims: Value,
}

impl Person {
    pub fn new(sub: &str) -> Self {
        Self { claims: json!({"sub": sub}) }
    }

    /// With an address that the provider proved.
    pub fn with_email(sub: &str, email: &str) -> Self {
        Self { claims: json!({"sub": sub, "email": email, "email_verified": true}) }
    }
}

/// How the provider lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    AlgorithmNone,
    NoSignature,
    WrongKey,
    WrongKeyWithOwnName,
    SymmetricWithPublicKey,
    WrongIssuer,
    OtherAudience,
    SeveralAudiences,
    OtherParty,
    WrongNonce,
    NoNonce,
    Expired,
    NoExpiry,
    FromTheFuture,
    NotYet,
    NoSubject,
    EmptySubject,
    UnknownKey,
    Critical,
    NotAToken,
}

pub const LIES: [Lie; 20] = [
    Lie::AlgorithmNone,
    Lie::NoSignature,
    Lie::WrongKey,
    Lie::WrongKeyWithOwnName,
    Lie::SymmetricWithPublicKey,
    Lie::WrongIssuer,
    Lie::OtherAudience,
    Lie::SeveralAudiences,
    Lie::OtherParty,
    Lie::WrongNonce,
    Lie::NoNonce,
    Lie::Expired,
    Lie::NoExpiry,
    Lie::FromTheFuture,
    Lie::NotYet,
    Lie::NoSubject,
    Lie::EmptySubject,
    Lie::UnknownKey,
    Lie::Critical,
    Lie::NotAToken,
];

/// How a path of the provider fails.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// It answers after so long.
    Slow(Duration),
    /// It sends and sends.
    Huge,
    /// It sends whoever asks elsewhere.
    Redirect(String),
    /// It answers with a status.
    Status(u16),
    /// It answers with something else.
    Text(&'static str),
}

/// How it proves its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// By a published key.
    Es256,
    /// By the secret of the client, as LINE does.
    Hs256,
}

struct Granted {
    nonce: Option<String>,
    challenge: String,
    redirect_uri: String,
    person: Person,
}

struct Inner {
    key: EncodingKey,
    public: Value,
    other_key: EncodingKey,
    signing: Signing,
    clock: Clock,
    document: Value,
    codes: HashMap<String, Granted>,
    people: HashMap<String, Person>,
    lie: Option<Lie>,
    troubles: HashMap<&'static str, Trouble>,
    calls: HashMap<String, usize>,
    kid: String,
    /// Whether claims of a person stand in the ID token, or are told to whoever asks.
    tells_in_token: bool,
    takes_secret_in: &'static str,
    apples: Option<(String, String)>,
    serial: usize,
    /// What the last exchange came with, for a test to look at.
    last_exchange: HashMap<String, String>,
}

/// A running provider; its tasks end with the test.
#[derive(Clone)]
pub struct FakeProvider {
    pub issuer: String,
    inner: Arc<Mutex<Inner>>,
}

fn key_pair(seed: u64) -> (EncodingKey, Value, String) {
    let secret = p256::SecretKey::from_slice(&Entropy::seeded(seed).bytes::<32>()).unwrap();
    let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    (key, serde_json::to_value(jwk).unwrap(), pem)
}

/// A private key as Apple gives it out, and its public part.
pub fn apples_key() -> (String, Value) {
    let (_, public, pem) = key_pair(77);
    (pem, public)
}

impl FakeProvider {
    pub async fn start(clock_of: Option<&Clock>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let issuer = format!("http://{address}");
        let (key, mut public, _) = key_pair(u64::from(address.port()));
        let (other_key, ..) = key_pair(u64::from(address.port()) + 100_000);
        public["kid"] = json!("one");
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize?prompted=yes"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        let inner = Inner {
            key,
            public,
            other_key,
            signing: Signing::Es256,
            clock: clock_of.cloned().unwrap_or_else(Clock::system),
            document,
            codes: HashMap::new(),
            people: HashMap::new(),
            lie: None,
            troubles: HashMap::new(),
            calls: HashMap::new(),
            kid: "one".to_owned(),
            tells_in_token: true,
            takes_secret_in: "header",
            apples: None,
            serial: 0,
            last_exchange: HashMap::new(),
        };
        let provider = Self { issuer, inner: Arc::new(Mutex::new(inner)) };
        let routes = Router::new().fallback(any(answer)).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    /// As the settings have it.
    pub fn settings(&self, id: &str, kind: ProviderKind) -> Settings {
        Settings {
            id: id.to_owned(),
            kind,
            name: format!("The {id}"),
            client_id: CLIENT.to_owned(),
            key: ClientKey::Secret(SECRET.to_owned().into()),
            issuer: self.issuer.clone(),
            scopes: ["openid", "email"].map(str::to_owned).to_vec(),
            link_by_email: true,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap())
    }

    pub fn follow(&self, clock: &Clock) {
        self.change(|inner| inner.clock = clock.clone());
    }

    pub fn lies(&self, lie: Option<Lie>) {
        self.change(|inner| inner.lie = lie);
    }

    pub fn signs(&self, signing: Signing) {
        self.change(|inner| inner.signing = signing);
    }

    pub fn tells_in_token(&self, tells: bool) {
        self.change(|inner| inner.tells_in_token = tells);
    }

    /// `header` or `body`.
    pub fn takes_secret_in(&self, place: &'static str) {
        self.change(|inner| inner.takes_secret_in = place);
    }

    /// Takes no other secret than one that this team's key (by `apples_key`) signed.
    pub fn is_apple(&self, team: &str, key_id: &str) {
        self.change(|inner| inner.apples = Some((team.to_owned(), key_id.to_owned())));
    }

    pub fn fails(&self, path: &'static str, trouble: Option<Trouble>) {
        self.change(|inner| match trouble {
            Some(trouble) => drop(inner.troubles.insert(path, trouble)),
            None => drop(inner.troubles.remove(path)),
        });
    }

    /// Changes what the discovery document says.
    pub fn says(&self, name: &str, value: Value) {
        self.change(|inner| inner.document[name] = value);
    }

    /// Signs with a new key from now on.
    pub fn rotates(&self, seed: u64, kid: &str) {
        let (key, mut public, _) = key_pair(seed);
        public["kid"] = json!(kid);
        self.change(|inner| (inner.key, inner.public, inner.kid) = (key, public, kid.to_owned()));
    }

    /// How often a path was asked.
    pub fn calls(&self, path: &str) -> usize {
        self.change(|inner| inner.calls.get(path).copied().unwrap_or_default())
    }

    /// What the last exchange came with.
    pub fn last_exchange(&self) -> HashMap<String, String> {
        self.change(|inner| inner.last_exchange.clone())
    }

    /// A person says yes at the address that the browser was sent to; where the browser is sent back to.
    pub fn approves(&self, authorization_url: &str, person: &Person) -> String {
        let (url, asked) = read(authorization_url);
        assert!(url.starts_with(&format!("{}/authorize", self.issuer)), "{authorization_url}");
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
        assert_eq!((asked["prompted"].as_str(), asked["code_challenge_method"].as_str()), ("yes", "S256"));
        assert!(asked["state"].len() >= 43 && asked["nonce"].len() >= 43, "E1: at least 128 bits");
        let code = self.change(|inner| {
            inner.serial += 1;
            let code = format!("code {} of the provider", inner.serial);
            let granted = Granted {
                nonce: asked.get("nonce").cloned(),
                challenge: asked["code_challenge"].clone(),
                redirect_uri: asked["redirect_uri"].clone(),
                person: person.clone(),
            };
            inner.codes.insert(code.clone(), granted);
            code
        });
        back(&asked, &[("code", &code)])
    }

    /// A person says no.
    pub fn refuses(&self, authorization_url: &str, error: &str) -> String {
        assert!(authorization_url.starts_with(&self.issuer), "{authorization_url}");
        back(&read(authorization_url).1, &[("error", error)])
    }
}

/// What an address was asked for with, without its query and by it.
pub fn read(url: &str) -> (String, HashMap<String, String>) {
    let url = url::Url::parse(url).unwrap();
    (url.as_str().split('?').next().unwrap().to_owned(), url.query_pairs().into_owned().collect())
}

fn back(asked: &HashMap<String, String>, with: &[(&str, &str)]) -> String {
    let mut pairs = with.to_vec();
    pairs.push(("state", &asked["state"]));
    url::Url::parse_with_params(&asked["redirect_uri"], pairs).unwrap().into()
}

async fn answer(State(provider): State<FakeProvider>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let trouble = provider.change(|inner| {
        *inner.calls.entry(path.clone()).or_default() += 1;
        inner.troubles.get(path.as_str()).cloned()
    });
    match trouble {
        None => {}
        Some(Trouble::Slow(time)) => tokio::time::sleep(time).await,
        Some(Trouble::Huge) => {
            let megabyte = Bytes::from(vec![b' '; 1 << 20]);
            let stream = futures::stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(megabyte.clone())));
            return Response::new(Body::from_stream(stream));
        }
        Some(Trouble::Redirect(to)) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Trouble::Status(status)) => return StatusCode::from_u16(status).unwrap().into_response(),
        Some(Trouble::Text(text)) => return text.into_response(),
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    match path.as_str() {
        "/.well-known/openid-configuration" => json_of(200, &provider.change(|inner| inner.document.clone())),
        "/keys" => json_of(200, &provider.change(|inner| json!({"keys": [{"kty": "oct", "k": "AAAA"}, inner.public.clone()]}))),
        "/token" => {
            let form = form_urlencoded::parse(&body).into_owned().collect();
            provider.change(|inner| inner.exchange(&provider.issuer, &head.headers, &form))
        }
        "/me" => provider.change(|inner| inner.person(&head.headers)),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn json_of(status: u16, value: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn oauth_error(status: u16, error: &str) -> Response {
    json_of(status, &json!({"error": error}))
}

impl Inner {
    fn exchange(&mut self, issuer: &str, headers: &HeaderMap, form: &HashMap<String, String>) -> Response {
        self.last_exchange.clone_from(form);
        if !self.is_client(issuer, headers, form) {
            return oauth_error(401, "invalid_client");
        }
        let code = form.get("code").cloned().unwrap_or_default();
        let Some(granted) = self.codes.remove(&code) else { return oauth_error(400, "invalid_grant") };
        let verifier = form.get("code_verifier").cloned().unwrap_or_default();
        let is_same = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == granted.challenge;
        if !is_same || form.get("redirect_uri") != Some(&granted.redirect_uri) || form["grant_type"] != "authorization_code" {
            return oauth_error(400, "invalid_grant");
        }
        let access_token = format!("access {code}");
        self.people.insert(access_token.clone(), granted.person.clone());
        let id_token = self.id_token(issuer, &granted);
        json_of(
            200,
            &json!({"access_token": access_token, "token_type": "Bearer", "id_token": id_token, "refresh_token": "canary-refresh"}),
        )
    }

    fn is_client(&self, issuer: &str, headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
        let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if let Some((team, key_id)) = &self.apples {
            let public = serde_json::from_value(apples_key().1).unwrap();
            let mut rules = Validation::new(Algorithm::ES256);
            rules.set_audience(&[issuer]);
            rules.set_issuer(&[team]);
            rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
            rules.validate_exp = false;
            let Ok(token) = jsonwebtoken::decode::<Value>(text("client_secret"), &DecodingKey::from_jwk(&public).unwrap(), &rules) else {
                return false;
            };
            let now = self.clock.now().millis() / 1000;
            let lasts = token.claims["exp"].as_i64().unwrap() - now;
            return token.header.kid.as_ref() == Some(key_id) && token.claims["sub"] == CLIENT && lasts > 0 && lasts <= 600;
        }
        if self.takes_secret_in == "body" {
            return text("client_id") == CLIENT && text("client_secret") == SECRET && !headers.contains_key(header::AUTHORIZATION);
        }
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let sent = sent.and_then(|sent| String::from_utf8(STANDARD.decode(sent).ok()?).ok()).unwrap_or_default();
        let written = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        sent == format!("{}:{}", written(CLIENT), written(SECRET))
    }

    fn person(&self, headers: &HeaderMap) -> Response {
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        match token.and_then(|token| self.people.get(token)) {
            Some(person) => json_of(200, &person.claims),
            None => oauth_error(401, "invalid_token"),
        }
    }

    fn id_token(&self, issuer: &str, granted: &Granted) -> String {
        let now = self.clock.now().millis() / 1000;
        let mut claims = if self.tells_in_token { granted.person.claims.clone() } else { json!({"sub": granted.person.claims["sub"]}) };
        let mut set = |name: &str, value: Value| {
            if claims.get(name).is_none() {
                claims[name] = value;
            }
        };
        set("iss", json!(issuer));
        set("aud", json!(CLIENT));
        set("iat", json!(now));
        set("exp", json!(now + 300));
        set("nonce", json!(granted.nonce));
        set("auth_time", json!(now));
        let mut header = Header::new(if self.signing == Signing::Hs256 { Algorithm::HS256 } else { Algorithm::ES256 });
        header.kid = (self.signing == Signing::Es256).then(|| self.kid.clone());
        match self.lie {
            Some(Lie::WrongIssuer) => claims["iss"] = json!("https://accounts.example"),
            Some(Lie::OtherAudience) => claims["aud"] = json!("another client"),
            Some(Lie::SeveralAudiences) => claims["aud"] = json!([CLIENT, "another client"]),
            Some(Lie::OtherParty) => claims["azp"] = json!("another client"),
            Some(Lie::WrongNonce) => claims["nonce"] = json!("of another trip"),
            Some(Lie::NoNonce) => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Some(Lie::Expired) => claims["exp"] = json!(now - 61),
            Some(Lie::NoExpiry) => drop(claims.as_object_mut().unwrap().remove("exp")),
            Some(Lie::FromTheFuture) => claims["iat"] = json!(now + 61),
            Some(Lie::NotYet) => claims["nbf"] = json!(now + 61),
            Some(Lie::NoSubject) => drop(claims.as_object_mut().unwrap().remove("sub")),
            Some(Lie::EmptySubject) => claims["sub"] = json!(""),
            Some(Lie::UnknownKey) => header.kid = Some(format!("invented {}", self.serial)),
            Some(Lie::WrongKeyWithOwnName) => header.kid = Some("mine".to_owned()),
            Some(Lie::NotAToken) => return "not.a.token".to_owned(),
            _ => {}
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let symmetric = |secret: &[u8], header: &Header| jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(secret)).unwrap();
        match (self.lie, self.signing) {
            (Some(Lie::AlgorithmNone), _) => format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&claims)),
            (Some(Lie::NoSignature), _) => {
                let token = jsonwebtoken::encode(&header, &claims, &self.any_key()).unwrap();
                format!("{}.", token.rsplit_once('.').unwrap().0)
            }
            (Some(Lie::Critical), _) => {
                let header = json!({"alg": "ES256", "kid": self.kid, "crit": ["b64"], "b64": false});
                let message = format!("{}.{}", part(&header), part(&claims));
                let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256).unwrap();
                format!("{message}.{signature}")
            }
            (Some(Lie::WrongKey | Lie::WrongKeyWithOwnName), Signing::Es256) => {
                jsonwebtoken::encode(&header, &claims, &self.other_key).unwrap()
            }
            (Some(Lie::WrongKey | Lie::WrongKeyWithOwnName), Signing::Hs256) => symmetric(b"another secret", &header),
            (Some(Lie::SymmetricWithPublicKey), _) => {
                let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::HS256) };
                symmetric(self.public.to_string().as_bytes(), &header)
            }
            (_, Signing::Es256) => jsonwebtoken::encode(&header, &claims, &self.key).unwrap(),
            (_, Signing::Hs256) => symmetric(SECRET.as_bytes(), &header),
        }
    }

    fn any_key(&self) -> EncodingKey {
        match self.signing {
            Signing::Es256 => self.key.clone(),
            Signing::Hs256 => EncodingKey::from_secret(SECRET.as_bytes()),
        }
    }
}
