//! Messages from the transaction that writes them to the mailbox, on every database, with mail servers that fail in every way.

mod courier;
pub mod fake_sms;
mod fake_smtp;
mod inbox;
mod injection;
mod languages;
mod outage;
mod own_texts;
mod previews;
mod real_smtp;
mod setting;
mod sms;
mod sms_caps;
mod together;
