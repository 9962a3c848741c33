//! Usernames: 3 to 32 characters that can be spoken and typed, compared without case.

/// Fewest characters.
pub const MIN_LENGTH: usize = 3;
/// Most characters.
pub const MAX_LENGTH: usize = 32;
/// The rule as a regular expression, for clients. Case does not count: names are kept in lower case.
pub const PATTERN: &str = "^[a-zA-Z][a-zA-Z0-9_.-]{2,31}$";

/// Names that would pass for the deployment itself, or that paths and mailboxes use.
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "auth",
    "billing",
    "contact",
    "daemon",
    "everyone",
    "graphql",
    "guest",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "login",
    "logout",
    "mail",
    "mailer-daemon",
    "moderator",
    "nobody",
    "noreply",
    "no-reply",
    "null",
    "oauth",
    "official",
    "operator",
    "owner",
    "password",
    "postern",
    "postmaster",
    "register",
    "root",
    "security",
    "self",
    "settings",
    "signin",
    "sign-in",
    "signup",
    "sign-up",
    "staff",
    "status",
    "sudo",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "undefined",
    "user",
    "username",
    "users",
    "webmaster",
    "www",
];

/// A username in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// A name that somebody may take; blanks around it do not count. `None` if it is malformed or reserved.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        Self::recognize(raw).filter(|name| !RESERVED.contains(&name.as_str()))
    }

    /// A name that somebody may have, reserved ones among them: operators may give those away.
    #[must_use]
    pub fn recognize(raw: &str) -> Option<Self> {
        let name = raw.trim();
        let well_formed = (MIN_LENGTH..=MAX_LENGTH).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        well_formed.then(|| Self(name.to_ascii_lowercase()))
    }

    /// In lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(Username::parse("Alice_1"), Username::parse(" alice_1 "));
        assert_eq!(Username::parse("Alice").unwrap().as_str(), "alice");
    }

    #[test]
    fn malformed_and_reserved_names_are_refused() {
        for wrong in
            ["", "ab", "1ab", "_ab", ".ab", "a b", "a@b", "+66812345678", "123456", "älice", "alice\n.", &"a".repeat(33), "Admin", "ROOT"]
        {
            assert_eq!(Username::parse(wrong), None, "{wrong:?}");
        }
        assert!(Username::parse(&"a".repeat(32)).is_some());
        assert!(Username::recognize("Admin").is_some());
    }

    #[test]
    fn reserved_names_are_well_formed() {
        for name in RESERVED {
            assert_eq!(Username::recognize(name).map(|name| name.0).as_deref(), Some(*name));
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_stays(name in "[a-zA-Z][a-zA-Z0-9_.-]{2,31}") {
            let once = Username::recognize(&name).unwrap();
            prop_assert_eq!(Username::recognize(once.as_str()), Some(once));
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = Username::parse(&text);
        }
    }
}
