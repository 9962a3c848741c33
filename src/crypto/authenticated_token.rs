//! Tokens that anyone may read and nobody may change: cursors, and state that a browser carries.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    key_ring::{KEY_ID_BYTES, KeyRing},
    keyed_hash::{constant_time_eq, hmac},
};

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES;
/// Longer texts are refused before they are decoded.
const MAX_CHARACTERS: usize = 4096;

/// Seals and opens such tokens: base64url of version (1 byte), key id (8), payload and HMAC-SHA-256 (its first 16 bytes).
#[derive(Clone, Copy, Debug)]
pub struct AuthenticatedToken;

impl AuthenticatedToken {
    /// Writes a token of `payload` (3 KiB at most, else it does not open) that opens for `purpose` alone.
    #[must_use]
    pub fn seal(keys: &KeyRing, purpose: &'static str, payload: &[u8]) -> String {
        let mut token = Vec::with_capacity(HEADER_BYTES + payload.len() + MAC_BYTES);
        token.push(VERSION);
        token.extend_from_slice(&keys.primary_id_bytes());
        token.extend_from_slice(payload);
        let mac = mac(&keys.derive_primary(&key_purpose(purpose)), &token);
        token.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The payload; `None` where anything was changed, or the token is of another purpose or deployment.
    #[must_use]
    pub fn open(keys: &KeyRing, purpose: &'static str, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_CHARACTERS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, sent) = bytes.split_last_chunk::<MAC_BYTES>()?;
        let (header, payload) = signed.split_first_chunk::<HEADER_BYTES>()?;
        let (version, key_id) = header.split_first()?;
        if *version != VERSION {
            return None;
        }
        let key = keys.derive_with_bytes(key_id, &key_purpose(purpose))?;
        constant_time_eq(&mac(&key, signed), sent).then(|| payload.to_vec())
    }
}

fn key_purpose(purpose: &str) -> String {
    format!("authenticated token:{purpose}")
}

fn mac(key: &[u8; 32], signed: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&hmac(key, &[signed])[..MAC_BYTES]);
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn ring(secret: &str) -> KeyRing {
        KeyRing::new(&[SecretString::from(secret)]).unwrap()
    }

    #[test]
    fn opens_for_its_purpose_alone() {
        let keys = ring("a");
        let token = AuthenticatedToken::seal(&keys, "cursor", b"payload");
        assert_eq!(AuthenticatedToken::open(&keys, "cursor", &token).as_deref(), Some(&b"payload"[..]));
        assert_eq!(AuthenticatedToken::open(&keys, "page", &token), None);
        assert_eq!(AuthenticatedToken::open(&ring("b"), "cursor", &token), None);
        assert_eq!(AuthenticatedToken::open(&keys, "cursor", ""), None);
        assert_eq!(AuthenticatedToken::open(&keys, "cursor", &"A".repeat(MAX_CHARACTERS + 1)), None);
    }

    proptest! {
        #[test]
        fn round_trip(payload in prop::collection::vec(any::<u8>(), 0..256)) {
            let keys = ring("a");
            let token = AuthenticatedToken::seal(&keys, "cursor", &payload);
            prop_assert_eq!(AuthenticatedToken::open(&keys, "cursor", &token), Some(payload));
        }

        // H15: a tampered cursor is refused.
        #[test]
        fn any_changed_character_is_refused(payload in prop::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, to in "[A-Za-z0-9_-]") {
            let keys = ring("a");
            let token = AuthenticatedToken::seal(&keys, "cursor", &payload);
            let at = at.index(token.len());
            let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
            prop_assume!(changed != token);
            prop_assert_eq!(AuthenticatedToken::open(&keys, "cursor", &changed), None);
        }
    }
}
