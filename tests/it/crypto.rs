//! Tokens, keys and hashes.
