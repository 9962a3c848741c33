//! ID tokens of providers (OpenID Connect Core 1.0, 3.1.3.7): whose they are is said by the settings, never by the token.
//!
//! The algorithm is pinned by what the provider is, the keys are those of the configured issuer (or the secret that is shared with it),
//! the time is our clock's. `jku`, `jwk`, `x5u` and `x5c` of a token are not even read.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, PublicKeyUse},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::keyed_hash::constant_time_eq;
use crate::clock::Timestamp;

/// How far the provider's clock may be from ours.
const LEEWAY: Duration = Duration::from_mins(1);
/// Real ones have some 1,500 characters.
const MAX_CHARACTERS: usize = 16 * 1024;
/// As much as the database takes.
const LONGEST_SUBJECT: usize = 255;

/// What an ID token is held against.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// As configured.
    pub issuer: &'a str,
    /// What the provider calls us.
    pub client_id: &'a str,
    /// What was sent along with the person.
    pub nonce: &'a str,
    /// When the person must have proved themselves there.
    pub authenticated_since: Option<Timestamp>,
    /// Whether it has to tell when that was: who is asked for `max_age` must (OpenID Connect Core 3.1.2.1).
    pub must_tell_when: bool,
}

/// How a provider signs.
#[derive(Clone, Copy)]
pub enum Signed<'a> {
    /// With one of the keys that it publishes, by one of these algorithms.
    ByPublished(&'a [Value], Asymmetric),
    /// HS256 with the secret that it shares with us.
    BySecret(&'a [u8]),
}

/// Which algorithms with published keys are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asymmetric {
    /// RS256 and ES256.
    Usual,
    /// All that are sound.
    Any,
}

/// Why an ID token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It cannot be read.
    #[error("the ID token cannot be read")]
    Malformed,
    /// Not one that this provider uses.
    #[error("the ID token's algorithm is not the provider's")]
    Algorithm,
    /// No key of the provider has its name: perhaps a new one.
    #[error("the ID token's key is not known")]
    UnknownKey,
    /// Somebody else made it.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// A claim is missing or not as it must be.
    #[error("the ID token's {0} is wrong")]
    Claim(&'static str),
}

/// What a provider says of a person.
#[derive(Clone, Debug, Deserialize)]
pub struct IdClaims {
    iss: String,
    /// Who it is, at this issuer.
    pub sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    auth_time: Option<f64>,
    /// What else it says: names and addresses.
    #[serde(flatten)]
    pub person: Person,
}

/// Names and addresses. What is not of its kind counts as not there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Person {
    /// An address.
    pub email: Value,
    /// Whether the provider proved it.
    pub email_verified: Value,
    /// The whole name.
    pub name: Value,
    /// A part of it.
    pub given_name: Value,
    /// A part of it.
    pub family_name: Value,
    /// BCP 47.
    pub locale: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct SentHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// What the token says, where every part of it holds.
pub fn verify(token: &str, signed: Signed<'_>, expected: Expected<'_>, now: Timestamp) -> Result<IdClaims, Rejected> {
    if token.len() > MAX_CHARACTERS {
        return Err(Rejected::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Rejected::Malformed)?;
    let header: SentHeader = decode(header)?;
    if header.crit.is_some() {
        return Err(Rejected::Malformed);
    }
    let algorithm = signed.algorithm(&header.alg).ok_or(Rejected::Algorithm)?;
    let key = signed.key(algorithm, header.kid.as_deref())?;
    if !jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false) {
        return Err(Rejected::Signature);
    }
    let claims: IdClaims = decode(payload)?;
    claims.check(expected, now)?;
    Ok(claims)
}

impl Signed<'_> {
    fn algorithm(self, named: &str) -> Option<Algorithm> {
        use Algorithm::{ES256, ES384, EdDSA, HS256, PS256, PS384, PS512, RS256, RS384, RS512};
        let taken: &[Algorithm] = match self {
            Self::BySecret(_) => &[HS256],
            Self::ByPublished(_, Asymmetric::Usual) => &[RS256, ES256],
            Self::ByPublished(_, Asymmetric::Any) => &[RS256, ES256, PS256, EdDSA, RS384, RS512, ES384, PS384, PS512],
        };
        named.parse().ok().filter(|algorithm| taken.contains(algorithm))
    }

    fn key(self, algorithm: Algorithm, kid: Option<&str>) -> Result<DecodingKey, Rejected> {
        let published = match self {
            Self::BySecret([]) => return Err(Rejected::UnknownKey),
            Self::BySecret(secret) => return Ok(DecodingKey::from_secret(secret)),
            Self::ByPublished(published, _) => published,
        };
        // Keys that we cannot read are somebody else's business.
        let fitting: Vec<Jwk> = published.iter().filter_map(|key| Jwk::deserialize(key).ok()).filter(|key| fits(key, algorithm)).collect();
        let key = match kid {
            Some(kid) => fitting.iter().find(|key| key.common.key_id.as_deref() == Some(kid)),
            // Without a name only one key can be meant.
            None => fitting.first().filter(|_| fitting.len() == 1),
        };
        DecodingKey::from_jwk(key.ok_or(Rejected::UnknownKey)?).map_err(|_| Rejected::UnknownKey)
    }
}

/// Whether a published key makes signatures of this algorithm. A shared secret is never published.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    use jsonwebtoken::{
        AlgorithmFamily::{Ec, Ed, Hmac, Rsa},
        jwk::AlgorithmParameters as Parameters,
    };
    let family = match &key.algorithm {
        Parameters::RSA(_) => Rsa,
        Parameters::EllipticCurve(_) => Ec,
        Parameters::OctetKeyPair(_) => Ed,
        // The list of kinds may grow; none but these signs.
        _ => Hmac,
    };
    let is_of_family = family != Hmac && family.algorithms().contains(&algorithm);
    let is_for_it = key.common.key_algorithm.is_none_or(|named| named.to_string().parse() == Ok(algorithm));
    is_of_family && is_for_it && matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
}

impl IdClaims {
    fn check(&self, expected: Expected<'_>, now: Timestamp) -> Result<(), Rejected> {
        let holds = |claim, holds: bool| if holds { Ok(()) } else { Err(Rejected::Claim(claim)) };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our time are far below 2^53")]
        let seconds = |at: Timestamp| at.millis() as f64 / 1000.0;
        let (now, leeway) = (seconds(now), LEEWAY.as_secs_f64());
        holds("iss", self.iss == expected.issuer)?;
        let (is_for_us, is_for_others) = match &self.aud {
            Audience::One(audience) => (audience == expected.client_id, false),
            Audience::Several(all) => (all.iter().any(|one| one == expected.client_id), all.len() > 1),
        };
        holds("aud", is_for_us)?;
        holds("azp", self.azp.as_deref().map_or(!is_for_others, |azp| azp == expected.client_id))?;
        holds("exp", self.exp > now - leeway)?;
        holds("iat", self.iat < now + leeway)?;
        holds("nbf", self.nbf.is_none_or(|nbf| nbf < now + leeway))?;
        holds("nonce", self.nonce.as_deref().is_some_and(|nonce| constant_time_eq(nonce.as_bytes(), expected.nonce.as_bytes())))?;
        if let Some(since) = expected.authenticated_since.map(seconds) {
            let is_fresh = |at: f64| at > since - leeway && at < now + leeway;
            holds("auth_time", self.auth_time.map_or(!expected.must_tell_when, is_fresh))?;
        }
        holds("sub", !self.sub.is_empty() && self.sub.len() <= LONGEST_SUBJECT && !self.sub.chars().any(char::is_control))
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, Rejected> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Rejected::Malformed)
}
