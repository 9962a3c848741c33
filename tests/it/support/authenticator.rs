//! An authenticator in software: makes a passkey and answers with it, rightly or as an attacker would have it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use postern::entropy::Entropy;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Flags of the authenticator data.
pub const USER_PRESENT: u8 = 1;
pub const USER_VERIFIED: u8 = 1 << 2;
pub const BACKUP_ELIGIBLE: u8 = 1 << 3;
pub const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;

/// One with a single passkey. What is public may be changed before it answers.
#[derive(Clone)]
pub struct Authenticator {
    key: SigningKey,
    pub credential_id: Vec<u8>,
    /// Of the user it was made for, once it was.
    pub user_handle: Option<Vec<u8>>,
    /// The page that asks.
    pub origin: String,
    /// Whether that page is within a foreign one.
    pub cross_origin: bool,
    /// Another relying party than the one that asks.
    pub rp_id: Option<String>,
    /// Another type of client data than the right one.
    pub client_data_type: Option<&'static str>,
    /// Another challenge than the one that was sent.
    pub challenge: Option<Value>,
    pub flags: u8,
    /// Before the next answer. An authenticator without a counter stays at 0.
    pub counter: u32,
    pub counts: bool,
    pub transports: Vec<&'static str>,
}

impl Authenticator {
    /// Bound to one device, with a counter, as a security key is.
    pub fn security_key(origin: &str) -> Self {
        let entropy = Entropy::system();
        let key = std::iter::repeat_with(|| SigningKey::from_slice(&entropy.bytes::<32>())).find_map(Result::ok).unwrap();
        Self {
            key,
            credential_id: entropy.bytes::<32>().to_vec(),
            user_handle: None,
            origin: origin.to_owned(),
            cross_origin: false,
            rp_id: None,
            client_data_type: None,
            challenge: None,
            flags: USER_PRESENT | USER_VERIFIED,
            counter: 0,
            counts: true,
            transports: vec!["usb", "nfc"],
        }
    }

    /// Copied between devices, without a counter, as a phone's is.
    pub fn phone(origin: &str) -> Self {
        let flags = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP;
        Self { flags, counts: false, transports: vec!["hybrid", "internal"], ..Self::security_key(origin) }
    }

    /// Makes the passkey: `RegistrationResponseJSON`.
    pub fn create(&mut self, options: &Value) -> Value {
        self.user_handle = Some(decode(&options["user"]["id"]));
        let rp_id = options["rp"]["id"].as_str().unwrap();
        let mut data = self.authenticator_data(rp_id, HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential_id.len()).unwrap().to_be_bytes());
        data.extend(&self.credential_id);
        data.extend(self.cose_key());
        let attestation = map(&[(text("fmt"), text("none")), (text("attStmt"), map(&[])), (text("authData"), bytes(&data))]);
        let client_data = self.client_data("webauthn.create", options);
        json!({
            "id": encode(&self.credential_id),
            "rawId": encode(&self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
            "response": {
                "clientDataJSON": encode(client_data.as_bytes()),
                "attestationObject": encode(&attestation),
                "authenticatorData": encode(&data),
                "publicKeyAlgorithm": -7,
                "transports": self.transports,
            },
        })
    }

    /// Answers with it: `AuthenticationResponseJSON`.
    pub fn get(&mut self, options: &Value) -> Value {
        self.counter += u32::from(self.counts);
        let rp_id = options["rpId"].as_str().unwrap();
        let data = self.authenticator_data(rp_id, 0);
        let client_data = self.client_data("webauthn.get", options);
        let signed = [data.as_slice(), Sha256::digest(client_data.as_bytes()).as_slice()].concat();
        let signature: Signature = self.key.sign(&signed);
        json!({
            "id": encode(&self.credential_id),
            "rawId": encode(&self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(client_data.as_bytes()),
                "authenticatorData": encode(&data),
                "signature": encode(signature.to_der().as_bytes()),
                "userHandle": self.user_handle.as_deref().map(encode),
            },
        })
    }

    fn authenticator_data(&self, rp_id: &str, more_flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id.as_deref().unwrap_or(rp_id).as_bytes()).to_vec();
        data.push(self.flags | more_flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let challenge = self.challenge.as_ref().unwrap_or(&options["challenge"]);
        let mut client_data = json!({
            "type": self.client_data_type.unwrap_or(kind),
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        });
        if self.cross_origin {
            client_data["topOrigin"] = json!("https://evil.example");
        }
        client_data.to_string()
    }

    /// RFC 9053: ES256 on P-256.
    fn cose_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().unwrap(), point.y().unwrap());
        map(&[(number(1), number(2)), (number(3), number(-7)), (number(-1), number(1)), (number(-2), bytes(x)), (number(-3), bytes(y))])
    }
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().expect("a text")).expect("base64url")
}

// ---- CBOR (RFC 8949), as much as it takes --------------------------------------------------------------------------

fn head(major: u8, value: u64) -> Vec<u8> {
    let (short, bytes) = match value {
        0..=23 => (u8::try_from(value).unwrap(), Vec::new()),
        24..=0xff => (24, vec![u8::try_from(value).unwrap()]),
        0x100..=0xffff => (25, u16::try_from(value).unwrap().to_be_bytes().to_vec()),
        _ => (26, u32::try_from(value).unwrap().to_be_bytes().to_vec()),
    };
    [vec![(major << 5) + short], bytes].concat()
}

fn number(value: i64) -> Vec<u8> {
    if value < 0 { head(1, (-1 - value).unsigned_abs()) } else { head(0, value.unsigned_abs()) }
}

fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len() as u64), value.to_vec()].concat()
}

fn text(value: &str) -> Vec<u8> {
    [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
}

fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let written: Vec<u8> = entries.iter().flat_map(|(key, value)| [key.as_slice(), value.as_slice()].concat()).collect();
    [head(5, entries.len() as u64), written].concat()
}
