//! E-mail addresses: one canonical form, and nothing that could smuggle a second recipient or a header.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

use super::contact::hidden;

/// RFC 5321, as counted by RFC 3696 erratum 1690.
const LONGEST: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;
/// Longer texts are refused before they are looked at.
const LONGEST_RAW: usize = 1024;

/// An address in lower case and NFKC, its domain in ASCII (IDNA, UTS #46).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    text: String,
    at: usize,
}

impl Email {
    /// Reads an address; blanks around it do not count. Taken are dot-atoms of ASCII (RFC 5321, without quoted strings and address literals), which is
    /// what mail servers take in practice.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        if raw.len() > LONGEST_RAW || raw.chars().any(char::is_control) {
            return None;
        }
        // Normalized first: some characters become an `@`, a comma or a blank by it.
        let normalized: String = raw.trim().nfkc().collect();
        let (local, domain) = normalized.trim().split_once('@')?;
        let local = local.to_ascii_lowercase();
        if !is_dot_atom(&local) || local.len() > LONGEST_LOCAL_PART {
            return None;
        }
        let domain = canonical_domain(domain)?;
        let email = Self { text: format!("{local}@{domain}"), at: local.len() };
        (email.text.len() <= LONGEST).then_some(email)
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What comes before the `@`: it must not be somebody's password.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// `a•••@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let first = self.text.chars().next().unwrap_or_default();
        format!("{first}{}{}", hidden(3), self.text.get(self.at..).unwrap_or_default())
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 5322, section 3.2.3.
fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

fn canonical_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify).ok()?;
    // An address of numbers is a host, not a domain.
    let last = ascii.rsplit('.').next()?;
    (!last.bytes().all(|byte| byte.is_ascii_digit())).then(|| ascii.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str) -> Option<String> {
        Email::parse(raw).map(|email| email.text)
    }

    // A11: canonicalised once (case, IDN, NFKC, trim).
    #[test]
    fn spellings_of_one_address_are_one() {
        for (raw, expected) in [
            ("A@x", "a@x"),
            ("a@x", "a@x"),
            (" a@x ", "a@x"),
            ("ﬁ@x", "fi@x"),
            ("Ａ＠ｘ", "a@x"),
            ("alice@BÜCHER.example", "alice@xn--bcher-kva.example"),
            ("alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"),
            ("alice@example。com", "alice@example.com"),
            ("Alice+Tag@Example.COM", "alice+tag@example.com"),
            ("o'brien@example.com", "o'brien@example.com"),
        ] {
            assert_eq!(canonical(raw).as_deref(), Some(expected), "{raw:?}");
        }
    }

    // A11: CR/LF or comma in the address refused; A17.
    #[test]
    fn nothing_is_smuggled_in() {
        for raw in [
            "",
            "@",
            "a@",
            "@x",
            "a",
            "a@b@c",
            "a b@x",
            "a,b@x",
            "a@x,b@y",
            "a@x，b@y",
            "a;b@x",
            "a@x\r\nBcc: b@y",
            "a@x\r\n",
            "\na@x",
            "a\0@x",
            "<a@x>",
            "Alice <a@x>",
            "\"a b\"@x",
            "a(comment)@x",
            ".a@x",
            "a.@x",
            "a..b@x",
            "a@.x",
            "a@x.",
            "a@x..y",
            "a@-x.com",
            "a@x-.com",
            "a@x_y.com",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a@x/y",
            "a@x%0d%0a",
            "aé@x",
            "а@x",
        ] {
            assert_eq!(canonical(raw), None, "{raw:?}");
        }
        assert_eq!(canonical(&format!("{}@x.com", "a".repeat(65))), None);
        assert_eq!(canonical(&format!("a@{}.com", "x".repeat(64))), None);
        assert_eq!(canonical(&format!("a@{}com", "xxxxxxxxx.".repeat(26))), None);
        assert!(canonical(&format!("{}@x.com", "a".repeat(64))).is_some());
        assert_eq!(canonical(&"a".repeat(1 << 20)), None);
    }

    #[test]
    fn masks_hide_the_local_part() {
        let email = Email::parse("alice@example.com").unwrap();
        assert_eq!(email.masked(), "a•••@example.com");
        assert_eq!(email.local_part(), "alice");
        assert_eq!(Email::parse("a@x").unwrap().masked(), "a•••@x");
    }

    proptest! {
        #[test]
        fn the_canonical_form_stays_as_it_is(raw in "\\PC{1,20}@\\PC{1,20}") {
            if let Some(once) = canonical(&raw) {
                prop_assert_eq!(canonical(&once), Some(once.clone()));
                prop_assert!(once.is_ascii() && !once.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_whitespace() || byte == b','));
            }
        }

        #[test]
        fn ordinary_addresses_are_taken(raw in "[a-z0-9]{1,10}([._+-][a-z0-9]{1,5})?@[a-z][a-z0-9]{0,8}\\.(com|org|co\\.th)") {
            prop_assert_eq!(canonical(&raw), Some(raw));
        }

        #[test]
        fn parsing_never_panics(raw: String) {
            let _ = Email::parse(&raw);
        }
    }
}
