//! What resolvers find in their context.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, Result};
use entity::user_sessions::TokenDelivery;

use super::{
    error,
    response_cookies::{CookieKind, ResponseCookies},
};
use crate::{
    app::App,
    clock::Timestamp,
    flows::{caller::Caller, issue_tokens::Tokens},
};

/// Short ways to what every operation carries.
pub trait ContextExt {
    /// Everything that a request can reach.
    fn app(&self) -> Result<&App>;
    /// Who asks.
    fn caller(&self) -> Result<&Caller>;
    /// What the answer does to cookies.
    fn cookies(&self) -> Result<&ResponseCookies>;
}

impl ContextExt for Context<'_> {
    fn app(&self) -> Result<&App> {
        Ok(self.data::<Arc<App>>().map_err(|_| error::internal("no app in the context"))?.as_ref())
    }

    fn caller(&self) -> Result<&Caller> {
        Ok(self.data::<Arc<Caller>>().map_err(|_| error::internal("no caller in the context"))?.as_ref())
    }

    fn cookies(&self) -> Result<&ResponseCookies> {
        self.data::<ResponseCookies>().map_err(|_| error::internal("no cookies in the context"))
    }
}

/// Delivers tokens: what goes into cookies is no longer in what is returned for the body.
pub fn deliver(ctx: &Context<'_>, mut tokens: Tokens, by: TokenDelivery) -> Result<Tokens> {
    match by {
        TokenDelivery::Body => {}
        TokenDelivery::Cookie => {
            set_tokens(ctx.cookies()?, &mut tokens, ctx.app()?.clock.now());
        }
    }
    Ok(tokens)
}

/// Puts tokens into cookies; the refresh and the device token are then nowhere else.
pub fn set_tokens(cookies: &ResponseCookies, tokens: &mut Tokens, now: Timestamp) {
    // Until the refresh token ends, so that an expired access token reads as expired, not as signed out.
    let lasts = tokens.refresh_token_expires_at.until(now);
    cookies.set(CookieKind::Access, tokens.access_token.clone(), lasts);
    if let Some(token) = tokens.refresh_token.take() {
        cookies.set(CookieKind::Refresh, token, lasts);
    }
    if let Some(token) = tokens.device_token.take() {
        cookies.set(CookieKind::Device, token, DEVICE_COOKIE);
    }
}

/// The longest that browsers keep a cookie (RFC 6265bis): 400 days.
pub const DEVICE_COOKIE: Duration = Duration::from_hours(400 * 24);

/// Forgets the tokens, not the device.
pub fn clear_tokens(ctx: &Context<'_>) -> Result<()> {
    let cookies = ctx.cookies()?;
    cookies.clear(CookieKind::Access);
    cookies.clear(CookieKind::Refresh);
    Ok(())
}
