//! What leaves the house: messages.

pub mod bell;
pub mod message;
pub mod render;
pub mod smtp;
mod texts;
