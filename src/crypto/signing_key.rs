//! The keys that sign access tokens: made, written down (PKCS#8), published (RFC 7517) and named by thumbprint (RFC 7638).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{clock::Timestamp, entropy::Entropy};

/// How access tokens may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518).
    Es256,
    /// Ed25519 (RFC 8037).
    EdDsa,
}

impl Algorithm {
    /// As JOSE writes it: `ES256`, `EdDSA`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads what [`Self::as_str`] writes, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa].into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// When a key is shown, used and put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From then on the JWKS shows it.
    pub publish_at: Timestamp,
    /// From then on it may sign.
    pub activate_at: Timestamp,
    /// From then on another one signs; what it signed holds for the life of an access token more.
    pub retire_at: Option<Timestamp>,
}

/// A signing key with its times. The private part is wiped when it goes, and never shown.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    private_pkcs8: Zeroizing<Vec<u8>>,
    public: Public,
    /// When it is shown, used and put away.
    pub schedule: Schedule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Public {
    P256 { x: String, y: String },
    Ed25519 { x: String },
}

/// The private key cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key of its algorithm")]
pub struct BadKey;

impl SigningKey {
    /// A new one.
    pub fn generate(algorithm: Algorithm, entropy: &Entropy, schedule: Schedule) -> Result<Self, BadKey> {
        let private_pkcs8 = match algorithm {
            Algorithm::Es256 => random_p256(entropy).to_pkcs8_der().map_err(|_| BadKey)?.to_bytes(),
            Algorithm::EdDsa => {
                let seed = Zeroizing::new(entropy.bytes::<32>());
                ed25519_dalek::SigningKey::from_bytes(&seed).to_pkcs8_der().map_err(|_| BadKey)?.to_bytes()
            }
        };
        Self::from_pkcs8(algorithm, private_pkcs8, schedule)
    }

    /// From the private key as PKCS#8 (DER); public part and name are derived from it, so that neither can be slipped in from elsewhere.
    pub fn from_pkcs8(algorithm: Algorithm, private_pkcs8: Zeroizing<Vec<u8>>, schedule: Schedule) -> Result<Self, BadKey> {
        let public = match algorithm {
            Algorithm::Es256 => {
                let secret = p256::SecretKey::from_pkcs8_der(&private_pkcs8).map_err(|_| BadKey)?;
                let point = secret.public_key().to_sec1_point(false);
                let (Some(x), Some(y)) = (point.x(), point.y()) else { return Err(BadKey) };
                Public::P256 { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }
            }
            Algorithm::EdDsa => {
                let secret = ed25519_dalek::SigningKey::from_pkcs8_der(&private_pkcs8).map_err(|_| BadKey)?;
                Public::Ed25519 { x: URL_SAFE_NO_PAD.encode(secret.verifying_key().as_bytes()) }
            }
        };
        Ok(Self { algorithm, kid: public.thumbprint(), private_pkcs8, public, schedule })
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its RFC 7638 thumbprint: 43 characters.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key as PKCS#8 (DER): to be sealed.
    #[must_use]
    pub fn private_pkcs8(&self) -> &[u8] {
        &self.private_pkcs8
    }

    /// The public key as JWKs are published: `kty`, `crv`, coordinates, `use`, `alg`, `kid`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let (alg, kid) = (self.algorithm.as_str(), &self.kid);
        match &self.public {
            Public::P256 { x, y } => json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": alg, "kid": kid }),
            Public::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": alg, "kid": kid }),
        }
    }

    pub(super) const fn public(&self) -> &Public {
        &self.public
    }
}

impl Public {
    /// RFC 7638: the SHA-256 of the required members, in alphabetical order and without blanks.
    fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::P256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

/// A scalar below the group's order, by drawing again where it is not (once in 2^32).
fn random_p256(entropy: &Entropy) -> p256::SecretKey {
    loop {
        let candidate = Zeroizing::new(entropy.bytes::<32>());
        if let Ok(secret) = p256::SecretKey::from_slice(&*candidate) {
            return secret;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { publish_at: Timestamp::from_millis(0), activate_at: Timestamp::from_millis(0), retire_at: None };

    #[test]
    fn a_key_survives_being_written_down() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let key = SigningKey::generate(algorithm, &Entropy::seeded(5), SCHEDULE).unwrap();
            let again = SigningKey::from_pkcs8(algorithm, Zeroizing::new(key.private_pkcs8().to_vec()), SCHEDULE).unwrap();
            assert_eq!((key.kid(), key.public_jwk()), (again.kid(), again.public_jwk()));
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(Algorithm::parse("HS256"), None);
        assert_eq!(Algorithm::parse("none"), None);
    }

    // D11: nothing private is published or shown.
    #[test]
    fn the_private_part_is_never_shown() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let key = SigningKey::generate(algorithm, &Entropy::seeded(5), SCHEDULE).unwrap();
            assert!(key.public_jwk().get("d").is_none());
            assert!(!format!("{key:?}").contains("private"), "{key:?}");
        }
    }

    #[test]
    fn a_key_of_another_algorithm_is_refused() {
        let key = SigningKey::generate(Algorithm::Es256, &Entropy::seeded(5), SCHEDULE).unwrap();
        assert!(SigningKey::from_pkcs8(Algorithm::EdDsa, Zeroizing::new(key.private_pkcs8().to_vec()), SCHEDULE).is_err());
        assert!(SigningKey::from_pkcs8(Algorithm::Es256, Zeroizing::new(b"rubbish".to_vec()), SCHEDULE).is_err());
    }

    // RFC 8037, A.1 to A.3.
    #[test]
    fn thumbprint_of_the_rfc() {
        let public = Public::Ed25519 { x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned() };
        assert_eq!(public.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
