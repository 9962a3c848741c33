//! Changes what somebody's account says: what is left out stays, null clears it.
//!
//! A contact that is set here is unproved, unless the account has proved it already: it identifies the account for a password alone until its owner
//! proves it. With another contact everything ends that hung on the old one: trust in devices, what was sent before, and the links that could bring
//! an earlier address back, for an administrator has the last word. The contacts that the account had are told.

use entity::{Channel, account_events::Kind, user_audit_log::Category, users};
use serde_json::json;

use super::{administer::Act, caller::Caller, change::Change, failure::Failure, notify, remove_phone, void_proofs};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{
        contact::{Email, Phone},
        profile::ProfileRefusal,
        profile_edit::{Edit, ProfileEdit},
        user_metadata,
        username::Username,
        ways_in::WaysIn,
    },
    outbound::message::Template,
    storage::{
        email_change_links,
        error::StorageError,
        known_devices, user_contacts,
        users::{self as storage, ProfileWrite},
    },
};

/// What is typed.
#[derive(Debug)]
pub struct Input {
    /// Whose.
    pub user_id: String,
    /// As typed; a reserved name may be given.
    pub username: Edit<String>,
    /// As typed.
    pub email: Edit<String>,
    /// As typed.
    pub phone: Edit<String>,
    /// The rest of the profile.
    pub profile: ProfileEdit,
    /// What the deployment keeps with the user.
    pub metadata: Edit<serde_json::Value>,
}

/// What is wrong with it; of the input several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
    /// Not a username.
    UsernameInvalid,
    /// Somebody else has it.
    UsernameTaken,
    /// Not an address, or not a number.
    Invalid(Channel),
    /// Somebody else has proved it.
    Taken(Channel),
    /// A part of the profile.
    Profile(ProfileRefusal),
    /// Not an object, or too large.
    Metadata,
    /// There would be neither a contact nor a provider.
    ContactRequired,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::UsernameInvalid => "USERNAME_INVALID",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::Invalid(Channel::Email) => "EMAIL_INVALID",
            Self::Invalid(Channel::Sms) => "PHONE_INVALID",
            Self::Taken(Channel::Email) => "EMAIL_TAKEN",
            Self::Taken(Channel::Sms) => "PHONE_TAKEN",
            Self::Profile(_) | Self::Metadata => "INVALID_INPUT",
            Self::ContactRequired => "CONTACT_REQUIRED",
        }
    }
}

/// What is typed, in canonical form.
struct Wanted {
    email: Edit<String>,
    phone: Edit<String>,
    write: ProfileWrite,
    metadata: Option<serde_json::Value>,
    /// Names of what is touched besides the contacts.
    touched: Vec<&'static str>,
}

/// Changes it, and returns the account as it is now.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<users::Model, Failure<Vec<Refusal>>> {
    let now = app.clock.now();
    let act = Act::of(caller, &input.user_id)?;
    let ended = match parse(app, input, now) {
        Ok(wanted) => update(app, caller, act, wanted, now).await.map_err(|failure| failure.map(|refusal| vec![refusal])),
        Err(refusals) => Err(Failure::Refused(refusals)),
    };
    if let Err(Failure::Refused(refusals)) = &ended {
        let code = refusals.first().map_or("INVALID_INPUT", |refusal| refusal.code());
        act.record_refusal(app, caller, ("user_updated", code), now).await?;
    }
    ended
}

fn parse(app: &App, input: Input, now: Timestamp) -> Result<Wanted, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut touched = input.profile.touched();
    let country = app.config.phones.default_country.as_deref();
    let email = canonical(input.email, |raw| Email::parse(raw).map(|email| email.as_str().to_owned()));
    let phone = canonical(input.phone, |raw| Phone::parse(raw, country).map(|phone| phone.as_str().to_owned()));
    let username = canonical(input.username, |raw| Username::recognize(raw).map(|name| name.as_str().to_owned()));
    refusals.extend(username.is_none().then_some(Refusal::UsernameInvalid));
    refusals.extend(email.is_none().then_some(Refusal::Invalid(Channel::Email)));
    refusals.extend(phone.is_none().then_some(Refusal::Invalid(Channel::Sms)));
    refusals.extend(input.profile.problems(now).into_iter().map(Refusal::Profile));
    let metadata = input.metadata.into_value().map(|metadata| metadata.unwrap_or_else(|| json!({})));
    refusals.extend(metadata.as_ref().filter(|metadata| !user_metadata::is_acceptable(metadata)).map(|_| Refusal::Metadata));
    let (Some(email), Some(phone), Some(username), true) = (email, phone, username, refusals.is_empty()) else { return Err(refusals) };
    if username != Edit::Keep {
        touched.insert(0, "username");
    }
    if metadata.is_some() {
        touched.push("metadata");
    }
    let profile = input.profile;
    let write = ProfileWrite {
        username: username.into_value(),
        display_name: profile.display_name.into_value(),
        full_name: profile.full_name.into_value(),
        first_name: profile.first_name.into_value(),
        last_name: profile.last_name.into_value(),
        bio: profile.bio.into_value(),
        locale: profile.locale.into_value(),
        date_of_birth: profile.date_of_birth.into_value(),
        country: profile.country.into_value(),
        state: profile.state.into_value(),
        postal_code: profile.postal_code.into_value(),
    };
    Ok(Wanted { email, phone, write, metadata, touched })
}

/// The same in canonical form; `None` where it has none.
fn canonical(edit: Edit<String>, read: impl FnOnce(&str) -> Option<String>) -> Option<Edit<String>> {
    match edit {
        Edit::Keep => Some(Edit::Keep),
        Edit::Clear => Some(Edit::Clear),
        Edit::Set(raw) => read(&raw).map(Edit::Set),
    }
}

async fn update(app: &App, caller: &Caller, act: Act<'_>, wanted: Wanted, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let mut change = Change::begin(app, caller, now).await?;
    let contacts: Vec<&str> = [wanted.email.as_set(), wanted.phone.as_set()].into_iter().flatten().map(String::as_str).collect();
    let before = act.hold(&change, &contacts, Refusal::UserNotFound).await?;
    let moved = moved(&before, &wanted);
    refuse_contacts(app, &change, &before, &moved).await?;
    let mut fields = wanted.touched;
    if !fields.is_empty() {
        let written = storage::update_by_administrator(change.db(), before.id, wanted.write, wanted.metadata, now).await;
        written.map_err(
            |error| {
                if error.is_conflict_on("users", "username") { Failure::Refused(Refusal::UsernameTaken) } else { error.into() }
            },
        )?;
        change.tell(Kind::Updated, before.id);
    }
    let challenges = if moved.is_empty() { Vec::new() } else { move_contacts(app, &mut change, &before, &moved).await? };
    fields.extend(moved.iter().map(|(channel, _)| if *channel == Channel::Email { "email" } else { "phone" }));
    if fields.is_empty() {
        return Ok(before);
    }
    let mut entry = act.success("user_updated", Category::Admin);
    if !moved.is_empty() {
        entry.category = Category::Security;
    }
    change.audit(entry.with(json!({ "fields": fields })));
    let user = storage::find_by_id(change.db(), before.id).await?.unwrap_or(before);
    change.commit().await?;
    void_proofs::show(app, challenges, now).await;
    Ok(user)
}

/// The contacts that become another one, or none. The one that the account has, proved or not, is no other.
fn moved(before: &users::Model, wanted: &Wanted) -> Vec<(Channel, Option<String>)> {
    let pairs = [(Channel::Email, &before.email, &wanted.email), (Channel::Sms, &before.phone, &wanted.phone)];
    let moved = pairs.into_iter().filter_map(|(channel, has, wanted)| {
        let next = wanted.clone().into_value()?;
        (next != *has).then_some((channel, next))
    });
    moved.collect()
}

async fn refuse_contacts(
    app: &App,
    change: &Change<'_>,
    before: &users::Model,
    moved: &[(Channel, Option<String>)],
) -> Result<(), Failure<Refusal>> {
    for (channel, next) in moved {
        let Some(contact) = next else { continue };
        let owner = match channel {
            Channel::Email => storage::find_by_verified_email(change.db(), contact).await?,
            Channel::Sms => storage::find_by_verified_phone(change.db(), contact).await?,
        };
        if owner.is_some() {
            return Err(Failure::Refused(Refusal::Taken(*channel)));
        }
    }
    if moved.iter().any(|(_, next)| next.is_none()) {
        let mut left: WaysIn = remove_phone::ways_in(app, change.db(), before).await?;
        for (channel, next) in moved {
            let proved = next.as_ref().map(|_| false);
            match channel {
                Channel::Email => left.email = proved,
                Channel::Sms => left.phone = proved,
            }
        }
        if !left.reachable() {
            return Err(Failure::Refused(Refusal::ContactRequired));
        }
    }
    Ok(())
}

/// Moves them, and tells those that the account had. Returns the challenges that are over.
async fn move_contacts(
    app: &App,
    change: &mut Change<'_>,
    before: &users::Model,
    moved: &[(Channel, Option<String>)],
) -> Result<Vec<uuid::Uuid>, StorageError> {
    let now = change.now;
    user_contacts::void_proofs(change.db(), before.id, now).await?;
    let challenges = void_proofs::run(app, change, before).await?;
    known_devices::revoke_trust(change.db(), before.id).await?;
    for (channel, next) in moved {
        match next {
            Some(contact) => user_contacts::set_unverified(change.db(), before.id, (*channel, contact), now).await?,
            None => {
                user_contacts::delete(change.db(), before.id, *channel, now).await?;
            }
        }
        let (kind, template) = match (channel, next) {
            (Channel::Email, _) => (Kind::EmailChanged, Template::EmailChanged(notify::unseen(now))),
            (Channel::Sms, Some(_)) => (Kind::PhoneChanged, Template::PhoneChanged(notify::unseen(now))),
            (Channel::Sms, None) => (Kind::PhoneChanged, Template::PhoneRemoved(notify::unseen(now))),
        };
        if *channel == Channel::Email {
            email_change_links::consume_all_of_user(change.db(), before.id, now).await?;
        }
        // A new one is nobody's yet: only what the account had proved is told.
        for message in notify::all_contacts_unasked(app, before, &template, now) {
            change.send(message);
        }
        change.tell(kind, before.id);
    }
    Ok(challenges)
}
