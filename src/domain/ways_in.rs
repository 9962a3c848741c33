//! What somebody can sign in with.

/// What an account has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaysIn {
    /// An address, and whether it is proved: then it takes codes.
    pub email: Option<bool>,
    /// A number, likewise.
    pub phone: Option<bool>,
    /// A name.
    pub username: bool,
    /// A password, which needs one of them.
    pub password: bool,
    /// Passkeys, which need no name.
    pub passkeys: u64,
    /// How many accounts at providers that can be signed in with.
    pub identities: usize,
}

impl WaysIn {
    /// Whether there is any.
    #[must_use]
    pub fn any(self) -> bool {
        let has_name = self.email.is_some() || self.phone.is_some() || self.username;
        self.email == Some(true) || self.phone == Some(true) || (self.password && has_name) || self.passkeys > 0 || self.identities > 0
    }

    /// Whether something is left by which the person is known: a contact, proved or not, or an account at a provider.
    #[must_use]
    pub const fn reachable(self) -> bool {
        self.email.is_some() || self.phone.is_some() || self.identities > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: WaysIn = WaysIn { email: None, phone: None, username: false, password: false, passkeys: 0, identities: 0 };

    #[test]
    fn a_proved_contact_or_a_password_with_a_name_is_a_way_in() {
        assert!(!NOTHING.any());
        assert!(!WaysIn { password: true, ..NOTHING }.any(), "whose password?");
        assert!(!WaysIn { email: Some(false), username: true, ..NOTHING }.any(), "nothing to prove it by");
        assert!(WaysIn { email: Some(true), ..NOTHING }.any());
        assert!(WaysIn { phone: Some(true), ..NOTHING }.any());
        assert!(WaysIn { email: Some(false), password: true, ..NOTHING }.any());
        let named = WaysIn { username: true, password: true, ..NOTHING };
        assert!(named.any() && !named.reachable());
        let by_provider = WaysIn { identities: 1, ..NOTHING };
        assert!(by_provider.any() && by_provider.reachable());
    }

    #[test]
    fn a_passkey_or_a_provider_is_a_way_in_by_itself() {
        let passkey = WaysIn { passkeys: 1, ..NOTHING };
        assert!(passkey.any() && !passkey.reachable());
        let provider = WaysIn { identities: 1, ..NOTHING };
        assert!(provider.any() && provider.reachable());
    }
}
