//! Who somebody is at a provider, as the provider's signed answer says it, and how that becomes a part of an account.

use entity::{account_events::Kind, auth_providers, user_audit_log::Category, users};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{caller::Caller, change::Change, notify};
use crate::{
    app::App,
    outbound::message::Template,
    storage::{audit::Entry, error::StorageError, identities, users as user_storage},
};

/// An account at a provider. Who it is say issuer and subject, never the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvedIdentity {
    /// The provider's id in the settings.
    pub provider: String,
    /// As configured.
    pub issuer: String,
    /// Unique at the issuer.
    pub subject: String,
    /// In canonical form, only where the provider says that it proved it.
    pub verified_email: Option<String>,
    /// What the list of linked accounts shows.
    pub shown_email: Option<String>,
    /// A name for the profile of a new account.
    pub name: Option<String>,
    /// The same, in parts.
    pub given_name: Option<String>,
    /// The same, in parts.
    pub family_name: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
}

impl ProvedIdentity {
    /// Its row, as a part of an account.
    pub fn row(&self, app: &App, user_id: uuid::Uuid, now: entity::Timestamp) -> auth_providers::Model {
        auth_providers::Model {
            id: app.entropy.uuid(now),
            user_id,
            provider: self.provider.clone(),
            issuer: self.issuer.clone(),
            provider_user_id: self.subject.clone(),
            email: self.shown_email.clone(),
            metadata: json!({}),
            linked_at: now,
            last_used_at: None,
        }
    }

    /// Whether its address leads to an account: both sides proved it, and the deployment wants that. `// E6`
    pub fn leads_to(&self, app: &App, user: &users::Model) -> bool {
        let is_wanted = app.providers.find(&self.provider).is_some_and(|provider| provider.settings.link_by_email);
        let is_same = self.verified_email.is_some() && self.verified_email == user.email && user.email_verified_at.is_some();
        is_wanted && is_same
    }
}

/// Makes sure, in the transaction of a session, that an account at a provider signs in to this user: it is linked already, or it is linked now,
/// because both proved the same address. False where it does not (any more): then no session may begin. The caller has locked the user's row.
pub async fn link(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    user: &users::Model,
    identity: &ProvedIdentity,
) -> Result<bool, StorageError> {
    let now = change.now;
    if let Some(linked) = identities::find(change.db(), &identity.issuer, &identity.subject).await? {
        identities::advance_use(change.db(), linked.id, identity.shown_email.as_deref(), now).await?;
        return Ok(linked.user_id == user.id);
    }
    // As it is now: the address may have been given up since the first factor.
    let Some(user) = user_storage::find_by_id(change.db(), user.id).await? else { return Ok(false) };
    if !identity.leads_to(app, &user) {
        return Ok(false);
    }
    let row = auth_providers::Model { last_used_at: Some(now), ..identity.row(app, user.id, now) };
    let is_linked = identities::insert(change.db(), row.clone()).await?;
    if is_linked {
        tell_linked(app, caller, change, &user, &row, "email");
    }
    Ok(is_linked)
}

/// Tells everybody concerned that an account at a provider was linked: `by` the address that both proved, or by its owner.
pub fn tell_linked(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    user: &users::Model,
    row: &auth_providers::Model,
    by: &'static str,
) {
    let template = Template::ProviderLinked { provider: name_of(app, &row.provider), sighting: notify::sighting(caller, change.now) };
    for message in notify::all_contacts(app, caller, user, &template, change.now) {
        change.send(message);
    }
    change.tell(Kind::IdentityChanged, user.id);
    let about = json!({ "identity": row.id, "provider": row.provider, "by": by });
    change.audit(Entry::success("identity_linked", Category::Security, Some(user.id)).with(about));
}

/// A provider's name for people; one that is not configured any more is told by its id.
pub fn name_of(app: &App, id: &str) -> String {
    app.providers.find(id).map_or_else(|| id.to_owned(), |provider| provider.settings.name.clone())
}

/// How many of the accounts at providers that are linked to a user can still be signed in with.
pub fn count_usable(app: &App, linked: &[auth_providers::Model]) -> usize {
    linked
        .iter()
        .filter(|identity| app.providers.find(&identity.provider).is_some_and(|known| known.settings.issuer == identity.issuer))
        .count()
}
