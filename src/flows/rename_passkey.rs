//! Gives a passkey of the signed-in user another name.

use entity::{account_events::Kind, passkey_credentials, user_audit_log::Category};
use serde_json::json;
use uuid::Uuid;

use super::{caller::Caller, change::Change, failure::Failure};
use crate::{
    app::App,
    domain::passkey,
    storage::{audit::Entry, passkeys},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Empty, too long, or with control characters.
    NameInvalid,
    /// The user has no such passkey.
    NotFound,
}

/// Renames it.
pub async fn run(app: &App, caller: &Caller, passkey_id: &str, name: &str) -> Result<passkey_credentials::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let name = passkey::name(name).ok_or(Failure::Refused(Refusal::NameInvalid))?;
    let id = Uuid::parse_str(passkey_id).map_err(|_| Failure::Refused(Refusal::NotFound))?;
    let mut change = Change::begin(app, caller, now).await?;
    let renamed = passkeys::rename(change.db(), me.live.user.id, id, name, now).await?;
    let renamed = renamed.ok_or(Failure::Refused(Refusal::NotFound))?;
    change.tell(Kind::PasskeyChanged, me.live.user.id);
    let entry = Entry::success("passkey_renamed", Category::Account, Some(me.live.user.id)).in_session(me.live.session.id);
    change.audit(entry.with(json!({ "passkeyId": id })));
    change.commit().await?;
    Ok(renamed)
}
