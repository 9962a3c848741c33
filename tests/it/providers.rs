//! Signing in with accounts elsewhere, against a provider that says the truth, lies, or does not answer.

mod accounts;
mod by_email;
mod failing;
mod kinds;
mod lies;
mod linking;
mod races;
mod second_factor;
mod step_up;
mod trip;

use entity::users;
use postern::config::{Config, ProviderKind};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::support::{Gateway, oauth::HOME, provider::FakeProvider};

/// A gateway with one provider, `acme`.
pub struct World {
    pub gateway: Gateway,
    pub provider: FakeProvider,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of_kind(ProviderKind::Oidc, change).await
    }

    pub async fn of_kind(kind: ProviderKind, change: impl FnOnce(&mut Config)) -> Self {
        let provider = FakeProvider::start(None).await;
        let gateway = Gateway::start_with(|config| {
            offer(config, &provider, kind);
            change(config);
        })
        .await;
        provider.follow(&gateway.clock);
        Self { gateway, provider }
    }
}

/// Adds it to the settings, as `acme`.
pub fn offer(config: &mut Config, provider: &FakeProvider, kind: ProviderKind) {
    config.providers.push(provider.settings("acme", kind));
    config.oauth.redirect_uris = vec![HOME.to_owned(), "com.example.app:/back?from=postern".to_owned()];
    config.rate_limits.enabled = false;
}

/// Lays a hand on the row of an account.
pub async fn change_user(gateway: &Gateway, id: &str, change: impl FnOnce(&mut users::Model)) {
    let database = gateway.database().await;
    let mut row = users::Entity::find_by_id(id.parse::<uuid::Uuid>().unwrap()).one(&database).await.unwrap().unwrap();
    change(&mut row);
    row.version += 1;
    row.into_active_model().reset_all().update(&database).await.unwrap();
}

/// The account with this address, proved or not.
pub async fn accounts_with(gateway: &Gateway, email: &str) -> Vec<users::Model> {
    users::Entity::find().filter(users::Column::Email.eq(email)).all(&gateway.database().await).await.unwrap()
}
