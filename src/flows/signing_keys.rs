//! Makes and rotates the keys that sign access tokens.
