//! Secrets at rest: AES-256-GCM with a key per purpose, carrying the id of the deployment secret that sealed it.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};

use super::key_ring::{KEY_ID_BYTES, KeyRing};
use crate::entropy::Entropy;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES;

/// Seals and opens. A sealed value is: version (1 byte), key id (8), nonce (12), ciphertext with its tag (16 more than the plaintext).
/// Version, key id and purpose are authenticated with it, so that no sealed value opens in another place.
#[derive(Clone, Debug)]
pub struct SecretBox {
    keys: KeyRing,
}

impl SecretBox {
    /// Over the deployment's secrets.
    #[must_use]
    pub const fn new(keys: KeyRing) -> Self {
        Self { keys }
    }

    /// Seals by the first secret.
    #[must_use]
    pub fn seal(&self, purpose: &'static str, plaintext: &[u8], entropy: &Entropy) -> Vec<u8> {
        let mut header = [0; HEADER_BYTES];
        header[0] = VERSION;
        header[1..].copy_from_slice(&self.keys.primary_id_bytes());
        let nonce: [u8; NONCE_BYTES] = entropy.bytes();
        let cipher = Aes256Gcm::new(&self.keys.derive_primary(&key_purpose(purpose)).into());
        // Fails only for plaintexts beyond 64 GiB; what comes out then is empty and never opens.
        let Ok(ciphertext) = cipher.encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: &associated(&header, purpose) }) else {
            return Vec::new();
        };
        [&header[..], &nonce, &ciphertext].concat()
    }

    /// The plaintext; `None` where the value was changed, was sealed for another purpose or by a secret that is no longer set.
    #[must_use]
    pub fn open(&self, purpose: &'static str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (header, rest) = split(sealed)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let key = self.keys.derive_with_bytes(&header[1..], &key_purpose(purpose))?;
        let payload = Payload { msg: ciphertext, aad: &associated(header, purpose) };
        Aes256Gcm::new(&key.into()).decrypt(&Nonce::from(*nonce), payload).ok()
    }

    /// Whether the value was sealed by another secret than the first one: time to seal it anew.
    #[must_use]
    pub fn is_stale(&self, sealed: &[u8]) -> bool {
        split(sealed).is_none_or(|(header, _)| header[1..] != self.keys.primary_id_bytes())
    }
}

fn split(sealed: &[u8]) -> Option<(&[u8; HEADER_BYTES], &[u8])> {
    let (header, rest) = sealed.split_first_chunk::<HEADER_BYTES>()?;
    (header[0] == VERSION && rest.len() >= NONCE_BYTES + TAG_BYTES).then_some((header, rest))
}

fn key_purpose(purpose: &str) -> String {
    format!("secret box:{purpose}")
}

fn associated(header: &[u8; HEADER_BYTES], purpose: &str) -> Vec<u8> {
    [&header[..], purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn boxed(secrets: &[&str]) -> SecretBox {
        SecretBox::new(KeyRing::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>()).unwrap())
    }

    #[test]
    fn opens_only_for_its_purpose_and_with_its_secret() {
        let entropy = Entropy::seeded(1);
        let sealed = boxed(&["old"]).seal("totp", b"seed", &entropy);
        assert_eq!(boxed(&["new", "old"]).open("totp", &sealed).as_deref(), Some(&b"seed"[..]));
        assert!(boxed(&["new", "old"]).is_stale(&sealed));
        assert!(!boxed(&["old", "new"]).is_stale(&sealed));
        assert_eq!(boxed(&["old"]).open("message", &sealed), None);
        assert_eq!(boxed(&["new"]).open("totp", &sealed), None);
        assert_eq!(boxed(&["old"]).open("totp", b""), None);
    }

    #[test]
    fn sealing_twice_gives_different_values() {
        let entropy = Entropy::seeded(1);
        let sealer = boxed(&["a"]);
        assert_ne!(sealer.seal("totp", b"seed", &entropy), sealer.seal("totp", b"seed", &entropy));
    }

    proptest! {
        #[test]
        fn round_trip(plaintext: Vec<u8>, seed: u64) {
            let sealer = boxed(&["a"]);
            let sealed = sealer.seal("test", &plaintext, &Entropy::seeded(seed));
            prop_assert_eq!(sealer.open("test", &sealed), Some(plaintext));
        }

        #[test]
        fn any_changed_bit_or_length_is_refused(plaintext: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8, cut in 1..40_usize) {
            let sealer = boxed(&["a"]);
            let sealed = sealer.seal("test", &plaintext, &Entropy::seeded(7));
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert_eq!(sealer.open("test", &changed), None);
            prop_assert_eq!(sealer.open("test", &sealed[..sealed.len().saturating_sub(cut)]), None);
            changed = sealed;
            changed.push(0);
            prop_assert_eq!(sealer.open("test", &changed), None);
        }

        #[test]
        fn rubbish_never_opens(rubbish: Vec<u8>) {
            prop_assert_eq!(boxed(&["a"]).open("test", &rubbish), None);
        }
    }
}
