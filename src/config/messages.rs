//! How messages speak.

use std::{path::PathBuf, time::Duration};

use super::reader::Reader;

/// Settings of messages.
#[derive(Clone, Debug)]
pub struct Messages {
    /// What messages call the product; it also counts against passwords that contain it.
    pub product_name: String,
    /// The deployment's language: `en` or `th`.
    pub locale: String,
    /// Texts in place of the built-in ones.
    pub folder: Option<PathBuf>,
    /// Messages that an instance prepares at a time.
    pub at_once: u8,
    /// Messages that may be taken by a server and not written down as sent.
    pub unsettled: u8,
    /// How long a message is tried before it counts as dead.
    pub retry_for: Duration,
}

impl Messages {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let messages = Self {
            product_name: reader.value(
                "messages.product_name",
                "Postern".to_owned(),
                "What messages call the product; passwords must not lean on it.",
            ),
            locale: reader.value(
                "messages.locale",
                "en".to_owned(),
                "The language of messages where neither request nor user has one: en or th.",
            ),
            folder: reader.optional(
                "messages.folder",
                "A folder with texts of your own in place of built-in ones, as docs/messages.md says; they are checked at start.",
            ),
            at_once: reader.count(
                "messages.at_once",
                8_u8,
                "Messages that an instance prepares at a time: renders, and opens connections for.",
            ),
            unsettled: reader.count(
                "messages.unsettled",
                1_u8,
                "Messages that may be with a mail server and not noted as sent: so many may arrive twice when an instance is killed. More are faster where the server takes long.",
            ),
            retry_for: reader.duration(
                "messages.retry_for",
                Duration::from_hours(24),
                "How long a message is tried before it is given up.",
            ),
        };
        if messages.product_name.is_empty() || messages.product_name.chars().count() > 60 {
            reader.problem("messages.product_name", "must have from 1 to 60 characters");
        }
        if !matches!(messages.locale.as_str(), "en" | "th") {
            reader.problem("messages.locale", "must be en or th");
        }
        messages
    }
}
