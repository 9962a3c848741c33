//! From credentials to an identity.
