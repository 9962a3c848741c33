//! Keyed hashes (HMAC-SHA-256, RFC 2104) of things that are too easily guessed to be stored as a plain hash.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::key_ring::KeyRing;

const CODE: &str = "code";
const COUNTER: &str = "attempt counter";

/// The keyed hash of `parts` by the first secret. Each part is preceded by its length, so that no two lists of parts read alike.
#[must_use]
pub fn keyed(keys: &KeyRing, purpose: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    hmac(&keys.derive(purpose), parts)
}

/// The same by every secret, the first one first: what was made before a rotation is known by one of them.
pub fn keyed_by_any<'a>(keys: &'a KeyRing, purpose: &'static str, parts: &'a [&'a [u8]]) -> impl Iterator<Item = [u8; 32]> + 'a {
    keys.derive_all(purpose).map(move |key| hmac(&key, parts))
}

/// What is stored of a code: bound to its challenge.
#[must_use]
pub fn code_hash(keys: &KeyRing, challenge_id: Uuid, code: &str) -> [u8; 32] {
    keyed(keys, CODE, &[challenge_id.as_bytes(), code.as_bytes()])
}

/// Whether `hash` is this challenge's code, made by any of the deployment's secrets; takes the same time for every wrong code.
#[must_use]
pub fn code_matches(keys: &KeyRing, challenge_id: Uuid, code: &str, hash: &[u8; 32]) -> bool {
    keys.derive_all(CODE)
        .map(|key| hmac(&key, &[challenge_id.as_bytes(), code.as_bytes()]))
        .fold(false, |found, candidate| found | constant_time_eq(&candidate, hash))
}

/// The key of an attempt counter: `kind` and what is counted for (an account id, an account and a device, a canonical identifier).
#[must_use]
pub fn counter_key(keys: &KeyRing, kind: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut all = Vec::with_capacity(parts.len() + 1);
    all.push(kind.as_bytes());
    all.extend_from_slice(parts);
    keyed(keys, COUNTER, &all)
}

/// Whether both are the same, in a time that depends on their lengths alone.
#[must_use]
pub fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// HMAC-SHA-256 over length-prefixed parts.
pub(super) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // The block size of SHA-256: HMAC pads shorter keys with zeros (RFC 2104), which makes this the same as `new_from_slice`, and infallible.
    let mut padded = Zeroizing::new([0; 64]);
    padded[..key.len()].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*padded).into());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn ring(secrets: &[&str]) -> KeyRing {
        KeyRing::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn parts_cannot_be_shifted_into_one_another() {
        let keys = ring(&["a secret"]);
        assert_ne!(keyed(&keys, "test", &[b"ab", b"c"]), keyed(&keys, "test", &[b"a", b"bc"]));
        assert_ne!(keyed(&keys, "test", &[b"ab"]), keyed(&keys, "test", &[b"ab", b""]));
        assert_ne!(keyed(&keys, "test", &[b"ab"]), keyed(&keys, "other", &[b"ab"]));
        assert_ne!(counter_key(&keys, "password", &[b"x"]), counter_key(&keys, "code", &[b"x"]));
    }

    // B5: a code is worth nothing at another challenge.
    #[test]
    fn a_code_belongs_to_its_challenge() {
        let keys = ring(&["a secret"]);
        let (here, elsewhere) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let hash = code_hash(&keys, here, "012345");
        assert!(code_matches(&keys, here, "012345", &hash));
        assert!(!code_matches(&keys, here, "12345", &hash));
        assert!(!code_matches(&keys, here, "012346", &hash));
        assert!(!code_matches(&keys, elsewhere, "012345", &hash));
    }

    #[test]
    fn a_code_outlives_a_rotation_of_the_secret() {
        let hash = code_hash(&ring(&["old"]), Uuid::nil(), "000000");
        assert!(code_matches(&ring(&["new", "old"]), Uuid::nil(), "000000", &hash));
        assert!(!code_matches(&ring(&["new"]), Uuid::nil(), "000000", &hash));
    }
}
