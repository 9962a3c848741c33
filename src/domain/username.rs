//! What a username must be.
