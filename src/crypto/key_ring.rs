//! The deployment's secrets, and the keys derived from them: one per purpose (HKDF-SHA-256, RFC 5869).

use std::sync::Arc;

use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

const SALT: &[u8] = b"postern key ring 1";
const ID_INFO: &[u8] = b"id";
const PURPOSE_INFO: &[u8] = b"purpose:";

/// Bytes of a key's id; shown as twice as many hexadecimal digits.
pub const KEY_ID_BYTES: usize = 8;

/// All secrets of the deployment: the first one makes, every one checks and opens. Clones are cheap.
#[derive(Clone)]
pub struct KeyRing(Arc<[Root]>);

struct Root {
    id: [u8; KEY_ID_BYTES],
    id_text: String,
    extract: Hkdf<Sha256>,
}

/// A key ring needs at least one secret, and none of them empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no secret is set, or one of them is empty")]
pub struct NoSecret;

impl KeyRing {
    /// From the settings' secrets, the current one first. How long they must be is checked where the settings are read.
    pub fn new(secrets: &[SecretString]) -> Result<Self, NoSecret> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err(NoSecret);
        }
        Ok(Self(secrets.iter().map(|secret| Root::new(secret.expose_secret().as_bytes())).collect()))
    }

    /// The key of `purpose`, by the first secret.
    #[must_use]
    pub fn derive(&self, purpose: &'static str) -> [u8; 32] {
        self.primary().derive(purpose)
    }

    /// The key of `purpose` by the secret of that id; `None` where no such secret is set any more.
    #[must_use]
    pub fn derive_with(&self, key_id: &str, purpose: &'static str) -> Option<[u8; 32]> {
        self.0.iter().find(|root| root.id_text == key_id).map(|root| root.derive(purpose))
    }

    /// The id of the first secret: 16 hexadecimal digits that tell nothing about it.
    #[must_use]
    pub fn primary_id(&self) -> &str {
        &self.primary().id_text
    }

    /// The keys of `purpose` by every secret, the first one first.
    pub fn derive_all(&self, purpose: &'static str) -> impl Iterator<Item = [u8; 32]> + '_ {
        self.0.iter().map(move |root| root.derive(purpose))
    }

    pub(super) fn primary_id_bytes(&self) -> [u8; KEY_ID_BYTES] {
        self.primary().id
    }

    pub(super) fn derive_with_bytes(&self, key_id: &[u8], purpose: &str) -> Option<[u8; 32]> {
        self.0.iter().find(|root| root.id == key_id).map(|root| root.derive(purpose))
    }

    pub(super) fn derive_primary(&self, purpose: &str) -> [u8; 32] {
        self.primary().derive(purpose)
    }

    #[expect(clippy::indexing_slicing, reason = "`new` refuses an empty list")]
    fn primary(&self) -> &Root {
        &self.0[0]
    }
}

impl Root {
    fn new(secret: &[u8]) -> Self {
        let extract = Hkdf::<Sha256>::new(Some(SALT), secret);
        let mut id = [0; KEY_ID_BYTES];
        expand(&extract, &[ID_INFO], &mut id);
        Self { id, id_text: hex::encode(id), extract }
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        expand(&self.extract, &[PURPOSE_INFO, purpose.as_bytes()], &mut key);
        key
    }
}

fn expand(extract: &Hkdf<Sha256>, info: &[&[u8]], output: &mut [u8]) {
    // HKDF fails only for outputs beyond 255 hashes; ours are 8 and 32 bytes.
    let expanded = extract.expand_multi_info(info, output);
    debug_assert!(expanded.is_ok(), "the outputs are short");
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|root| &root.id_text)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(secrets: &[&str]) -> KeyRing {
        KeyRing::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn no_secret_is_no_ring() {
        assert_eq!(KeyRing::new(&[]).unwrap_err(), NoSecret);
        assert_eq!(KeyRing::new(&[SecretString::from("a".repeat(32)), SecretString::from("")]).unwrap_err(), NoSecret);
    }

    #[test]
    fn purposes_and_secrets_give_different_keys() {
        let (one, two) = (ring(&["first secret"]), ring(&["second secret"]));
        assert_ne!(one.derive("a"), one.derive("b"));
        assert_ne!(one.derive("a"), two.derive("a"));
        assert_eq!(one.derive("a"), ring(&["first secret"]).derive("a"));
        assert_ne!(one.primary_id(), two.primary_id());
    }

    #[test]
    fn after_a_rotation_the_old_secret_still_opens() {
        let old = ring(&["first secret"]);
        let rotated = ring(&["second secret", "first secret"]);
        assert_eq!(rotated.derive_with(old.primary_id(), "a"), Some(old.derive("a")));
        assert_ne!(rotated.primary_id(), old.primary_id());
        assert_eq!(ring(&["second secret"]).derive_with(old.primary_id(), "a"), None);
    }

    #[test]
    fn debug_shows_ids_alone() {
        let shown = format!("{:?}", ring(&["first secret"]));
        assert!(!shown.contains("first"), "{shown}");
    }
}
