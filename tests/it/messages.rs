//! Messages from the transaction that writes them to the mailbox, on every database, with mail servers that fail in every way.

mod courier;
mod fake_smtp;
mod inbox;
mod real_smtp;
mod setting;
