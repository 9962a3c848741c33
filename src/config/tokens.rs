//! What access tokens say and how they are signed.

use std::time::Duration;

use super::{http::Http, reader::Reader, value::Value};

/// Settings of access tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// How new signing keys sign.
    pub algorithm: SigningAlgorithm,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`.
    pub audience: String,
    /// When a new signing key takes over.
    pub rotate_after: Duration,
}

/// How access tokens are signed (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Value for SigningAlgorithm {
    const FORM: &'static str = "ES256 or EdDSA";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "es256" => Some(Self::Es256),
            "eddsa" => Some(Self::EdDsa),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Es256 => "ES256".to_owned(),
            Self::EdDsa => "EdDSA".to_owned(),
        }
    }
}

/// Signing keys are kept this long after their time: no access token may live longer.
const LONGEST_ACCESS_TTL: Duration = Duration::from_mins(15);

impl Tokens {
    pub(super) fn read(reader: &mut Reader<'_>, http: &Http) -> Self {
        let base = http.public_base().to_owned();
        let issuer =
            reader.derived("tokens.issuer", (base, "http.public_url without a slash at its end"), "The claim iss of access tokens.");
        let tokens = Self {
            algorithm: reader.value("tokens.algorithm", SigningAlgorithm::Es256, "How access tokens are signed: ES256 or EdDSA."),
            access_ttl: reader.duration("tokens.access_ttl", Duration::from_mins(10), "How long an access token lives, at most 15min."),
            audience: reader.derived("tokens.audience", (issuer.clone(), "tokens.issuer"), "The claim aud of access tokens."),
            issuer,
            rotate_after: reader.duration("tokens.rotate_after", Duration::from_hours(90 * 24), "When a new signing key takes over."),
        };
        if tokens.access_ttl > LONGEST_ACCESS_TTL || tokens.access_ttl < Duration::from_secs(1) {
            reader.problem("tokens.access_ttl", "must be from 1s to 15min");
        }
        if tokens.rotate_after < Duration::from_hours(2) {
            reader.problem("tokens.rotate_after", "must be at least 2h: a key is published an hour before its use");
        }
        tokens
    }
}
