//! Holds an account still while one decision on it is made.

use entity::users;

use super::{
    caller::{Reason, SignedIn},
    change::Change,
    failure::Failure,
    refresh_session::is_live,
};
use crate::storage::{error::StorageError, sessions, users as storage};

/// Waits for every other decision on the account, until the end of the change. Taken before locks on contacts and sessions.
pub async fn lock(change: &Change<'_>, user_id: uuid::Uuid) -> Result<(), StorageError> {
    change.lock("account", &user_id.simple().to_string()).await
}

/// The account of the signed-in user as it is now, held; what a session asked for is not done any more once it is over. With a contact that the
/// account proves, everybody is held off who proves the same one.
pub async fn run<R>(change: &Change<'_>, me: &SignedIn, proves: Option<&str>) -> Result<users::Model, Failure<R>> {
    let ended = || Failure::Unauthenticated(Reason::SessionEnded);
    lock(change, me.live.user.id).await?;
    if let Some(contact) = proves {
        change.lock("contact", contact).await?;
    }
    // The row first, then the session: who sets a new password takes the row and ends the sessions.
    let user = storage::find_by_id_locked(change.db(), me.live.user.id).await?;
    let own = sessions::find_by_id(change.db(), me.live.session.id).await?;
    if !own.is_some_and(|own| is_live(&own, change.now)) {
        return Err(ended());
    }
    user.filter(|user| user.status == users::Status::Active).ok_or_else(ended)
}
