//! What resolvers find in their context.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, Result};
use entity::{Timestamp, user_sessions::TokenDelivery};

use super::error;
use crate::{
    app::App,
    flows::{caller::Caller, issue_tokens::Tokens},
};

/// Short ways to what every operation carries.
pub trait ContextExt {
    /// Everything that a request can reach.
    fn app(&self) -> Result<&App>;
    /// Who asks.
    fn caller(&self) -> Result<&Caller>;
    /// What the answer does to cookies.
    fn cookies(&self) -> Result<&CookieChanges>;
}

impl ContextExt for Context<'_> {
    fn app(&self) -> Result<&App> {
        Ok(self.data::<Arc<App>>().map_err(|_| error::internal("no app in the context"))?.as_ref())
    }

    fn caller(&self) -> Result<&Caller> {
        Ok(self.data::<Arc<Caller>>().map_err(|_| error::internal("no caller in the context"))?.as_ref())
    }

    fn cookies(&self) -> Result<&CookieChanges> {
        self.data::<CookieChanges>().map_err(|_| error::internal("no cookies in the context"))
    }
}

/// What an answer does to the browser's cookies; the transport writes the headers.
#[derive(Clone, Debug, Default)]
pub struct CookieChanges(Arc<Mutex<Vec<CookieChange>>>);

/// One of it.
#[derive(Clone, PartialEq, Eq)]
pub enum CookieChange {
    /// The access token; the cookie lasts as long as the refresh token, so that an expired token reads as expired.
    Access {
        /// A JWT.
        token: String,
        /// End of the cookie.
        until: Timestamp,
    },
    /// The refresh token.
    Refresh {
        /// As the flow issued it.
        token: String,
        /// End of the cookie.
        until: Timestamp,
    },
    /// The device token.
    Device {
        /// As the flow issued it.
        token: String,
    },
    /// Access and refresh cookies go.
    ClearTokens,
}

impl std::fmt::Debug for CookieChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Access { .. } => "Access",
            Self::Refresh { .. } => "Refresh",
            Self::Device { .. } => "Device",
            Self::ClearTokens => "ClearTokens",
        })
    }
}

impl CookieChanges {
    /// Adds a change.
    pub fn push(&self, change: CookieChange) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    /// Takes them all.
    pub fn take(&self) -> Vec<CookieChange> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Delivers tokens: what goes into cookies is no longer in what is returned for the body.
    pub fn deliver(&self, mut tokens: Tokens, by: TokenDelivery) -> Tokens {
        match by {
            TokenDelivery::Body => {}
            TokenDelivery::Cookie => {
                let until = tokens.refresh_token_expires_at;
                self.push(CookieChange::Access { token: tokens.access_token.clone(), until });
                if let Some(token) = tokens.refresh_token.take() {
                    self.push(CookieChange::Refresh { token, until });
                }
                if let Some(token) = tokens.device_token.take() {
                    self.push(CookieChange::Device { token });
                }
            }
        }
        tokens
    }
}
