//! Reads the messages that the development inbox received.

use entity::{Channel, Timestamp};
use uuid::Uuid;

use crate::{
    crypto::secret_box::SecretBox,
    outbound::{message::INBOX_PURPOSE, render::Rendered},
    storage::{database::Database, dev_inbox, error::StorageError},
};

/// One message, as it would have arrived.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// Id of the message.
    pub id: Uuid,
    /// By which way it would have gone.
    pub channel: Channel,
    /// To whom.
    pub recipient: String,
    /// What it says.
    pub content: Rendered,
    /// When it was delivered.
    pub sent_at: Timestamp,
}

/// Newest first, those to `recipient` alone where one is named, at most `limit`. What cannot be opened (sealed by an earlier secret) is left out.
pub async fn run(
    database: &Database,
    secret_box: &SecretBox,
    recipient: Option<&str>,
    limit: u64,
) -> Result<Vec<ReceivedMessage>, StorageError> {
    let recipient = recipient.map(canonical);
    let rows = dev_inbox::list(database.read(), recipient.as_deref(), limit).await?;
    let opened = rows.into_iter().filter_map(|row| {
        let content = secret_box.open(INBOX_PURPOSE, &row.content_sealed)?;
        Some(ReceivedMessage {
            id: row.id,
            channel: row.channel,
            recipient: row.recipient,
            content: serde_json::from_slice(&content).ok()?,
            sent_at: row.sent_at,
        })
    });
    Ok(opened.collect())
}

/// As people type it: capitals count for nothing, and the plus of a number is a blank once a query string was decoded.
fn canonical(recipient: &str) -> String {
    let recipient = recipient.trim().to_lowercase();
    if !recipient.is_empty() && recipient.bytes().all(|byte| byte.is_ascii_digit()) { format!("+{recipient}") } else { recipient }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn recipients_are_found_as_people_type_them() {
        for (typed, found) in [(" 66812345678", "+66812345678"), ("+66812345678", "+66812345678"), ("A@Example.com ", "a@example.com")] {
            assert_eq!(canonical(typed), found);
        }
    }
}
