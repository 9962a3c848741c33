//! Reads that many fields of one answer ask for, gathered into one.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, Error,
    dataloader::{self, DataLoader},
};
use entity::{attempt_counters, auth_providers, known_devices, passkey_credentials, user_sessions, users};
use uuid::Uuid;

use super::error;
use crate::{
    app::App,
    flows::{lockout, reauthentication_methods::Has},
    storage::{
        attempt_counters as counter_storage, identities as identity_storage, known_devices as device_storage, passkeys as passkey_storage,
        recovery_codes as recovery_code_storage, sessions as session_storage, users as user_storage,
    },
};

/// Loads by key, once for an answer.
pub struct Loader(pub Arc<App>);

/// Loads what belongs to a key.
pub async fn load<K>(ctx: &Context<'_>, key: K) -> Result<Option<<Loader as dataloader::Loader<K>>::Value>, Error>
where
    K: Send + Sync + std::hash::Hash + Eq + Clone + 'static,
    Loader: dataloader::Loader<K, Error = Error>,
{
    let loader = ctx.data::<DataLoader<Loader>>().map_err(|_| error::internal("no loader in the context"))?;
    loader.load_one(key).await
}

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserId(pub Uuid);

/// A known device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId(pub Uuid);

/// The passkeys of a user, the oldest first; none where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PasskeysOf(pub Uuid);

/// The counter of wrong passwords of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PasswordCounterOf(pub Uuid);

impl dataloader::Loader<UserId> for Loader {
    type Value = Arc<users::Model>;
    type Error = Error;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Self::Value>, Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = user_storage::list_by_ids(self.0.database.read(), &ids).await.map_err(error::storage)?;
        Ok(rows.into_iter().map(|row| (UserId(row.id), Arc::new(row))).collect())
    }
}

impl dataloader::Loader<DeviceId> for Loader {
    type Value = known_devices::Model;
    type Error = Error;

    async fn load(&self, keys: &[DeviceId]) -> Result<HashMap<DeviceId, Self::Value>, Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = device_storage::list_by_ids(self.0.database.read(), &ids).await.map_err(error::storage)?;
        Ok(rows.into_iter().map(|row| (DeviceId(row.id), row)).collect())
    }
}

impl dataloader::Loader<PasskeysOf> for Loader {
    type Value = Vec<passkey_credentials::Model>;
    type Error = Error;

    async fn load(&self, keys: &[PasskeysOf]) -> Result<HashMap<PasskeysOf, Self::Value>, Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let mut by_user: HashMap<PasskeysOf, Self::Value> = HashMap::new();
        for row in passkey_storage::list_of_users(self.0.database.read(), &ids).await.map_err(error::storage)? {
            by_user.entry(PasskeysOf(row.user_id)).or_default().push(row);
        }
        Ok(by_user)
    }
}

impl dataloader::Loader<PasswordCounterOf> for Loader {
    type Value = attempt_counters::Model;
    type Error = Error;

    async fn load(&self, keys: &[PasswordCounterOf]) -> Result<HashMap<PasswordCounterOf, Self::Value>, Error> {
        let by_key: HashMap<Vec<u8>, PasswordCounterOf> =
            keys.iter().map(|key| (lockout::account_key(&self.0, key.0).to_vec(), *key)).collect();
        let rows = counter_storage::list_by_keys(self.0.database.read(), lockout::PASSWORD, by_key.keys().cloned())
            .await
            .map_err(error::storage)?;
        Ok(rows.into_iter().filter_map(|row| by_key.get(&row.key).map(|key| (*key, row))).collect())
    }
}

/// A session, whatever its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub Uuid);

impl dataloader::Loader<SessionId> for Loader {
    type Value = Arc<user_sessions::Model>;
    type Error = Error;

    async fn load(&self, keys: &[SessionId]) -> Result<HashMap<SessionId, Self::Value>, Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = session_storage::list_by_ids(self.0.database.read(), &ids).await.map_err(error::storage)?;
        Ok(rows.into_iter().map(|row| (SessionId(row.id), Arc::new(row))).collect())
    }
}

/// The accounts at providers that are linked to a user, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentitiesOf(pub Uuid);

impl dataloader::Loader<IdentitiesOf> for Loader {
    type Value = Vec<auth_providers::Model>;
    type Error = Error;

    async fn load(&self, keys: &[IdentitiesOf]) -> Result<HashMap<IdentitiesOf, Self::Value>, Error> {
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = identity_storage::list_of_users(self.0.database.read(), &ids).await.map_err(error::storage)?;
        let mut by_user: HashMap<IdentitiesOf, Self::Value> = HashMap::new();
        for row in rows {
            by_user.entry(IdentitiesOf(row.user_id)).or_default().push(row);
        }
        Ok(by_user)
    }
}

/// What a user can prove themselves by, besides what their row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FactorsOf(pub Uuid);

impl dataloader::Loader<FactorsOf> for Loader {
    type Value = Has;
    type Error = Error;

    async fn load(&self, keys: &[FactorsOf]) -> Result<HashMap<FactorsOf, Self::Value>, Error> {
        let (db, ids) = (self.0.database.read(), keys.iter().map(|key| key.0).collect::<Vec<_>>());
        let mut all: HashMap<FactorsOf, Has> = HashMap::new();
        for (id, count) in passkey_storage::count_by_user(db, &ids).await.map_err(error::storage)? {
            all.entry(FactorsOf(id)).or_default().passkeys = count;
        }
        for (id, count) in recovery_code_storage::count_unused_by_user(db, &ids).await.map_err(error::storage)? {
            all.entry(FactorsOf(id)).or_default().recovery_codes = count;
        }
        for row in identity_storage::list_of_users(db, &ids).await.map_err(error::storage)? {
            all.entry(FactorsOf(row.user_id)).or_default().identities.push(row);
        }
        Ok(all)
    }
}
