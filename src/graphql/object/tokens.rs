//! What a client proves its session with.

use async_graphql::{Enum, Object};
use entity::user_sessions;

use crate::{flows::issue_tokens, graphql::scalar::DateTime};

/// What a client proves its session with.
pub struct Tokens(pub issue_tokens::Tokens);

/// How the refresh token travels.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_sessions::TokenDelivery")]
pub enum TokenDelivery {
    /// As HttpOnly cookies, for browsers. Scripts never see the refresh token.
    Cookie,
    /// In the answer, for native apps and servers.
    Body,
}

#[Object]
impl Tokens {
    /// A JWT; send it as `Authorization: Bearer …`. Browsers with cookies need not keep it.
    async fn access_token(&self) -> &str {
        &self.0.access_token
    }

    async fn access_token_expires_at(&self) -> DateTime {
        self.0.access_token_expires_at.into()
    }

    /// Null when it was set as a cookie.
    async fn refresh_token(&self) -> Option<&str> {
        self.0.refresh_token.as_deref()
    }

    async fn refresh_token_expires_at(&self) -> DateTime {
        self.0.refresh_token_expires_at.into()
    }

    /// Keeps this device known and trusted: send it as the header `Postern-Device` at the next sign-in. Null when it was set as a cookie.
    async fn device_token(&self) -> Option<&str> {
        self.0.device_token.as_deref()
    }
}
