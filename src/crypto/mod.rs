//! Cryptography: one file per primitive that the product uses.

pub mod access_token;
pub mod authenticated_token;
pub mod client_secret;
pub mod id_token;
pub mod key_ring;
pub mod keyed_hash;
pub mod machine_token;
pub mod opaque_token;
pub mod password_hash;
pub mod refresh_token;
pub mod secret_box;
pub mod signing_key;
pub mod webauthn;
mod work_pool;
