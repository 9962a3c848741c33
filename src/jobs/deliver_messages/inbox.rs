//! Messages for the development inbox: there is no server to wait for, so those that were leased together are written down together.

use std::sync::Arc;

use entity::{
    Timestamp, dev_inbox,
    messages::{Model, State},
};

use super::{
    Parts,
    attempt::{self, Verdict},
};
use crate::{
    outbound::{message::INBOX_PURPOSE, render::Rendered},
    storage::{
        dev_inbox as storage,
        error::StorageError,
        messages::{self, Lease},
    },
};

/// Puts messages into the inbox and writes down what came of each.
pub(super) async fn deliver(parts: Arc<Parts>, together: Vec<Model>) {
    let now = parts.clock.now();
    let (mut readable, mut rows) = (Vec::new(), Vec::new());
    for message in together {
        match attempt::prepare(&parts, &message).and_then(|content| Ok((row(&parts, &message, &content, now)?, content.subject))) {
            Ok((row, subject)) => {
                rows.push(row);
                readable.push((message, subject));
            }
            Err(verdict) => attempt::end(&parts, &message, verdict).await,
        }
    }
    if readable.is_empty() {
        return;
    }
    let leases: Vec<Lease> = readable.iter().map(|(message, _)| Lease::of(message)).collect();
    match keep(&parts, rows, &leases, now).await {
        Ok(settled) => {
            if settled < leases.len() {
                tracing::warn!(messages = leases.len() - settled, "the lease of messages ended before their delivery");
            }
            if parts.sinks.note_kept(leases.len())
                && let Err(error) = storage::sweep(parts.database.write()).await
            {
                tracing::warn!(%error, "the development inbox keeps old messages");
            }
            for (message, subject) in &readable {
                attempt::tell_sent(message, now);
                // The code stays out of the log, here as everywhere.
                tracing::info!(
                    message.id = %message.id,
                    message.channel = message.channel.as_str(),
                    message.to = message.recipient,
                    message.subject = subject.as_deref().unwrap_or_default(),
                    "a message for you is in the development inbox: /dev/inbox"
                );
            }
        }
        Err(error) => {
            let later = readable.iter().map(|(message, _)| attempt::end(&parts, message, Verdict::Later(error.to_string())));
            futures::future::join_all(later).await;
        }
    }
}

fn row(parts: &Parts, message: &Model, content: &Rendered, now: Timestamp) -> Result<dev_inbox::Model, Verdict> {
    let content =
        serde_json::to_vec(content).map(zeroize::Zeroizing::new).map_err(|error| Verdict::Ended(State::Dead, Some(error.to_string())))?;
    Ok(dev_inbox::Model {
        id: message.id,
        recipient: message.recipient.clone(),
        content_sealed: parts.secret_box.seal(INBOX_PURPOSE, &content, &parts.entropy),
        channel: message.channel,
        sent_at: now,
    })
}

/// Both or neither: the inbox has them, and they are sent. Returns how many leases still held.
async fn keep(parts: &Parts, rows: Vec<dev_inbox::Model>, leases: &[Lease], now: Timestamp) -> Result<usize, StorageError> {
    let transaction = parts.database.begin().await?;
    storage::insert(&transaction, rows).await?;
    let settled = messages::settle_sent(&transaction, leases, now).await?;
    transaction.commit().await?;
    Ok(settled)
}
