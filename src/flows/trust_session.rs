//! Trusts the device of a session, or stops trusting it. A trusted device is not asked for a second factor for 30 days.

use std::time::Duration;

use entity::{account_events::Kind, user_audit_log::Category, user_sessions};
use uuid::Uuid;

use super::{caller::Caller, change::Change, failure::Failure, hold_account};
use crate::{
    app::App,
    storage::{audit::Entry, error::StorageError, known_devices, sessions},
};

/// How long trust lasts.
const TRUST: Duration = Duration::from_hours(30 * 24);

/// What is wished.
pub struct Input {
    /// One of the own ones; to be trusted, that of the request.
    pub session_id: String,
    /// Whether to trust.
    pub trusted: bool,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such session, or somebody else's.
    SessionNotFound,
    /// Only the device at hand can be trusted.
    NotOwn,
    /// Its device is not known any more.
    NoDevice,
}

/// Does it.
pub async fn run(app: &App, caller: &Caller, input: &Input) -> Result<user_sessions::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let not_found = || Failure::Refused(Refusal::SessionNotFound);
    let id = Uuid::try_parse(&input.session_id).map_err(|_| not_found())?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    let session = sessions::find_of_user(change.db(), user.id, id).await?.ok_or_else(not_found)?;
    if input.trusted && session.id != me.live.session.id {
        return Err(Failure::Refused(Refusal::NotOwn));
    }
    match (input.trusted, session.known_device_id) {
        (true, Some(device_id)) => {
            if !trust(&mut change, (user.id, session.id), device_id).await? {
                return Err(Failure::Refused(Refusal::NoDevice));
            }
        }
        (true, None) => return Err(Failure::Refused(Refusal::NoDevice)),
        (false, Some(device_id)) => {
            known_devices::revoke_trust_of(change.db(), device_id).await?;
            change.tell(Kind::Updated, user.id);
            change.audit(Entry::success("device_trust_ended", Category::Security, Some(user.id)).in_session(session.id));
        }
        // There is no trust to end.
        (false, None) => {}
    }
    change.commit().await?;
    Ok(session)
}

/// Trusts a device from now on, inside a change; false where the account does not know it any more.
pub async fn trust(change: &mut Change<'_>, (user_id, session_id): (Uuid, Uuid), device_id: Uuid) -> Result<bool, StorageError> {
    let trusted = known_devices::trust(change.db(), user_id, device_id, change.now + TRUST).await?;
    if trusted {
        change.tell_session(Kind::SessionTrusted, user_id, session_id);
        change.audit(Entry::success("device_trusted", Category::Security, Some(user_id)).in_session(session_id));
    }
    Ok(trusted)
}
