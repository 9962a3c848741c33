//! One line of an import: a JSON object, read field by field so that everything wrong with it is told at once. What stands in the fields is not
//! repeated in what is told: there are password hashes among it.

use std::fmt;

use entity::{Timestamp, users};
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    crypto::password_hash::{Unreadable, check_importable},
    domain::{
        contact::{Email, Phone},
        profile::{Part, Profile, ProfileRefusal},
        username::Username,
    },
};

/// As `User.metadata` has it.
const MOST_METADATA: usize = 16 * 1024;
const FIELDS: [&str; 11] =
    ["id", "email", "emailVerified", "phone", "phoneVerified", "username", "passwordHash", "profile", "metadata", "status", "createdAt"];
const PROFILE_FIELDS: [&str; 8] = ["displayName", "fullName", "firstName", "lastName", "bio", "locale", "dateOfBirth", "address"];
const ADDRESS_FIELDS: [&str; 3] = ["country", "state", "postalCode"];
const CALENDAR_DATE: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!("[year]-[month]-[day]");

/// What is wrong with a field of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, dotted; empty for the whole line.
    pub field: String,
    /// Why.
    pub why: Why,
}

/// Why a field cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The line.
    #[error("this is not one JSON object")]
    NotAnObject,
    /// The line.
    #[error("an account needs an e-mail address or a phone number")]
    NoContact,
    /// A name that means nothing.
    #[error("there is no such field")]
    Unknown,
    /// Not what the field takes.
    #[error("this has the wrong type, or is malformed")]
    Malformed,
    /// Not a name that somebody may have.
    #[error("this cannot be a username, or is reserved")]
    Username,
    /// In the future.
    #[error("this lies in the future")]
    Future,
    /// The hash.
    #[error("{0}")]
    Hash(#[from] Unreadable),
    /// It verifies what is not there.
    #[error("there is nothing that could be verified")]
    NothingToVerify,
    /// The metadata.
    #[error("this is longer than 16 KiB")]
    TooLong,
    /// Another line has it.
    #[error("line {0} has the same")]
    Repeated(u64),
    /// An account that is there already has it.
    #[error("this belongs to another account")]
    Taken,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, why: Why) -> Self {
        Self { field: field.into(), why }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { write!(f, "{}", self.why) } else { write!(f, "{}: {}", self.field, self.why) }
    }
}

/// An account as a line has it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The row that it becomes.
    pub user: users::Model,
    /// Whether the line gave the id.
    pub has_own_id: bool,
}

/// Reads a line. `new_id` is for an account that brings none along.
pub fn read(line: &str, default_country: Option<&str>, new_id: Uuid, now: Timestamp) -> Result<Record, Vec<Problem>> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else { return Err(vec![Problem::new("", Why::NotAnObject)]) };
    let mut reader = Reader { problems: Vec::new() };
    reader.refuse_unknown("", &fields, &FIELDS);
    let id = reader.text("", &fields, "id", |text| Uuid::try_parse(text).map_err(|_| Why::Malformed));
    let email = reader.text("", &fields, "email", |text| Email::parse(text).map(|email| email.as_str().to_owned()).ok_or(Why::Malformed));
    let phone = reader.text("", &fields, "phone", |text| {
        Phone::parse(text, default_country).map(|phone| phone.as_str().to_owned()).ok_or(Why::Malformed)
    });
    let username =
        reader.text("", &fields, "username", |text| Username::parse(text).map(|name| name.as_str().to_owned()).ok_or(Why::Username));
    let password_hash = reader.text("", &fields, "passwordHash", |text| match check_importable(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(unreadable) => Err(Why::Hash(unreadable)),
    });
    let status = reader.text("", &fields, "status", status).unwrap_or(users::Status::Active);
    let created_at = reader.text("", &fields, "createdAt", |text| match OffsetDateTime::parse(text, &Rfc3339).map(Timestamp::from) {
        Ok(at) if at > now => Err(Why::Future),
        Ok(at) => Ok(at),
        Err(_) => Err(Why::Malformed),
    });
    let created_at = created_at.unwrap_or(now);
    let email_verified = reader.verified(&fields, "emailVerified", "email");
    let phone_verified = reader.verified(&fields, "phoneVerified", "phone");
    let metadata = reader.metadata(&fields);
    let profile = reader.profile(&fields, now);
    if is_absent(&fields, "email") && is_absent(&fields, "phone") {
        reader.problems.push(Problem::new("", Why::NoContact));
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let user = users::Model {
        email_verified_at: (email_verified && email.is_some()).then_some(created_at),
        email,
        phone_verified_at: (phone_verified && phone.is_some()).then_some(created_at),
        phone,
        username,
        password_hash,
        status,
        metadata,
        display_name: profile.display_name,
        full_name: profile.full_name,
        first_name: profile.first_name,
        last_name: profile.last_name,
        bio: profile.bio,
        locale: profile.locale,
        date_of_birth: profile.date_of_birth,
        country: profile.country,
        state: profile.state,
        postal_code: profile.postal_code,
        created_at,
        updated_at: now,
        ..users::Model::new(id.unwrap_or(new_id), now)
    };
    Ok(Record { user, has_own_id: id.is_some() })
}

fn status(text: &str) -> Result<users::Status, Why> {
    Ok(match text {
        "active" => users::Status::Active,
        "inactive" => users::Status::Inactive,
        "suspended" => users::Status::Suspended,
        "banned" => users::Status::Banned,
        _ => return Err(Why::Malformed),
    })
}

/// Left out, or null.
fn is_absent(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).is_none_or(Value::is_null)
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn refuse_unknown(&mut self, within: &str, fields: &Map<String, Value>, known: &[&str]) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let shown: String = name.chars().filter(|letter| !letter.is_control()).take(64).collect();
            self.problems.push(Problem::new(format!("{within}{shown}"), Why::Unknown));
        }
    }

    fn text<T>(&mut self, within: &str, fields: &Map<String, Value>, name: &str, read: impl FnOnce(&str) -> Result<T, Why>) -> Option<T> {
        let value = fields.get(name).filter(|value| !value.is_null())?;
        match value.as_str().ok_or(Why::Malformed).and_then(read) {
            Ok(read) => Some(read),
            Err(why) => {
                self.problems.push(Problem::new(format!("{within}{name}"), why));
                None
            }
        }
    }

    fn plain(&mut self, within: &str, fields: &Map<String, Value>, name: &str) -> Option<String> {
        self.text(within, fields, name, |text| Ok(text.to_owned()))
    }

    fn verified(&mut self, fields: &Map<String, Value>, name: &str, of: &str) -> bool {
        match fields.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) if is_absent(fields, of) => {
                self.problems.push(Problem::new(name, Why::NothingToVerify));
                false
            }
            Some(Value::Bool(true)) => true,
            Some(_) => {
                self.problems.push(Problem::new(name, Why::Malformed));
                false
            }
        }
    }

    fn object<'a>(&mut self, within: &str, fields: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
        match fields.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(_) => {
                self.problems.push(Problem::new(format!("{within}{name}"), Why::Malformed));
                None
            }
        }
    }

    fn metadata(&mut self, fields: &Map<String, Value>) -> Value {
        let metadata = Value::Object(self.object("", fields, "metadata").cloned().unwrap_or_default());
        let text = metadata.to_string();
        if text.len() > MOST_METADATA {
            self.problems.push(Problem::new("metadata", Why::TooLong));
        } else if text.contains("\\u0000") {
            // PostgreSQL keeps no such character.
            self.problems.push(Problem::new("metadata", Why::Malformed));
        }
        metadata
    }

    fn profile(&mut self, fields: &Map<String, Value>, now: Timestamp) -> Profile {
        let Some(given) = self.object("", fields, "profile") else { return Profile::default() };
        let within = "profile.";
        self.refuse_unknown(within, given, &PROFILE_FIELDS);
        let address = self.object(within, given, "address").cloned().unwrap_or_default();
        let within_address = "profile.address.";
        self.refuse_unknown(within_address, &address, &ADDRESS_FIELDS);
        let profile = Profile {
            display_name: self.plain(within, given, "displayName"),
            full_name: self.plain(within, given, "fullName"),
            first_name: self.plain(within, given, "firstName"),
            last_name: self.plain(within, given, "lastName"),
            bio: self.plain(within, given, "bio"),
            locale: self.plain(within, given, "locale"),
            date_of_birth: self
                .text(within, given, "dateOfBirth", |text| time::Date::parse(text, CALENDAR_DATE).map_err(|_| Why::Malformed)),
            country: self.plain(within_address, &address, "country"),
            state: self.plain(within_address, &address, "state"),
            postal_code: self.plain(within_address, &address, "postalCode"),
        };
        self.problems.extend(profile.problems(now).into_iter().map(|refusal| Problem::new(field_of(refusal), Why::Malformed)));
        profile
    }
}

const fn field_of(refusal: ProfileRefusal) -> &'static str {
    match refusal {
        ProfileRefusal::Text(Part::DisplayName) => "profile.displayName",
        ProfileRefusal::Text(Part::FullName) => "profile.fullName",
        ProfileRefusal::Text(Part::FirstName) => "profile.firstName",
        ProfileRefusal::Text(Part::LastName) => "profile.lastName",
        ProfileRefusal::Text(Part::Bio) => "profile.bio",
        ProfileRefusal::Text(Part::State) => "profile.address.state",
        ProfileRefusal::Text(Part::PostalCode) => "profile.address.postalCode",
        ProfileRefusal::Locale => "profile.locale",
        ProfileRefusal::DateOfBirth => "profile.dateOfBirth",
        ProfileRefusal::Country => "profile.address.country",
    }
}
