//! Opaque tokens: 32 random bytes that are sent out, of which only the SHA-256 is kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;

const BYTES: usize = 32;
const CHARACTERS: usize = 43;

/// A token of a link or a device. It has no `Debug`, and is wiped when it goes.
pub struct OpaqueToken {
    raw: Zeroizing<String>,
    hash: [u8; 32],
}

impl OpaqueToken {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &Entropy) -> Self {
        let mut bytes: [u8; BYTES] = entropy.bytes();
        let token = Self { raw: Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)), hash: hash(&bytes) };
        bytes.zeroize();
        token
    }

    /// The hash to look for; `None` unless `raw` is exactly the one way in which a token is written (43 characters of base64url).
    #[must_use]
    pub fn parse(raw: &str) -> Option<[u8; 32]> {
        decode_exactly::<BYTES>(raw, CHARACTERS).map(|bytes| hash(&bytes))
    }

    /// What is sent out: 43 characters of base64url.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// What is kept: the SHA-256 of the 32 bytes.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

fn hash(bytes: &[u8; BYTES]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Decodes unpadded base64url of exactly `characters` into exactly `N` bytes. The decoder refuses padding and trailing bits that are not zero, so
/// that no second text stands for the same bytes.
pub(super) fn decode_exactly<const N: usize>(text: &str, characters: usize) -> Option<Zeroizing<[u8; N]>> {
    if text.len() != characters {
        return None;
    }
    let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    decoded.as_slice().try_into().ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sent_leads_to_what_is_kept() {
        let token = OpaqueToken::generate(&Entropy::seeded(3));
        assert_eq!(token.raw().len(), CHARACTERS);
        assert_eq!(OpaqueToken::parse(token.raw()), Some(token.hash()));
        assert_ne!(token.hash(), OpaqueToken::generate(&Entropy::seeded(4)).hash());
    }

    // D1: a token that was cut or extended by one character is refused.
    #[test]
    fn only_the_whole_token_counts() {
        let token = OpaqueToken::generate(&Entropy::seeded(3));
        let raw = token.raw();
        for wrong in [&raw[..42], &raw[1..], &format!("{raw}A"), &format!("{raw}="), &format!(" {raw}"), &format!("{raw}\n"), ""] {
            assert_eq!(OpaqueToken::parse(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        // D1: no other text stands for the same token.
        #[test]
        fn each_token_is_written_in_one_way(seed: u64, replacement in "[A-Za-z0-9_-]") {
            let token = OpaqueToken::generate(&Entropy::seeded(seed));
            let other = format!("{}{replacement}", &token.raw()[..42]);
            prop_assert_eq!(OpaqueToken::parse(&other) == Some(token.hash()), other == token.raw());
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = OpaqueToken::parse(&text);
        }
    }
}
