//! Tokens, keys and hashes.

mod access_tokens;
mod key_rotation;
mod password_hashes;
