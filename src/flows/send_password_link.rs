//! Sends somebody a link for a password, because an administrator wants it: an invitation where they never signed in, else a reset. It goes to their
//! own address or number; the administrator is told which, masked.

use entity::{user_audit_log::Category, users};
use serde_json::json;
use uuid::Uuid;

use super::{
    administer,
    caller::{Caller, Principal},
    change::{self, Change},
    failure::Failure,
    password_link::{self, Kind, Unreachable},
    sign_in::{self, refused_by_status},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::contact::Contact,
    storage::{
        audit::Entry,
        error::StorageError,
        sessions::{self, Filter, Window},
        users as storage,
    },
};

/// What was sent.
pub struct Outcome {
    /// Whose password it is.
    pub user: users::Model,
    /// Where it went, masked.
    pub destination: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such account.
    UserNotFound,
    /// The account may not be used: its link would do nothing.
    Account(sign_in::Refusal),
    /// There is nowhere to send it.
    Unreachable(Unreachable),
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Account(refusal) => refusal.code(),
            Self::Unreachable(Unreachable::NoContact) => "CONTACT_REQUIRED",
            Self::Unreachable(Unreachable::ChannelDisabled) => "METHOD_DISABLED",
        }
    }
}

/// Sends it.
pub async fn run(app: &App, caller: &Caller, user_id: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let principal = caller.principal().map_err(Failure::Unauthenticated)?;
    let id = Uuid::try_parse(user_id).ok();
    let ended = match id {
        Some(id) => send(app, caller, principal, id, now).await,
        None => Err(Failure::Refused(Refusal::UserNotFound)),
    };
    let code = match &ended {
        Err(Failure::Refused(refusal)) => refusal.code(),
        Err(Failure::RateLimited { .. }) => "RATE_LIMITED",
        Ok(_) | Err(_) => return ended,
    };
    let whose = id.filter(|_| code != "USER_NOT_FOUND");
    let entry = Entry::failure("password_link_sent", Category::Security, whose, code).by(principal.actor, principal.user_id);
    change::record(app, caller, vec![entry], now).await?;
    ended
}

async fn send(app: &App, caller: &Caller, principal: Principal, id: Uuid, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let not_found = || Failure::Refused(Refusal::UserNotFound);
    let user = storage::find_by_id(app.database.read(), id).await?.ok_or_else(not_found)?;
    let contact = judge(app, &user)?;
    let kind = if never_signed_in(app, &user, now).await? { Kind::Invitation } else { Kind::Reset };
    password_link::take_send(app, id, &contact, now).await?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = storage::find_by_id_locked(change.db(), id).await?;
    // Whoever waited for the row may be no administrator by now.
    administer::still_may(&change, caller).await?;
    let user = user.ok_or_else(not_found)?;
    // Once more, now that nobody changes it: it may have another contact by now, or be suspended.
    let contact = judge(app, &user)?;
    password_link::send(app, &mut change, (&user, &contact), kind).await?;
    let entry = Entry::success("password_link_sent", Category::Security, Some(id)).by(principal.actor, principal.user_id);
    change.audit(entry.with(json!({ "channel": contact.channel().as_str(), "invitation": kind == Kind::Invitation })));
    change.commit().await?;
    Ok(Outcome { user, destination: contact.masked() })
}

fn judge(app: &App, user: &users::Model) -> Result<Contact, Failure<Refusal>> {
    if let Some(refusal) = refused_by_status(user.status) {
        return Err(Failure::Refused(Refusal::Account(refusal)));
    }
    password_link::destination(app, user).map_err(|why| Failure::Refused(Refusal::Unreachable(why)))
}

/// A sign-up signs in too, and leaves a session.
async fn never_signed_in(app: &App, user: &users::Model, now: Timestamp) -> Result<bool, StorageError> {
    if user.last_login_at.is_some() {
        return Ok(false);
    }
    let filter = Filter { user_id: Some(user.id), ..Filter::default() };
    let window = Window { after: None, before: None, from_end: false, limit: 1 };
    Ok(sessions::list(app.database.read(), &filter, window, now).await?.is_empty())
}
