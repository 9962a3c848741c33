//! The client secret of Sign in with Apple: a JWT that a key of ours signs anew for each exchange.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::clock::Timestamp;

/// It is used at once.
const LASTS: Duration = Duration::from_mins(5);

/// The key does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot sign")]
pub struct CannotSign;

/// Who signs, for whom.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The team.
    pub team_id: &'a str,
    /// The name of its key.
    pub key_id: &'a str,
    /// The key: P-256, as PEM (PKCS#8).
    pub private_key: &'a str,
    /// What the provider calls us.
    pub client_id: &'a str,
    /// The provider.
    pub issuer: &'a str,
}

/// Signs one.
pub fn sign(signer: Signer<'_>, now: Timestamp) -> Result<String, CannotSign> {
    let key = EncodingKey::from_ec_pem(signer.private_key.as_bytes()).map_err(|_| CannotSign)?;
    let header = Header { kid: Some(signer.key_id.to_owned()), ..Header::new(Algorithm::ES256) };
    let claims = json!({
        "iss": signer.team_id,
        "iat": now.millis() / 1000,
        "exp": (now + LASTS).millis() / 1000,
        "aud": signer.issuer,
        "sub": signer.client_id,
    });
    jsonwebtoken::encode(&header, &claims, &key).map_err(|_| CannotSign)
}
