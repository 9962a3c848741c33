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
        Self { session_id, generation: 1, secret: entropy.bytes() }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn ring(secrets: &[&str]) -> KeyRing {
        KeyRing::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>()).unwrap()
    }

    fn chain(keys: &KeyRing, length: usize) -> Vec<RefreshToken> {
        let first = RefreshToken::first(&Entropy::seeded(9), Uuid::from_u128(77));
        let next = |token: &RefreshToken| token.successor(keys, keys.primary_id());
        std::iter::successors(Some(first), next).take(length).collect()
    }

    // D4: the very same successor is given again.
    #[test]
    fn the_successor_is_always_the_same() {
        let keys = ring(&["a secret"]);
        let tokens = chain(&keys, 2);
        assert_eq!(tokens[0].generation, 1);
        assert_eq!(tokens[1].generation, 2);
        assert_eq!(tokens[0].successor(&keys, keys.primary_id()).unwrap().encode(), tokens[1].encode());
        assert_ne!(tokens[0].hash(), tokens[1].hash());
        assert!(tokens[0].successor(&ring(&["another"]), keys.primary_id()).is_none());
    }

    // D3: any ancestor walks to the current token; nothing else does.
    #[test]
    fn only_ancestors_walk_to_the_current_token() {
        let keys = ring(&["a secret"]);
        let tokens = chain(&keys, 6);
        let current = &tokens[4];
        let hash = current.hash();
        let walks = |token: &RefreshToken, steps| token.walks_to(&keys, keys.primary_id(), (current.generation, &hash), steps);
        assert!(tokens[..5].iter().all(|token| walks(token, 4)));
        assert!(!walks(&tokens[5], 100), "a successor is no ancestor");
        assert!(!walks(&tokens[0], 3), "too far");
        let mut forged = tokens[2].clone();
        forged.secret[0] ^= 1;
        assert!(!walks(&forged, 100));
        let mut shifted = tokens[2].clone();
        shifted.generation = 2;
        assert!(!walks(&shifted, 100));
        let mut moved = tokens[2].clone();
        moved.session_id = Uuid::from_u128(78);
        assert!(!walks(&moved, 100), "another session's chain is another one");
        assert!(!tokens[0].walks_to(&ring(&["another"]), keys.primary_id(), (5, &hash), 100));
        assert!(!tokens[0].walks_to(&keys, keys.primary_id(), (5, &hash[..31]), 100));
    }

    #[test]
    fn a_chain_outlives_a_rotation_of_the_secret() {
        let old = ring(&["old"]);
        let tokens = chain(&old, 2);
        let rotated = ring(&["new", "old"]);
        assert_eq!(tokens[0].successor(&rotated, old.primary_id()).unwrap().encode(), tokens[1].encode());
    }

    // D1: a token that was cut or extended by one character is refused.
    #[test]
    fn only_the_whole_token_counts() {
        let raw = chain(&ring(&["a"]), 1)[0].encode();
        assert_eq!(raw.len(), CHARACTERS);
        for wrong in [&raw[..69], &raw[1..], &format!("{raw}A"), &format!("{raw}="), &format!("{raw}=="), &format!(" {raw}"), "", "."] {
            assert!(RefreshToken::parse(wrong).is_none(), "{wrong:?}");
        }
        assert!(RefreshToken::parse(&"A".repeat(CHARACTERS)).is_none(), "there is no generation 0");
    }

    #[test]
    fn the_last_generation_has_no_successor() {
        let keys = ring(&["a"]);
        let mut token = chain(&keys, 1).remove(0);
        token.generation = u32::MAX;
        assert!(token.successor(&keys, keys.primary_id()).is_none());
    }

    proptest! {
        #[test]
        fn round_trip(seed: u64, session: u128, generation in 1..u32::MAX) {
            let mut token = RefreshToken::first(&Entropy::seeded(seed), Uuid::from_u128(session));
            token.generation = generation;
            let parsed = RefreshToken::parse(&token.encode()).unwrap();
            prop_assert_eq!((parsed.session_id, parsed.generation, parsed.hash()), (token.session_id, generation, token.hash()));
        }

        // D1: no other text stands for the same token.
        #[test]
        fn each_token_is_written_in_one_way(seed: u64, replacement in "[A-Za-z0-9_-]") {
            let raw = RefreshToken::first(&Entropy::seeded(seed), Uuid::from_u128(1)).encode();
            let other = format!("{}{replacement}", &raw[..CHARACTERS - 1]);
            prop_assert_eq!(RefreshToken::parse(&other).is_some_and(|token| token.encode() == raw), other == raw);
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = RefreshToken::parse(&text);
        }
    }
}
