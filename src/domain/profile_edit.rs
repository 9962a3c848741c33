//! A change of what a person says about themselves: each part stays, is cleared, or becomes something else.

use entity::{Timestamp, users};

use super::profile::{Profile, ProfileRefusal};
use crate::config::ProfileField;

/// What happens to one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Edit<T> {
    /// What it becomes, where it becomes something.
    pub const fn as_set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// What it is afterwards; `None` where it stays.
    pub fn into_value(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

/// A change of a profile, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileEdit {
    /// As in [`Profile`].
    pub display_name: Edit<String>,
    /// As in [`Profile`].
    pub full_name: Edit<String>,
    /// As in [`Profile`].
    pub first_name: Edit<String>,
    /// As in [`Profile`].
    pub last_name: Edit<String>,
    /// As in [`Profile`].
    pub bio: Edit<String>,
    /// As in [`Profile`].
    pub locale: Edit<String>,
    /// As in [`Profile`].
    pub date_of_birth: Edit<time::Date>,
    /// As in [`Profile`].
    pub country: Edit<String>,
    /// As in [`Profile`].
    pub state: Edit<String>,
    /// As in [`Profile`].
    pub postal_code: Edit<String>,
}

impl ProfileEdit {
    /// Everything that is wrong with what it sets.
    pub fn problems(&self, now: Timestamp) -> Vec<ProfileRefusal> {
        self.clone().into_new().problems(now)
    }

    /// The profile of somebody who had none before.
    pub fn into_new(self) -> Profile {
        fn set<T>(edit: Edit<T>) -> Option<T> {
            edit.into_value().flatten()
        }
        Profile {
            display_name: set(self.display_name),
            full_name: set(self.full_name),
            first_name: set(self.first_name),
            last_name: set(self.last_name),
            bio: set(self.bio),
            locale: set(self.locale),
            date_of_birth: set(self.date_of_birth),
            country: set(self.country),
            state: set(self.state),
            postal_code: set(self.postal_code),
        }
    }

    /// Nothing is left.
    pub const fn everything_cleared() -> Self {
        Self {
            display_name: Edit::Clear,
            full_name: Edit::Clear,
            first_name: Edit::Clear,
            last_name: Edit::Clear,
            bio: Edit::Clear,
            locale: Edit::Clear,
            date_of_birth: Edit::Clear,
            country: Edit::Clear,
            state: Edit::Clear,
            postal_code: Edit::Clear,
        }
    }

    /// Names of the parts that it touches, for the audit log.
    pub fn touched(&self) -> Vec<&'static str> {
        let texts = [
            ("displayName", &self.display_name),
            ("fullName", &self.full_name),
            ("firstName", &self.first_name),
            ("lastName", &self.last_name),
            ("bio", &self.bio),
            ("locale", &self.locale),
            ("country", &self.country),
            ("state", &self.state),
            ("postalCode", &self.postal_code),
        ];
        let mut names: Vec<_> = texts.into_iter().filter(|(_, edit)| **edit != Edit::Keep).map(|(name, _)| name).collect();
        if self.date_of_birth != Edit::Keep {
            names.push("dateOfBirth");
        }
        names
    }
}

/// Whether a user has filled a part that a deployment may want filled; blanks are nothing.
pub fn is_filled(field: ProfileField, user: &users::Model) -> bool {
    let text = match field {
        ProfileField::Username => &user.username,
        ProfileField::DisplayName => &user.display_name,
        ProfileField::FullName => &user.full_name,
        ProfileField::FirstName => &user.first_name,
        ProfileField::LastName => &user.last_name,
        ProfileField::Phone => &user.phone,
        ProfileField::Email => &user.email,
        ProfileField::DateOfBirth => return user.date_of_birth.is_some(),
        ProfileField::Country => &user.country,
        ProfileField::State => &user.state,
        ProfileField::PostalCode => &user.postal_code,
        ProfileField::Avatar => &user.avatar_key,
    };
    text.as_deref().is_some_and(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_judged() {
        let now = Timestamp::from_millis(1_780_000_000_000);
        let edit = ProfileEdit { country: Edit::Set("XX".to_owned()), bio: Edit::Clear, ..ProfileEdit::default() };
        assert_eq!(edit.problems(now), [ProfileRefusal::Country]);
        assert_eq!(edit.touched(), ["bio", "country"]);
        assert!(ProfileEdit::default().problems(now).is_empty() && ProfileEdit::default().touched().is_empty());
    }

    #[test]
    fn blanks_fill_nothing() {
        let mut user = users::Model::new(uuid::Uuid::nil(), Timestamp::from_millis(0));
        assert!(!is_filled(ProfileField::DisplayName, &user));
        user.display_name = Some(" ".to_owned());
        assert!(!is_filled(ProfileField::DisplayName, &user));
        user.display_name = Some("Ada".to_owned());
        assert!(is_filled(ProfileField::DisplayName, &user));
    }
}
