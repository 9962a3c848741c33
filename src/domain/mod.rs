//! Rules: pure, no I/O, `now` is an argument.

pub mod code;
pub mod coins;
pub mod contact;
pub mod device;
mod email;
pub mod lockout;
pub mod machine_scope;
pub mod passkey;
pub mod password;
mod phone;
pub mod picture;
pub mod profile;
pub mod profile_edit;
pub mod provider_person;
mod qr_code;
pub mod reason;
pub mod recovery_code;
pub mod risk;
pub mod search;
pub mod totp;
pub mod user_metadata;
pub mod username;
pub mod ways_in;
