//! Rules: pure, no I/O, `now` is an argument.

pub mod code;
pub mod contact;
pub mod device;
pub mod lockout;
pub mod password;
pub mod username;
