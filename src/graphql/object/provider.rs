//! Providers that this deployment offers.

use async_graphql::{Enum, SimpleObject};

use crate::config;

/// How a provider speaks.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "config::ProviderKind")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum ProviderKind {
    Google,
    Line,
    Apple,
    Oidc,
}

/// A provider that people can sign in with.
#[derive(SimpleObject, Clone, Debug)]
pub struct Provider {
    /// How it speaks.
    pub kind: ProviderKind,
    /// For `beginOAuth`.
    pub id: String,
    /// For people.
    pub name: String,
}

impl From<&config::Provider> for Provider {
    fn from(settings: &config::Provider) -> Self {
        Self { kind: settings.kind.into(), id: settings.id.clone(), name: settings.name.clone() }
    }
}
