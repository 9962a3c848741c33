//! E-mail addresses and phone numbers in their one canonical form, and what people type to name an account.

use std::fmt;

use entity::Channel;
use unicode_normalization::UnicodeNormalization;

use super::username::Username;
pub use super::{email::Email, phone::Phone};

/// Longer identifiers are cut: they name nobody, but they are counted.
const LONGEST_IDENTIFIER: usize = 320;
const HIDDEN: char = '•';

/// A way to reach a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// An e-mail address.
    Email(Email),
    /// A phone number.
    Phone(Phone),
}

impl Contact {
    /// Reads a contact back from its canonical form, as it is stored.
    #[must_use]
    pub fn from_canonical(text: &str) -> Option<Self> {
        let contact = if text.contains('@') { Email::parse(text).map(Self::Email) } else { Phone::parse(text, None).map(Self::Phone) };
        contact.filter(|contact| contact.as_str() == text)
    }

    /// How it is reached.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) => Channel::Sms,
        }
    }

    /// The canonical form: an address in lower case with an ASCII domain, or a number in E.164.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Phone(phone) => phone.as_str(),
        }
    }

    /// As it may be shown to somebody who need not know it: `a•••@example.com`, `+66•••••5678`.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Email(email) => email.masked(),
            Self::Phone(phone) => phone.masked(),
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Masks a stored contact; one that is not canonical is hidden wholly.
#[must_use]
pub fn masked(contact: &str) -> String {
    Contact::from_canonical(contact).map_or_else(|| hidden(5), |contact| contact.masked())
}

/// What somebody typed to name an account. The kinds cannot be mistaken for one another: addresses have an `@`, usernames begin with a letter,
/// numbers have none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// An e-mail address.
    Email(Email),
    /// A phone number.
    Phone(Phone),
    /// A username.
    Username(Username),
    /// None of them: trimmed, in NFKC and lower case, so that attempts are counted for it all the same.
    Unrecognised(String),
}

impl Identifier {
    /// Reads it; `default_country` (ISO 3166-1 alpha-2) is for numbers without their country.
    #[must_use]
    pub fn parse(raw: &str, default_country: Option<&str>) -> Self {
        if let Some(email) = Email::parse(raw) {
            return Self::Email(email);
        }
        if let Some(phone) = Phone::parse(raw, default_country) {
            return Self::Phone(phone);
        }
        if let Some(username) = Username::recognize(raw) {
            return Self::Username(username);
        }
        // PostgreSQL takes no NUL in a text, and nobody types control characters.
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let canonical: String = raw.trim().nfkc().flat_map(char::to_lowercase).map(shown).take(LONGEST_IDENTIFIER).collect();
        Self::Unrecognised(canonical)
    }

    /// The canonical form: what attempts are counted for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Phone(phone) => phone.as_str(),
            Self::Username(username) => username.as_str(),
            Self::Unrecognised(text) => text,
        }
    }
}

pub(super) fn hidden(characters: usize) -> String {
    HIDDEN.to_string().repeat(characters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_are_told_apart() {
        assert!(matches!(Identifier::parse(" Alice@Example.com", None), Identifier::Email(email) if email.as_str() == "alice@example.com"));
        assert!(matches!(Identifier::parse("+66 81 234 5678", None), Identifier::Phone(phone) if phone.as_str() == "+66812345678"));
        assert!(matches!(Identifier::parse("081 234 5678", Some("TH")), Identifier::Phone(phone) if phone.as_str() == "+66812345678"));
        assert!(matches!(Identifier::parse("Alice", Some("TH")), Identifier::Username(name) if name.as_str() == "alice"));
        assert_eq!(Identifier::parse(" Nobody At All ", None), Identifier::Unrecognised("nobody at all".to_owned()));
        assert_eq!(Identifier::parse("081 234 5678", None), Identifier::Unrecognised("081 234 5678".to_owned()));
        assert_eq!(Identifier::parse("\0a\u{7}b", None), Identifier::Unrecognised("\u{fffd}a\u{fffd}b".to_owned()));
    }

    // C9: one counter for an account, however its identifier is written.
    #[test]
    fn every_spelling_is_the_same_identifier() {
        for spelling in ["+66812345678", "+66 (0)81-234-5678", "081 234 5678", "０８１２３４５６７８"] {
            assert_eq!(Identifier::parse(spelling, Some("TH")).as_str(), "+66812345678", "{spelling}");
        }
        for spelling in ["fi@example.com", "ﬁ@example.com", " FI@EXAMPLE.COM "] {
            assert_eq!(Identifier::parse(spelling, None).as_str(), "fi@example.com", "{spelling}");
        }
    }

    #[test]
    fn contacts_are_masked() {
        assert_eq!(masked("alice@example.com"), "a•••@example.com");
        assert_eq!(masked("+66812345678"), "+66•••••5678");
        assert_eq!(masked("rubbish"), "•••••");
        assert_eq!(masked(""), "•••••");
    }

    proptest! {
        #[test]
        fn a_canonical_identifier_stays_as_it_is(raw: String, country in prop::option::of(prop::sample::select(vec!["TH", "US", "DE", "IT", "AR"]))) {
            let once = Identifier::parse(&raw, country);
            if !matches!(once, Identifier::Unrecognised(_)) {
                prop_assert_eq!(Identifier::parse(once.as_str(), country), once);
            }
        }

        #[test]
        fn canonical_contacts_are_read_back(user in "[a-zA-Z][a-zA-Z0-9+_.-]{0,20}", domain in "[a-zA-Z0-9]{1,10}\\.[a-z]{2,5}") {
            if let Some(email) = Email::parse(&format!("{user}@{domain}")) {
                let contact = Contact::Email(email);
                prop_assert_eq!(Contact::from_canonical(contact.as_str()), Some(contact));
            }
        }
    }
}
