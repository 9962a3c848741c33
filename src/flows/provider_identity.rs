//! Who somebody is at a provider, as the provider's signed answer says it.

use serde::{Deserialize, Serialize};

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
