//! Access tokens: JWTs, their keys and the cache of verified ones.

/// What an access token says.
#[derive(Clone, Debug)]
pub struct Claims {}
