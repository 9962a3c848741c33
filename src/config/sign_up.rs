//! Who may make an account, and by what.

use std::time::Duration;

use entity::Channel;

use super::{reader::Reader, value::Value};

/// Settings of sign-up.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// Whether people may make accounts by themselves.
    pub enabled: bool,
    /// By what they may.
    pub contacts: Vec<Channel>,
    /// How long a sign-up waits for its contact to be proved.
    pub pending_ttl: Duration,
    /// Live pending sign-ups for a contact.
    pub per_contact: u32,
}

impl Value for Channel {
    const FORM: &'static str = "email or sms";

    fn read(text: &str) -> Option<Self> {
        Self::parse(&text.to_ascii_lowercase())
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl SignUp {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let sign_up = Self {
            enabled: reader.value("sign_up.enabled", true, "Whether people may make accounts by themselves."),
            contacts: reader.list(
                "sign_up.contacts",
                (vec![Channel::Email, Channel::Sms], "email,sms"),
                "What a sign-up can begin with: email, sms, or both separated by a comma.",
            ),
            pending_ttl: reader.duration(
                "sign_up.pending_ttl",
                Duration::from_hours(24),
                "How long a sign-up waits for its contact to be proved.",
            ),
            per_contact: reader.count("sign_up.per_contact", 3, "Live pending sign-ups for a contact at most."),
        };
        if sign_up.enabled && sign_up.contacts.is_empty() {
            reader.problem("sign_up.contacts", "must name email or sms while sign_up.enabled is true");
        }
        sign_up
    }
}
