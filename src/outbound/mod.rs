//! What leaves the house: messages, pictures for their storage, questions to services.

mod anonymous_networks;
pub mod audit_webhook;
pub mod bell;
pub mod breaches;
mod http_post;
pub mod incoming_file;
pub mod message;
pub mod own_texts;
pub mod picture_maker;
pub mod pictures;
pub mod places;
pub mod providers;
pub mod render;
pub mod samples;
pub mod send_failure;
pub mod sms;
pub mod smtp;
mod texts;
mod trial;
pub mod turns;
mod webhook_signature;
