//! Codes of six digits, as they are sent and typed.

use zeroize::Zeroizing;

/// How many different codes there are: draw a number below it.
pub const CODES: u32 = 1_000_000;
/// How long it is.
pub const DIGITS: usize = 6;

/// A code. It has no `Debug`, and is wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// The code of a number drawn below [`CODES`], with its leading zeros.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self(Zeroizing::new(format!("{:0DIGITS$}", number % CODES)))
    }

    /// Exactly six digits; blanks around them do not count.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let digits = raw.trim();
        (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| Self(Zeroizing::new(digits.to_owned())))
    }

    /// The six digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // B1: leading zeros are kept.
    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!(Code::from_number(0).as_str(), "000000");
        assert_eq!(Code::from_number(42).as_str(), "000042");
        assert_eq!(Code::from_number(999_999).as_str(), "999999");
    }

    #[test]
    fn only_six_digits_are_a_code() {
        assert!(Code::parse(" 012345\n").is_some_and(|code| code.as_str() == "012345"));
        for wrong in ["", "12345", "1234567", "12345a", "12 345", "-12345", "１２３４５６", "12345²"] {
            assert!(Code::parse(wrong).is_none(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_can_be_typed(number in 0..CODES) {
            let code = Code::from_number(number);
            prop_assert_eq!(code.as_str().len(), DIGITS);
            prop_assert!(Code::parse(code.as_str()).is_some_and(|typed| typed == code));
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = Code::parse(&text);
        }
    }
}
