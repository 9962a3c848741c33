//! The tokens of a session, for its client.

use entity::{Timestamp, user_sessions, user_sessions::TokenDelivery, users};

use super::failure::Failure;
use crate::{
    app::App,
    crypto::{access_token::Claims, refresh_token::RefreshToken},
};

/// What a client gets to prove its session with.
pub struct Tokens {
    /// A JWT.
    pub access_token: String,
    /// Its end.
    pub access_token_expires_at: Timestamp,
    /// Null where the one that the client holds goes on.
    pub refresh_token: Option<String>,
    /// Its end, if it is not used before.
    pub refresh_token_expires_at: Timestamp,
    /// Only at a sign-in.
    pub device_token: Option<String>,
    /// How they travel.
    pub delivery: TokenDelivery,
}

/// Signs an access token of the session as it is now, and puts the refresh token beside it.
pub fn run<R>(
    app: &App,
    session: &user_sessions::Model,
    user: &users::Model,
    refresh_token: Option<&RefreshToken>,
    now: Timestamp,
) -> Result<Tokens, Failure<R>> {
    let expires_at = now + app.config.tokens.access_ttl;
    let claims = Claims {
        iss: app.config.tokens.issuer.clone(),
        aud: app.config.tokens.audience.clone(),
        sub: user.id,
        sid: session.id,
        generation: u32::try_from(session.refresh_generation).unwrap_or(0),
        jti: app.entropy.uuid(now),
        iat: now.seconds(),
        exp: expires_at.seconds(),
        auth_time: session.authenticated_at.seconds(),
        amr: serde_json::from_value(session.amr.clone()).unwrap_or_default(),
        acr: if is_strong(session) { "aal2" } else { "aal1" }.to_owned(),
        role: match user.role {
            users::Role::User => "user".to_owned(),
            users::Role::Admin => "admin".to_owned(),
        },
    };
    let access_token =
        app.signing_keys.keys().sign(&claims, now).map_err(|_| Failure::inconsistent("there is no key to sign access tokens with"))?;
    Ok(Tokens {
        access_token,
        access_token_expires_at: Timestamp::from_millis(claims.exp * 1000),
        refresh_token: refresh_token.map(RefreshToken::encode),
        refresh_token_expires_at: session.expires_at,
        device_token: None,
        delivery: session.token_delivery,
    })
}

/// Whether a proof that was worth a second factor was given, and no risky refresh voided it since.
fn is_strong(session: &user_sessions::Model) -> bool {
    session.strong_proof_at.is_some_and(|at| session.proofs_void_before.is_none_or(|void| at > void))
}
