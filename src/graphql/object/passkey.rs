//! A passkey of a user.

use async_graphql::{Enum, ID, Object};
use entity::passkey_credentials;

use crate::graphql::scalar::DateTime;

/// A passkey of a user.
#[derive(Clone, Debug)]
pub struct Passkey(pub passkey_credentials::Model);

/// Whether a passkey may leave its authenticator.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "passkey_credentials::DeviceType")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum PasskeyDeviceType {
    SingleDevice,
    MultiDevice,
}

#[Object]
impl Passkey {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// `SINGLE_DEVICE` or `MULTI_DEVICE`, as the authenticator says.
    async fn device_type(&self) -> PasskeyDeviceType {
        self.0.device_type.into()
    }

    async fn backed_up(&self) -> bool {
        self.0.backed_up
    }

    async fn transports(&self) -> Vec<&str> {
        self.0.transports.as_array().into_iter().flatten().filter_map(|word| word.as_str()).collect()
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }
}
