//! An administrator's act on somebody's account: inside its change it is asked once more who acts, and the account is held.

use entity::{
    user_audit_log::Category,
    users::{self, Role},
};
use uuid::Uuid;

use super::{
    caller::{Caller, Identity, Principal, Reason, SignedIn},
    change::{self, Change},
    delete_account::ADMINISTRATORS,
    failure::Failure,
    hold_account,
    refresh_session::is_live,
};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{audit::Entry, deletions, error::StorageError, sessions, users as storage},
};

/// Who acts, and on whom.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// The administrator's session and account, as they were when the request came.
    pub me: &'a SignedIn,
    /// As the audit log names them.
    pub principal: Principal,
    /// The account; none where the id is none.
    pub user_id: Option<Uuid>,
}

impl<'a> Act<'a> {
    /// Of the signed-in caller on the account with this id.
    pub fn of<R>(caller: &'a Caller, user_id: &str) -> Result<Self, Failure<R>> {
        let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
        let principal = caller.principal().map_err(Failure::Unauthenticated)?;
        Ok(Self { me, principal, user_id: Uuid::try_parse(user_id).ok() })
    }

    /// Holds the account until the end of the change, and everybody off who proves one of the contacts; `unknown` where there is none.
    ///
    /// Who acts must be an active administrator still, whatever was remembered of them when the request came. All of them wait for one another here:
    /// of two who take each other's role at once one is an administrator no more when it is their turn.
    pub async fn hold<R>(&self, change: &Change<'_>, contacts: &[&str], unknown: R) -> Result<users::Model, Failure<R>> {
        change.lock(ADMINISTRATORS.0, ADMINISTRATORS.1).await?;
        still_administrates(change, self.me).await?;
        let Some(user_id) = self.user_id else { return Err(Failure::Refused(unknown)) };
        hold_account::lock(change, user_id).await?;
        // In one order, whoever comes with the same ones.
        let mut contacts = contacts.to_vec();
        contacts.sort_unstable();
        for contact in contacts {
            change.lock("contact", contact).await?;
        }
        storage::find_by_id_locked(change.db(), user_id).await?.ok_or(Failure::Refused(unknown))
    }

    /// What the audit log says where it was done.
    pub fn success(&self, event_type: &'static str, category: Category) -> Entry {
        Entry::success(event_type, category, self.user_id).by(self.principal.actor, self.principal.user_id)
    }

    /// Writes down that it was refused.
    pub async fn record_refusal(
        &self,
        app: &App,
        caller: &Caller,
        (event_type, code): (&'static str, &'static str),
        now: Timestamp,
    ) -> Result<(), StorageError> {
        // An id that is nobody's would be read as a person who is gone.
        let user_id = self.user_id.filter(|_| code != "USER_NOT_FOUND");
        let entry = Entry::failure(event_type, Category::Admin, user_id, code).by(self.principal.actor, self.principal.user_id);
        change::record(app, caller, vec![entry], now).await
    }
}

/// Looks once more at whoever calls, after the last wait of the change: a machine's scopes were looked at when the request came, and end with its token.
pub async fn still_may<R>(change: &Change<'_>, caller: &Caller) -> Result<(), Failure<R>> {
    if matches!(caller.identity, Identity::Machine(_)) {
        return Ok(());
    }
    still_administrates(change, caller.signed_in().map_err(Failure::Unauthenticated)?).await
}

/// Looks once more, inside the change, whether the one who acts is an active administrator whose session lives.
async fn still_administrates<R>(change: &Change<'_>, me: &SignedIn) -> Result<(), Failure<R>> {
    let actor = storage::find_by_id(change.db(), me.live.user.id).await?;
    let session = sessions::find_by_id(change.db(), me.live.session.id).await?;
    let lives = session.is_some_and(|session| is_live(&session, change.now));
    let actor = actor.filter(|actor| lives && actor.status == users::Status::Active);
    if actor.ok_or(Failure::Unauthenticated(Reason::SessionEnded))?.role != Role::Admin {
        return Err(Failure::Forbidden);
    }
    Ok(())
}

/// Whether the deployment would be without an administrator if this one were none: active, and not about to leave. The change holds all of them.
pub async fn is_last_admin(change: &Change<'_>, user: &users::Model) -> Result<bool, StorageError> {
    Ok(user.role == Role::Admin && !deletions::has_other_admin(change.db(), user.id).await?)
}
