//! Access tokens (JWT, RFC 9068): signed, verified, and the cache of verified ones.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::signing_key::{Algorithm, Public, SigningKey};
use crate::clock::Timestamp;

const TYPE: &str = "at+jwt";
/// How far `iat` may lie ahead of our clock: the instances' clocks differ a little.
const LEEWAY_SECONDS: i64 = 5;
/// The JWKS shows a key for this long after it stopped signing, or for the life of an access token if that is longer.
const KEPT_AFTER_USE: Duration = Duration::from_mins(15);
/// Ours have about 700 characters.
const MAX_CHARACTERS: usize = 4096;
const CACHED_TOKENS: u64 = 20_000;

/// What an access token says (RFC 9068, with the session's id and the generation of its refresh token).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: the deployment.
    pub iss: String,
    /// Who it is for.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// `gen`: the generation of the refresh token that was issued with it.
    #[serde(rename = "gen")]
    pub generation: u32,
    /// Its own id.
    pub jti: Uuid,
    /// Issued at, in seconds since the epoch.
    pub iat: i64,
    /// Not valid from this second on.
    pub exp: i64,
    /// When the person last proved who they are, in seconds since the epoch.
    pub auth_time: i64,
    /// How (RFC 8176): `pwd`, `otp`, `hwk` …
    pub amr: Vec<String>,
    /// The assurance level reached.
    pub acr: String,
    /// The role at the time of issue; it is looked up anew where it matters.
    pub role: String,
}

/// Why a token does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Ours, but past its time.
    #[error("the token has expired")]
    Expired(Arc<Claims>),
    /// Not one of ours.
    #[error("the token is not valid")]
    Invalid,
    /// Well formed, by a key that is not known here (yet).
    #[error("the token's key is not known")]
    UnknownKey,
}

/// A token cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum CannotSign {
    /// No key's time has come.
    #[error("no signing key is active")]
    NoKey,
    /// The key does not work.
    #[error("signing failed")]
    Failed(#[from] jsonwebtoken::errors::Error),
}

/// The keys in force, and the tokens that they were seen to have signed. Clones share both.
#[derive(Clone)]
pub struct SigningKeys {
    access_ttl: Duration,
    keys: Arc<ArcSwap<KeySet>>,
}

/// One state of the keys. Its cache goes with it: what a key signed that is no longer there must not hold any longer.
struct KeySet {
    /// By activation, the oldest first.
    keys: Vec<Arc<Key>>,
    by_kid: HashMap<String, Arc<Key>>,
    verified: Cache<[u8; 32], Arc<Verified>>,
}

struct Key {
    source: SigningKey,
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

struct Verified {
    claims: Arc<Claims>,
    key: Arc<Key>,
}

/// What counts of a token's header. `jku`, `jwk`, `x5u` and `x5c` are not even read.
#[derive(Deserialize)]
struct SentHeader {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

impl SigningKeys {
    /// Without any key yet: nothing can be signed, nothing holds. `access_ttl` is the longest life of a token.
    #[must_use]
    pub fn new(access_ttl: Duration) -> Self {
        Self { access_ttl, keys: Arc::new(ArcSwap::from_pointee(KeySet::new(Vec::new(), access_ttl))) }
    }

    /// Puts other keys in force, and forgets what the old ones verified. A key that cannot be used is an error, and changes nothing; so do the very
    /// same keys.
    pub fn replace(&self, keys: Vec<SigningKey>) -> Result<(), CannotSign> {
        let mut keys = keys;
        keys.sort_by_key(|key| key.schedule.activate_at);
        if self.keys.load().holds(&keys) {
            return Ok(());
        }
        let ready = keys.into_iter().map(|key| Key::new(key).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        self.keys.store(Arc::new(KeySet::new(ready, self.access_ttl)));
        Ok(())
    }

    /// Signs with the newest key whose time has come.
    pub fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String, CannotSign> {
        let keys = self.keys.load();
        let key = keys.keys.iter().rev().find(|key| key.may_sign(now)).ok_or(CannotSign::NoKey)?;
        Ok(jsonwebtoken::encode(&key.header, claims, &key.encoding)?)
    }

    /// What the token says, if one of our keys signed it, for this issuer and audience, and its time has come and not gone. A token that was
    /// verified before costs a SHA-256 and a look-up.
    pub fn verify(&self, token: &str, now: Timestamp, issuer: &str, audience: &str) -> Result<Arc<Claims>, Rejected> {
        if token.len() > MAX_CHARACTERS {
            return Err(Rejected::Invalid);
        }
        let keys = self.keys.load();
        let fingerprint = Sha256::digest(token.as_bytes()).into();
        let (verified, is_new) = match keys.verified.get(&fingerprint) {
            Some(verified) => (verified, false),
            None => (Arc::new(keys.verify_signature(token)?), true),
        };
        // Time, issuer and audience are asked each time; the cache only saves the signature.
        if !verified.key.may_verify(now, self.access_ttl) {
            return Err(Rejected::UnknownKey);
        }
        check(&verified.claims, now, issuer, audience)?;
        let claims = Arc::clone(&verified.claims);
        if is_new {
            keys.verified.insert(fingerprint, verified);
        }
        Ok(claims)
    }

    /// The public keys that are published now, as a JWK Set (RFC 7517).
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> Value {
        let kept = self.access_ttl.max(KEPT_AFTER_USE);
        let keys = self.keys.load();
        json!({ "keys": keys.keys.iter().filter(|key| key.is_published(now, kept)).map(|key| key.source.public_jwk()).collect::<Vec<_>>() })
    }

    /// The keys in force, the oldest first.
    #[must_use]
    pub fn keys(&self) -> Vec<SigningKey> {
        self.keys.load().keys.iter().map(|key| key.source.clone()).collect()
    }

    /// How many verified tokens are remembered, roughly.
    #[must_use]
    pub fn remembered(&self) -> u64 {
        let keys = self.keys.load();
        keys.verified.run_pending_tasks();
        keys.verified.entry_count()
    }
}

impl KeySet {
    fn new(keys: Vec<Arc<Key>>, access_ttl: Duration) -> Self {
        let by_kid = keys.iter().map(|key| (key.source.kid().to_owned(), Arc::clone(key))).collect();
        Self { keys, by_kid, verified: Cache::builder().max_capacity(CACHED_TOKENS).time_to_live(access_ttl).build() }
    }

    fn holds(&self, keys: &[SigningKey]) -> bool {
        self.keys.len() == keys.len()
            && self.keys.iter().zip(keys).all(|(held, key)| held.source.kid() == key.kid() && held.source.schedule == key.schedule)
    }

    /// The key comes from our own list alone, by its name; the header's algorithm must be that key's.
    fn verify_signature(&self, token: &str) -> Result<Verified, Rejected> {
        let (message, signature) = token.rsplit_once('.').ok_or(Rejected::Invalid)?;
        let (header, payload) = message.split_once('.').ok_or(Rejected::Invalid)?;
        let header: SentHeader = decode(header)?;
        if header.crit.is_some() || header.typ.as_deref() != Some(TYPE) || Algorithm::parse(&header.alg).is_none() {
            return Err(Rejected::Invalid);
        }
        let key = self.by_kid.get(&header.kid.ok_or(Rejected::Invalid)?).ok_or(Rejected::UnknownKey)?;
        if header.alg != key.source.algorithm().as_str() {
            return Err(Rejected::Invalid);
        }
        let genuine = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.decoding, key.header.alg).unwrap_or(false);
        if !genuine {
            return Err(Rejected::Invalid);
        }
        Ok(Verified { claims: Arc::new(decode(payload)?), key: Arc::clone(key) })
    }
}

impl Key {
    fn new(key: SigningKey) -> Result<Self, jsonwebtoken::errors::Error> {
        let mut header = Header::new(match key.algorithm() {
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        });
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        let encoding = match key.algorithm() {
            Algorithm::Es256 => EncodingKey::from_ec_der(key.private_pkcs8()),
            Algorithm::EdDsa => EncodingKey::from_ed_der(key.private_pkcs8()),
        };
        let decoding = match key.public() {
            Public::P256 { x, y } => DecodingKey::from_ec_components(x, y)?,
            Public::Ed25519 { x } => DecodingKey::from_ed_components(x)?,
        };
        Ok(Self { source: key, header, encoding, decoding })
    }

    fn may_sign(&self, now: Timestamp) -> bool {
        self.source.schedule.activate_at <= now && self.source.schedule.retire_at.is_none_or(|retire_at| now < retire_at)
    }

    fn may_verify(&self, now: Timestamp, access_ttl: Duration) -> bool {
        self.source.schedule.retire_at.is_none_or(|retire_at| now < retire_at + access_ttl)
    }

    fn is_published(&self, now: Timestamp, kept: Duration) -> bool {
        self.source.schedule.publish_at <= now && self.source.schedule.retire_at.is_none_or(|retire_at| now < retire_at + kept)
    }
}

/// `exp` exactly by our clock; `iat` may lie ahead a little.
fn check(claims: &Arc<Claims>, now: Timestamp, issuer: &str, audience: &str) -> Result<(), Rejected> {
    if claims.iss != issuer || claims.aud != audience || claims.iat > now.seconds().saturating_add(LEEWAY_SECONDS) {
        return Err(Rejected::Invalid);
    }
    if claims.exp <= now.seconds() {
        return Err(Rejected::Expired(Arc::clone(claims)));
    }
    Ok(())
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Rejected> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Invalid)?;
    serde_json::from_slice(&json).map_err(|_| Rejected::Invalid)
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.load().keys.iter().map(|key| &key.source)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7515, A.3.
    #[test]
    fn es256_as_in_the_rfc() {
        let key =
            DecodingKey::from_ec_components("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
                .unwrap();
        let message = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, jsonwebtoken::Algorithm::ES256).unwrap());
    }

    // RFC 8037, A.4.
    #[test]
    fn eddsa_as_in_the_rfc() {
        let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, jsonwebtoken::Algorithm::EdDSA).unwrap());
    }
}
