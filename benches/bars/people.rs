//! Accounts to measure with, and what their owners do over HTTP.

use entity::users::{Model, Status};
use postern::{
    clock::Clock,
    crypto::password_hash::{Costs, hash_alone},
    entropy::Entropy,
    storage::{database::Database, users},
};
use serde_json::{Value, json};

use super::gateway::Gateway;

/// Everybody's password.
pub const PASSWORD: &str = "plum-Kettle 47 sundial";
/// Somebody's password, but nobody's here.
pub const WRONG_PASSWORD: &str = "plum-Kettle 48 sundial";
/// The default parameters of the program.
pub const COSTS: Costs = Costs { memory_kib: 19_456, passes: 2, lanes: 1 };

const SIGN_IN: &str = "mutation ($input: SignInInput!) { signIn(input: $input) { outcome { __typename ... on SignedIn {
    session { id } tokens { accessToken deviceToken refreshToken } } } problems { code } } }";

/// Adds accounts `{name}{n}@example.com`; they are written rather than signed up, since that is not what is measured.
pub async fn add(database: &Database, name: &str, count: usize, status: Status) {
    add_with(database, name, count, |user| user.status = status).await;
}

/// The same, each one changed.
pub async fn add_with(database: &Database, name: &str, count: usize, change: impl Fn(&mut Model)) {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let hash = hash_alone(COSTS, PASSWORD.as_bytes(), &entropy.bytes()).unwrap();
    for number in 0..count {
        let now = clock.now();
        let mut user = Model {
            email: Some(email(name, number)),
            email_verified_at: Some(now),
            password_hash: Some(hash.clone()),
            ..Model::new(entropy.uuid(now), now)
        };
        change(&mut user);
        users::insert(database.write(), user).await.unwrap();
    }
}

pub fn email(name: &str, number: usize) -> String {
    format!("{name}{number}@example.com")
}

/// A session of somebody's.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    pub access_token: String,
    pub device_token: String,
    pub refresh_token: String,
}

/// Speaks to an instance.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
}

impl Client {
    pub fn of(gateway: &Gateway) -> Self {
        let http = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build().unwrap();
        Self { http, url: format!("http://{}/graphql", gateway.address) }
    }

    /// Sends an operation; `header` is a name and a value.
    pub async fn ask(&self, query: &str, variables: Value, header: Option<(&str, &str)>) -> Value {
        let mut request = self.http.post(&self.url).json(&json!({"query": query, "variables": variables}));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Tries to sign in, from a device or a new one; answers the payload, or none where there were too many.
    pub async fn try_sign_in(&self, email: &str, password: &str, device: Option<&str>) -> Option<Value> {
        let input = json!({"input": {"identifier": email, "password": password, "tokenDelivery": "BODY"}});
        let mut answer = self.ask(SIGN_IN, input, device.map(|token| ("postern-device", token))).await;
        if answer["errors"][0]["extensions"]["code"] == "OVERLOADED" {
            return None;
        }
        assert!(answer["errors"].is_null(), "{answer}");
        Some(answer["data"]["signIn"].take())
    }

    /// Signs in with the right password.
    pub async fn sign_in(&self, email: &str, device: Option<&str>) -> Session {
        let payload = self.try_sign_in(email, PASSWORD, device).await.expect("few sign in");
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{payload}")).to_owned();
        Session {
            id: text("/outcome/session/id"),
            access_token: text("/outcome/tokens/accessToken"),
            device_token: text("/outcome/tokens/deviceToken"),
            refresh_token: text("/outcome/tokens/refreshToken"),
        }
    }

    /// Ends a session of one's own.
    pub async fn revoke(&self, by: &Session, session_id: &str) {
        const REVOKE: &str = "mutation ($input: RevokeSessionInput!) { revokeSession(input: $input) { problems { code } } }";
        let bearer = format!("Bearer {}", by.access_token);
        let answer = self.ask(REVOKE, json!({"input": {"sessionId": session_id}}), Some(("authorization", &bearer))).await;
        assert_eq!(answer["data"]["revokeSession"]["problems"], json!([]), "{answer}");
    }
}
