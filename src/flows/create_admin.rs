//! Makes an administrator: the operator at the command line vouches for the address.

use entity::{
    account_events::Kind,
    user_audit_log::Category,
    user_sessions::Actor,
    users::{self, Role},
};
use serde_json::json;
use uuid::Uuid;

use super::{change::Change, failure::Failure, sign_up::judge_password};
use crate::{
    app::App,
    domain::{
        contact::Email,
        password::{Password, PasswordRefusal, Weakness},
    },
    storage::{audit::Entry, users as storage},
};

/// What the operator says.
pub struct Input {
    /// As typed.
    pub email: String,
    /// As typed.
    pub password: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an e-mail address.
    EmailInvalid,
    /// It has an account.
    EmailTaken,
    /// Too short or too long.
    Password(PasswordRefusal),
    /// Too easily guessed.
    Weak(Weakness),
}

/// Makes the account, and returns its id.
pub async fn run(app: &App, input: Input) -> Result<Uuid, Failure<Refusal>> {
    let now = app.clock.now();
    let rules = &app.config.passwords;
    let email = Email::parse(&input.email).ok_or(Failure::Refused(Refusal::EmailInvalid))?;
    let password = Password::parse(&input.password, rules.min_length, rules.max_length)
        .map_err(|refusal| Failure::Refused(Refusal::Password(refusal)))?;
    let context = vec![email.as_str().to_owned()];
    if let Some(weakness) = judge_password(app, password.clone(), context).await? {
        return Err(Failure::Refused(Refusal::Weak(weakness)));
    }
    let user = users::Model {
        email: Some(email.as_str().to_owned()),
        email_verified_at: Some(now),
        password_hash: Some(app.passwords.hash(password).await?),
        last_password_change_at: Some(now),
        role: Role::Admin,
        ..users::Model::new(app.entropy.uuid(now), now)
    };
    let id = user.id;
    let mut change = Change::begin_own(app, now).await?;
    storage::insert(change.db(), user)
        .await
        .map_err(|error| if error.is_conflict_on("users", "email") { Failure::Refused(Refusal::EmailTaken) } else { error.into() })?;
    change.tell(Kind::Created, id);
    let mut entry = Entry::success("account_created", Category::Admin, Some(id)).with(json!({ "role": "admin" }));
    entry.actor = Actor::System;
    entry.actor_user_id = None;
    change.audit(entry);
    change.commit().await?;
    Ok(id)
}
