//! `/.well-known/jwks.json`: the public signing keys.
