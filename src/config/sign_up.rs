//! Who may make an account, and by what.

use std::time::Duration;

use super::{reader::Reader, value::Value};

/// Settings of sign-up.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// Whether people may make accounts by themselves.
    pub enabled: bool,
    /// By what they may.
    pub contacts: Vec<SignUpContact>,
    /// How long a sign-up waits for its contact to be proved.
    pub pending_ttl: Duration,
    /// Live pending sign-ups for a contact.
    pub per_contact: u32,
}

/// What a sign-up can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpContact {
    /// An e-mail address.
    Email,
    /// A phone number, proved by SMS.
    Sms,
}

impl Value for SignUpContact {
    const FORM: &'static str = "email or sms";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "email" => Some(Self::Email),
            "sms" => Some(Self::Sms),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Email => "email".to_owned(),
            Self::Sms => "sms".to_owned(),
        }
    }
}

impl SignUp {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let sign_up = Self {
            enabled: reader.value("sign_up.enabled", true, "Whether people may make accounts by themselves."),
            contacts: reader.list(
                "sign_up.contacts",
                (vec![SignUpContact::Email, SignUpContact::Sms], "email,sms"),
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
