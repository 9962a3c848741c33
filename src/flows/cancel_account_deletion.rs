//! Keeps the account of the signed-in user, whose deletion was asked for. Where it was not, nothing happens.

use entity::{account_events::Kind, user_audit_log::Category, users};

use super::{
    caller::{Caller, Reason},
    change::Change,
    failure::Failure,
    notify,
};
use crate::{
    app::App,
    outbound::message::Template,
    storage::{audit::Entry, deletions, users as storage},
};

/// Keeping an account is never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {}

/// Keeps it, and returns it as it is now.
pub async fn run(app: &App, caller: &Caller) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let id = me.live.user.id;
    let mut change = Change::begin(app, caller, now).await?;
    let Some(user) = deletions::cancel(change.db(), id, now).await? else {
        change.abandon().await?;
        let user = storage::find_by_id(app.database.read(), id).await?;
        return user.ok_or(Failure::Unauthenticated(Reason::SessionEnded));
    };
    change.tell(Kind::DeletionCancelled, id);
    change.audit(Entry::success("account_deletion_cancelled", Category::Account, Some(id)).in_session(me.live.session.id));
    for message in notify::all_contacts(app, caller, &user, &Template::DeletionCancelled {}, now) {
        change.send(message);
    }
    change.commit().await?;
    Ok(user)
}
