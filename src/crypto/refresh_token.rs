//! Refresh tokens: a session, a generation and a secret, each secret following from the one before.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    key_ring::KeyRing,
    keyed_hash::{constant_time_eq, hmac},
    opaque_token::decode_exactly,
};
use crate::entropy::Entropy;

const PURPOSE: &str = "refresh token chain";
const BYTES: usize = 16 + 4 + 32;
const CHARACTERS: usize = 70;

/// A refresh token. Secret n+1 = HMAC(key, session ‖ n+1 ‖ secret n), so that the very same successor can be given again although only hashes are
/// kept. It has no `Debug`, and is wiped when it goes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RefreshToken {
    /// The session that it continues.
    #[zeroize(skip)]
    pub session_id: Uuid,
    /// The first one is 1.
    #[zeroize(skip)]
    pub generation: u32,
    secret: [u8; 32],
}

impl RefreshToken {
    /// The first token of a session: a random secret, generation 1.
    #[must_use]
    pub fn first(entropy: &Entropy, session_id: Uuid) -> Self {
        Self::fresh(entropy, session_id, 1)
    }

    /// One with a secret that derives from no other.
    #[must_use]
    pub fn fresh(entropy: &Entropy, session_id: Uuid, generation: u32) -> Self {
        Self { session_id, generation, secret: entropy.bytes() }
    }

    /// The one token that follows; `None` where the session's key is no longer among the deployment's secrets.
    #[must_use]
    pub fn successor(&self, keys: &KeyRing, key_id: &str) -> Option<Self> {
        let key = Zeroizing::new(keys.derive_with(key_id, PURPOSE)?);
        self.follow(&key)
    }

    /// Whether this token is an ancestor of the one of `generation` and `hash`, or that one itself: walks its secrets forward, at most `max_steps`.
    #[must_use]
    pub fn walks_to(&self, keys: &KeyRing, key_id: &str, target: (u32, &[u8]), max_steps: u32) -> bool {
        let (generation, hash) = target;
        let Some(steps) = generation.checked_sub(self.generation).filter(|steps| *steps <= max_steps) else {
            return false;
        };
        let Some(key) = keys.derive_with(key_id, PURPOSE).map(Zeroizing::new) else {
            return false;
        };
        let mut token = self.clone();
        for _ in 0..steps {
            let Some(next) = token.follow(&key) else { return false };
            token = next;
        }
        constant_time_eq(&token.hash(), hash)
    }

    /// What is kept: the SHA-256 of the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// What is sent out: 70 characters of base64url over session (16 bytes), generation (4, big-endian) and secret (32).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[..16].copy_from_slice(self.session_id.as_bytes());
        bytes[16..20].copy_from_slice(&self.generation.to_be_bytes());
        bytes[20..].copy_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode(*bytes)
    }

    /// The token; `None` unless `raw` is exactly the one way in which it is written. Whether it holds is for the database to say.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let bytes = decode_exactly::<BYTES>(raw, CHARACTERS)?;
        let (session_id, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, secret) = rest.split_first_chunk::<4>()?;
        let generation = u32::from_be_bytes(*generation);
        (generation > 0).then_some(Self { session_id: Uuid::from_bytes(*session_id), generation, secret: secret.try_into().ok()? })
    }

    fn follow(&self, key: &[u8; 32]) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let secret = hmac(key, &[self.session_id.as_bytes(), &generation.to_be_bytes(), &self.secret]);
        Some(Self { session_id: self.session_id, generation, secret })
    }
}
