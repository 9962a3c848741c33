//! Takes an account at a provider off the account that is signed in, where something else is left to sign in with.

use entity::{account_events::Kind, auth_providers, user_audit_log::Category, users};
use serde_json::json;
use uuid::Uuid;

use super::{caller::Caller, change::Change, failure::Failure, hold_account, notify, provider_identity, remove_phone};
use crate::{
    app::App,
    outbound::message::Template,
    storage::{audit::Entry, identities, known_devices, users as user_storage},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing of this account has this id.
    NotFound,
    /// Nothing else would be left to sign in with.
    LastSignInMethod,
    /// There would be a way in, but neither a contact nor a provider.
    ContactRequired,
}

/// Removes it.
pub async fn run(app: &App, caller: &Caller, identity_id: &str) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let not_found = || Failure::Refused(Refusal::NotFound);
    let id = Uuid::parse_str(identity_id).map_err(|_| not_found())?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    let linked = identities::list_of_user(change.db(), user.id).await?;
    let (mut gone, left): (Vec<auth_providers::Model>, Vec<_>) = linked.into_iter().partition(|identity| identity.id == id);
    let gone = gone.pop().ok_or_else(not_found)?;
    let ways = remove_phone::ways_in(app, change.db(), &user).await?;
    let ways = crate::domain::ways_in::WaysIn { identities: provider_identity::count_usable(app, &left), ..ways };
    let refusal = match (ways.any(), ways.reachable()) {
        (false, _) => Some((Refusal::LastSignInMethod, "LAST_SIGN_IN_METHOD")),
        (true, false) => Some((Refusal::ContactRequired, "CONTACT_REQUIRED")),
        (true, true) => None,
    };
    let about = json!({ "identity": gone.id, "provider": gone.provider });
    if let Some((refusal, code)) = refusal {
        let entry = Entry::failure("identity_unlinked", Category::Security, Some(user.id), code).in_session(me.live.session.id);
        change.audit(entry.with(about));
        change.commit().await?;
        return Err(Failure::Refused(refusal));
    }
    if !identities::delete(change.db(), user.id, gone.id).await? {
        return Err(not_found());
    }
    known_devices::revoke_trust(change.db(), user.id).await?;
    let provider = provider_identity::name_of(app, &gone.provider);
    let template = Template::ProviderUnlinked { provider, sighting: notify::sighting(caller, now) };
    for message in notify::all_contacts(app, caller, &user, &template, now) {
        change.send(message);
    }
    change.tell(Kind::IdentityChanged, user.id);
    change.audit(Entry::success("identity_unlinked", Category::Security, Some(user.id)).in_session(me.live.session.id).with(about));
    change.commit().await?;
    Ok(user_storage::find_by_id(app.database.read(), user.id).await?.unwrap_or(user))
}
