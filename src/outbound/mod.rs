//! What leaves the house: messages.

pub mod message;
pub mod render;
pub mod smtp;
