//! What a deployment wants to know of people.

use super::{reader::Reader, value::Value};

/// A part of an account that a deployment may want filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ProfileField {
    Username,
    DisplayName,
    FullName,
    FirstName,
    LastName,
    Phone,
    Email,
    DateOfBirth,
    Country,
    State,
    PostalCode,
    Avatar,
}

const NAMES: [(ProfileField, &str); 12] = [
    (ProfileField::Username, "username"),
    (ProfileField::DisplayName, "display_name"),
    (ProfileField::FullName, "full_name"),
    (ProfileField::FirstName, "first_name"),
    (ProfileField::LastName, "last_name"),
    (ProfileField::Phone, "phone"),
    (ProfileField::Email, "email"),
    (ProfileField::DateOfBirth, "date_of_birth"),
    (ProfileField::Country, "country"),
    (ProfileField::State, "state"),
    (ProfileField::PostalCode, "postal_code"),
    (ProfileField::Avatar, "avatar"),
];

impl Value for ProfileField {
    const FORM: &'static str =
        "one of username, display_name, full_name, first_name, last_name, phone, email, date_of_birth, country, state, postal_code, avatar";

    fn read(text: &str) -> Option<Self> {
        NAMES.iter().find(|(_, name)| *name == text).map(|(field, _)| *field)
    }

    fn show(&self) -> String {
        NAMES.iter().find(|(field, _)| field == self).map(|(_, name)| (*name).to_owned()).unwrap_or_default()
    }
}

/// Settings of profiles.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What must be filled for a profile to count as complete.
    pub required_fields: Vec<ProfileField>,
}

impl Profile {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            required_fields: reader.list(
                "profile.required_fields",
                (Vec::new(), "none"),
                "What must be filled for a profile to count as complete, separated by commas: username, display_name, full_name, first_name, last_name, phone, email, date_of_birth, country, state, postal_code, avatar. It informs clients and bars nothing.",
            ),
        }
    }
}
