//! Looks at the link of a message, for its page: uses nothing up, and writes nothing.

use entity::{
    Timestamp,
    link_tokens::{self, Purpose},
};

pub use super::proof::Refusal;
use super::{
    failure::Failure,
    proof::{self, Proof},
};
use crate::{
    app::App,
    storage::{sessions, users},
};

/// What a page shows before its button is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The address that it was sent to.
    pub contact: String,
    /// Whether that is still, or again, the address of the account.
    pub is_current: bool,
    /// Whether it is an invitation.
    pub is_invitation: bool,
    /// The language of its owner.
    pub locale: Option<String>,
    /// The session that it is about.
    pub session: Option<Seen>,
}

/// A session, as its owner may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// For example `Firefox on Windows`.
    pub device: String,
    /// Of the client.
    pub ip_address: Option<String>,
    /// When it began.
    pub at: Timestamp,
}

/// Looks.
pub async fn run(app: &App, token: &str, purpose: Purpose) -> Result<Preview, Failure<Refusal>> {
    look(app, proof::find_link(app, token, purpose, app.clock.now()).await?).await
}

/// Looks at a link that sets a password.
pub async fn for_password(app: &App, token: &str) -> Result<Preview, Failure<Refusal>> {
    look(app, proof::find_password_link(app, token, app.clock.now()).await?).await
}

async fn look(app: &App, link: link_tokens::Model) -> Result<Preview, Failure<Refusal>> {
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    let db = app.database.read();
    let user = users::find_by_id(db, link.user_id.unwrap_or_default()).await?.ok_or_else(invalid)?;
    let session = match link.session_id {
        Some(id) => sessions::find_of_user(db, user.id, id).await?,
        None => None,
    };
    let contact = link.contact.clone();
    let is_current = user.email_verified_at.is_some() && user.email.as_ref() == Some(&contact);
    let is_invitation = link.purpose == Purpose::Invitation;
    // Nobody shall choose a password for a link that the account has outlived.
    if (link.purpose == Purpose::PasswordReset || is_invitation) && !Proof::Link(link).speaks_for(&user) {
        return Err(invalid());
    }
    let seen = |session: entity::user_sessions::Model| Seen {
        device: session.device_name,
        ip_address: session.ip_address,
        at: session.created_at,
    };
    Ok(Preview { contact, is_current, is_invitation, locale: user.locale, session: session.map(seen) })
}
