//! Makes an account for somebody, and sends them an invitation to choose its password: an administrator never does that.
//!
//! 1. Everything that is typed must be well formed; all of it is told at once.
//! 2. One change: nobody may have one of the names, proved or not, so that the same request twice makes one account; then the account, its
//!    invitation, the event and the audit row.
//!
//! A contact counts as proved where the administrator vouches for it, else once the invitation was accepted.

use entity::{
    Channel,
    account_events::Kind,
    user_audit_log::Category,
    users::{self, Role},
};
use serde_json::{Value, json};

use super::{
    administer,
    caller::{Caller, Principal},
    change::{self, Change},
    failure::Failure,
    password_link,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{
        contact::{Contact, Email, Phone},
        profile::{Profile, ProfileRefusal},
        user_metadata,
        username::Username,
    },
    storage::{
        audit::Entry,
        error::StorageError,
        users::{self as storage, Names},
    },
};

/// Whether the administrator vouches for the contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// They are proved.
    Yes,
    /// The invitation proves the one that it is sent to.
    No,
}

/// What is typed.
pub struct Input {
    /// As typed.
    pub email: Option<String>,
    /// As typed.
    pub phone: Option<String>,
    /// As typed.
    pub username: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Of the contacts.
    pub vouched: Vouched,
    /// Who they are.
    pub profile: Profile,
    /// What the deployment keeps with them.
    pub metadata: Option<Value>,
}

/// Why not; several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Neither address nor number.
    ContactRequired,
    /// Not an e-mail address, not a phone number.
    Invalid(Channel),
    /// An invitation does not go there from here.
    ChannelDisabled(Channel),
    /// Not a username.
    UsernameInvalid,
    /// A part of the profile.
    Profile(ProfileRefusal),
    /// Not an object, or longer than 16 KiB.
    Metadata,
    /// Another account has the contact, proved or not.
    Taken(Channel),
    /// Another account has the name.
    UsernameTaken,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::Taken(Channel::Email) => "EMAIL_TAKEN",
            Self::Taken(Channel::Sms) => "PHONE_TAKEN",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::ContactRequired => "CONTACT_REQUIRED",
            Self::Invalid(Channel::Email) => "EMAIL_INVALID",
            Self::Invalid(Channel::Sms) => "PHONE_INVALID",
            Self::ChannelDisabled(_) => "METHOD_DISABLED",
            Self::UsernameInvalid => "USERNAME_INVALID",
            Self::Profile(_) | Self::Metadata => "INVALID_INPUT",
        }
    }
}

/// Makes the account, and returns it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<users::Model, Failure<Vec<Refusal>>> {
    let now = app.clock.now();
    let principal = caller.principal().map_err(Failure::Unauthenticated)?;
    let category = category_of(input.role);
    let ended = match parse(app, input, now) {
        Ok((user, invited)) => write(app, caller, principal, (user, &invited), now).await,
        Err(refusals) => Err(Failure::Refused(refusals)),
    };
    if let Err(Failure::Refused(refusals)) = &ended
        && let Some(refusal) = refusals.first()
    {
        let entry = Entry::failure("account_created", category, None, refusal.code()).by(principal.actor, principal.user_id);
        change::record(app, caller, vec![entry], now).await?;
    }
    ended
}

/// Another administrator is a matter of who has access.
const fn category_of(role: Role) -> Category {
    match role {
        Role::User => Category::Admin,
        Role::Admin => Category::Security,
    }
}

/// The account as it will be, and where its invitation goes.
fn parse(app: &App, input: Input, now: Timestamp) -> Result<(users::Model, Contact), Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut keep = |refusal| refusals.push(refusal);
    let country = app.config.phones.default_country.as_deref();
    let email = input.email.map(|raw| Email::parse(&raw).ok_or(Refusal::Invalid(Channel::Email))).transpose();
    let email = email.map_err(&mut keep).ok().flatten();
    let phone = input.phone.map(|raw| Phone::parse(&raw, country).ok_or(Refusal::Invalid(Channel::Sms))).transpose();
    let phone = phone.map_err(&mut keep).ok().flatten();
    let username = input.username.map(|raw| Username::parse(&raw).ok_or(Refusal::UsernameInvalid)).transpose();
    let username = username.map_err(&mut keep).ok().flatten();
    let metadata = input.metadata.unwrap_or_else(|| json!({}));
    if !user_metadata::is_acceptable(&metadata) {
        refusals.push(Refusal::Metadata);
    }
    refusals.extend(input.profile.problems(now).into_iter().map(Refusal::Profile));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let proved_at = (input.vouched == Vouched::Yes).then_some(now);
    let profile = input.profile;
    let user = users::Model {
        email_verified_at: email.as_ref().and(proved_at),
        email: email.map(|email| email.as_str().to_owned()),
        phone_verified_at: phone.as_ref().and(proved_at),
        phone: phone.map(|phone| phone.as_str().to_owned()),
        username: username.map(|username| username.as_str().to_owned()),
        role: input.role,
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
        ..users::Model::new(app.entropy.uuid(now), now)
    };
    match password_link::destination(app, &user) {
        Ok(contact) => Ok((user, contact)),
        Err(password_link::Unreachable::NoContact) => Err(vec![Refusal::ContactRequired]),
        Err(password_link::Unreachable::ChannelDisabled) => {
            Err(vec![Refusal::ChannelDisabled(if user.email.is_some() { Channel::Email } else { Channel::Sms })])
        }
    }
}

async fn write(
    app: &App,
    caller: &Caller,
    principal: Principal,
    (user, invited): (users::Model, &Contact),
    now: Timestamp,
) -> Result<users::Model, Failure<Vec<Refusal>>> {
    password_link::take_send(app, user.id, invited, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    // Always in this order: an address sorts behind a number.
    for contact in [&user.phone, &user.email].into_iter().flatten() {
        change.lock("contact", contact).await?;
    }
    administer::still_may(&change, caller).await?;
    let taken = taken(&change, &user).await?;
    if !taken.is_empty() {
        change.abandon().await?;
        return Err(Failure::Refused(taken));
    }
    storage::insert(change.db(), user.clone()).await.map_err(conflict)?;
    password_link::send(app, &mut change, (&user, invited), password_link::Kind::Invitation).await?;
    change.tell(Kind::Created, user.id);
    let metadata = json!({
        "role": if user.role == Role::Admin { "admin" } else { "user" },
        "verified": user.email_verified_at.is_some() || user.phone_verified_at.is_some(),
        "invited": invited.channel().as_str(),
    });
    let entry = Entry::success("account_created", category_of(user.role), Some(user.id)).by(principal.actor, principal.user_id);
    change.audit(entry.with(metadata));
    change.commit().await?;
    Ok(user)
}

/// Which of the names another account has. A contact that nobody proved yet was given to an account by an administrator as well.
async fn taken(change: &Change<'_>, user: &users::Model) -> Result<Vec<Refusal>, StorageError> {
    let names = Names {
        ids: Vec::new(),
        emails: user.email.iter().cloned().collect(),
        phones: user.phone.iter().cloned().collect(),
        usernames: user.username.iter().cloned().collect(),
    };
    let holders = storage::list_named(change.db(), names).await?;
    let has =
        |name: &Option<String>, of: fn(&users::Model) -> &Option<String>| name.is_some() && holders.iter().any(|holder| of(holder) == name);
    let checks = [
        (has(&user.email, |holder| &holder.email), Refusal::Taken(Channel::Email)),
        (has(&user.phone, |holder| &holder.phone), Refusal::Taken(Channel::Sms)),
        (has(&user.username, |holder| &holder.username), Refusal::UsernameTaken),
    ];
    Ok(checks.into_iter().filter(|(is_taken, _)| *is_taken).map(|(_, refusal)| refusal).collect())
}

/// The database has the last word.
fn conflict(error: StorageError) -> Failure<Vec<Refusal>> {
    let of = [("email", Refusal::Taken(Channel::Email)), ("phone", Refusal::Taken(Channel::Sms)), ("username", Refusal::UsernameTaken)];
    match of.into_iter().find(|(column, _)| error.is_conflict_on("users", column)) {
        Some((_, refusal)) => Failure::Refused(vec![refusal]),
        None => error.into(),
    }
}
