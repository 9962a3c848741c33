//! What passkeys are called, and what proofs by them are.

use entity::passkey_credentials::DeviceType;

/// In characters.
pub const LONGEST_NAME: usize = 100;

/// The name that a person gives a passkey, without spaces around it; `None` where it is empty, too long, or has control characters.
#[must_use]
pub fn name(text: &str) -> Option<&str> {
    let name = text.trim();
    let is_name = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    is_name.then_some(name)
}

/// RFC 8176 names of a proof by passkey with user verification: a key in hardware, or one that is copied between devices.
#[must_use]
pub const fn amr(kind: DeviceType) -> [&'static str; 3] {
    match kind {
        DeviceType::SingleDevice => ["hwk", "user", "mfa"],
        DeviceType::MultiDevice => ["swk", "user", "mfa"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_a_hundred_characters() {
        assert_eq!(name("  my phone "), Some("my phone"));
        assert_eq!(name(&"ก".repeat(100)), Some("ก".repeat(100).as_str()));
        for wrong in ["", "  ", "a\u{0}b", "a\nb", &"ก".repeat(101)] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
    }
}
