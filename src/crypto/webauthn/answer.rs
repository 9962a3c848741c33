//! Answers of authenticators as clients send them (Web Authentication Level 3, section 5.1): what is needed of them, and nothing else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rejected;

/// Longer credential ids are refused (section 7.1).
const LONGEST_ID: usize = 1023;
/// Kinds of transport that are remembered of a credential.
const MOST_TRANSPORTS: usize = 8;

/// An `AuthenticationResponseJSON` that can be read; nothing in it is proved yet.
pub struct Assertion {
    /// The passkey that it says it is of.
    pub credential_id: Vec<u8>,
    /// The user that it says it is of; `None` where it says nothing.
    pub user_handle: Option<Vec<u8>>,
    /// As the library reads it.
    pub(super) answer: Value,
}

impl Assertion {
    /// Reads it.
    pub fn parse(answer: &Value) -> Result<Self, Rejected> {
        let answer = Answer::<Signed>::deserialize(answer).map_err(|_| Rejected::Malformed)?;
        let credential_id = answer.raw_id()?;
        check_client_data(&answer.response.client_data_json)?;
        // Some clients write none as an empty one.
        let user_handle = answer.response.user_handle.as_deref().filter(|handle| !handle.is_empty());
        Ok(Self {
            credential_id,
            user_handle: user_handle.map(decode).transpose()?,
            answer: json!({
                "id": answer.id,
                "rawId": answer.raw_id,
                "type": answer.kind,
                "response": {
                    "clientDataJSON": answer.response.client_data_json,
                    "authenticatorData": answer.response.authenticator_data,
                    "signature": answer.response.signature,
                    "userHandle": user_handle,
                },
            }),
        })
    }
}

/// What both answers of an authenticator have; everything else in them is left aside.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<R> {
    pub(super) id: String,
    pub(super) raw_id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) response: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data_json: String,
    pub(super) attestation_object: String,
    pub(super) transports: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

/// What the library does not look at in the client data of an assertion.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Surroundings {
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

impl<R> Answer<R> {
    pub(super) fn raw_id(&self) -> Result<Vec<u8>, Rejected> {
        let id = decode(&self.raw_id)?;
        let is_sound = self.kind == "public-key" && self.id == self.raw_id && (1..=LONGEST_ID).contains(&id.len());
        is_sound.then_some(id).ok_or(Rejected::Malformed)
    }
}

pub(super) fn check_client_data(encoded: &str) -> Result<(), Rejected> {
    let around: Surroundings = serde_json::from_slice(&decode(encoded)?).map_err(|_| Rejected::Malformed)?;
    if around.cross_origin || around.top_origin.is_some() { Err(Rejected::Origin) } else { Ok(()) }
}

fn decode(text: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected::Malformed)
}

/// Hints that are handed back to clients later: words alone, and not many.
pub(super) fn transports(told: &[Value]) -> Vec<String> {
    let is_word = |text: &&str| (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let mut transports: Vec<String> = Vec::new();
    for word in told.iter().filter_map(Value::as_str).filter(is_word) {
        if transports.len() < MOST_TRANSPORTS && !transports.iter().any(|known| known == word) {
            transports.push(word.to_owned());
        }
    }
    transports
}
