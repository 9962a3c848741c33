//! Access tokens: JWTs, their keys and the cache of verified ones.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an access token says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Who issued it: the deployment.
    pub iss: String,
    /// Who it is for.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// `gen`: the generation of the refresh token that was issued with it.
    #[serde(rename = "gen")]
    pub generation: u32,
    /// Its own id.
    pub jti: Uuid,
    /// Issued at, in seconds since the epoch.
    pub iat: i64,
    /// Not valid from this second on.
    pub exp: i64,
    /// When the person last proved who they are, in seconds since the epoch.
    pub auth_time: i64,
    /// How (RFC 8176): `pwd`, `otp`, `hwk` …
    pub amr: Vec<String>,
    /// The assurance level reached.
    pub acr: String,
    /// The role at the time of issue; it is looked up anew where it matters.
    pub role: String,
}
