//! Recovery codes: what is written down for the day when the second factor is lost. 80 random bits each, in letters that are hard to confuse.

use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

/// How many an account has at a time.
pub const COUNT: usize = 10;
/// Random bytes of one.
pub const BYTES: usize = 10;
const CHARACTERS: usize = 16;
/// Crockford's base 32: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A code. It has no `Debug`, and is wiped when it goes.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Of random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS));
        let number = bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        for place in (0..CHARACTERS).rev() {
            let digit = usize::try_from(number >> (place * 5) & 31).unwrap_or_default();
            text.push(ALPHABET.get(digit).copied().map_or('0', char::from));
        }
        Self(text)
    }

    /// As typed: in any case, with any blanks and dashes, with the letters that look like digits; `None` where it cannot be one.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS));
        for letter in raw.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
            let letter = match letter.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            if text.len() == CHARACTERS || !letter.is_ascii() || !ALPHABET.contains(&u8::try_from(letter).ok()?) {
                return None;
            }
            text.push(letter);
        }
        (text.len() == CHARACTERS).then_some(Self(text))
    }

    /// As it is shown: four groups of four.
    #[must_use]
    pub fn shown(&self) -> String {
        let groups: Vec<String> = self.0.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        groups.join("-")
    }

    /// What is kept: bound to the account. It is random, so a plain hash does.
    #[must_use]
    pub fn hash(&self, user_id: Uuid) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(user_id.as_bytes());
        hasher.update(self.0.as_bytes());
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_type() {
        let code = RecoveryCode::from_bytes([0xff; BYTES]);
        assert_eq!(code.shown(), "zzzz-zzzz-zzzz-zzzz");
        let user = Uuid::from_u128(1);
        let hash = |raw: &str| RecoveryCode::parse(raw).map(|code| code.hash(user));
        assert_eq!(hash(" ZZZZ zzzz-zzzzzzzz "), Some(code.hash(user)));
        assert_eq!(hash("OOOO-iiii-LLLL-0000"), hash("0000-1111-1111-0000"));
        for wrong in ["", "zzzz", "zzzz-zzzz-zzzz-zzzzz", "uuuu-zzzz-zzzz-zzzz", "zzzz-zzzz-zzzz-zzz\u{e9}"] {
            assert!(hash(wrong).is_none(), "{wrong:?}");
        }
        assert_ne!(code.hash(user), code.hash(Uuid::from_u128(2)));
    }

    proptest! {
        #[test]
        fn shown_and_typed_again(bytes: [u8; BYTES]) {
            let code = RecoveryCode::from_bytes(bytes);
            let user = Uuid::from_u128(7);
            prop_assert_eq!(RecoveryCode::parse(&code.shown()).map(|again| again.hash(user)), Some(code.hash(user)));
        }

        #[test]
        fn any_text_is_taken(raw: String) {
            let _ = RecoveryCode::parse(&raw);
        }
    }
}
