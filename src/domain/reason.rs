//! Why an administrator did something, in their words.

/// Most characters.
pub const MAX_LENGTH: usize = 500;

/// A few words on one line or several; blanks around them do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// `None` if nothing is said, too much, or what cannot be read.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let words = raw.trim();
        let readable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        let well_formed = !words.is_empty() && words.chars().count() <= MAX_LENGTH && words.chars().all(readable);
        well_formed.then(|| Self(words.to_owned()))
    }

    /// As said.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_said_and_not_too_much() {
        assert_eq!(Reason::parse("  lost the phone \n").unwrap().as_str(), "lost the phone");
        assert!(Reason::parse("one line\nand another").is_some());
        assert!(Reason::parse(&"ก".repeat(MAX_LENGTH)).is_some());
        for wrong in ["", " \n", "a\u{0}b", "\u{1b}[31mred", &"a".repeat(MAX_LENGTH + 1)] {
            assert_eq!(Reason::parse(wrong), None, "{wrong:?}");
        }
    }
}
