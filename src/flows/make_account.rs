//! Makes the account of a proved contact, inside a change: the user, the end of every hope of other sign-ups with that contact, event, audit row and welcome.
//! Accounts that held the contact without ever proving it lose it.

use entity::{Channel, account_events::Kind, pending_sign_ups, user_audit_log::Category, users};
use serde_json::json;

use super::{
    caller::Caller,
    change::Change,
    failure::Failure,
    notify,
    release_contact::{self, Holders},
};
use crate::{
    app::App,
    domain::{profile::Profile, username::Username},
    outbound::message::Template,
    storage::{audit::Entry, error::StorageError, pending_sign_ups as sign_ups, users as storage},
};

/// Whether what was typed at the sign-up (password, username, profile) becomes the account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedBy {
    /// Who proved the contact is who typed it.
    Prover,
    /// Perhaps somebody else, who knew the address alone: the account begins with nothing of it.
    Anybody,
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Somebody has that username.
    Username,
    /// The contact belongs to an account by now.
    Contact,
}

/// Makes an account that will be there once the change is committed, with `username` instead of the one of the sign-up if there is one. Where
/// something is taken, the change must be abandoned.
pub async fn run(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    sign_up: &pending_sign_ups::Model,
    username: Option<Username>,
    typed_by: TypedBy,
) -> Result<users::Model, Failure<Taken>> {
    let now = change.now;
    let (profile, password_hash, claimed) = match typed_by {
        TypedBy::Prover => (Profile::from_json(sign_up.profile.clone()), sign_up.password_hash.clone(), sign_up.username.clone()),
        TypedBy::Anybody => (Profile::default(), None, None),
    };
    let username = username.map(|username| username.as_str().to_owned()).or(claimed);
    let by_email = sign_up.channel == Channel::Email;
    let user = users::Model {
        email: by_email.then(|| sign_up.contact.clone()),
        email_verified_at: by_email.then_some(now),
        phone: (!by_email).then(|| sign_up.contact.clone()),
        phone_verified_at: (!by_email).then_some(now),
        username,
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
        last_password_change_at: password_hash.as_ref().map(|_| now),
        password_hash,
        ..users::Model::new(app.entropy.uuid(now), now)
    };
    storage::insert(change.db(), user.clone()).await.map_err(taken)?;
    sign_ups::finish(change.db(), sign_up).await?;
    release_contact::run(change, (sign_up.channel, &sign_up.contact), user.id, Holders::Wipe).await?;
    change.tell(Kind::Created, user.id);
    change.audit(Entry::success("account_created", Category::Account, Some(user.id)).with(json!({ "channel": sign_up.channel.as_str() })));
    for message in notify::all_contacts(app, caller, &user, &Template::AccountCreated {}, now) {
        change.send(message);
    }
    Ok(user)
}

fn taken(error: StorageError) -> Failure<Taken> {
    if error.is_conflict_on("users", "username") {
        Failure::Refused(Taken::Username)
    } else if error.is_conflict_on("users", "email") || error.is_conflict_on("users", "phone") {
        Failure::Refused(Taken::Contact)
    } else {
        error.into()
    }
}
