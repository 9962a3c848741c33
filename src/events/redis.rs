//! Hints between instances, through Redis: each says that an event was committed, and makes the others read their log at once.
//!
//! A lost hint costs nothing but the reader's tick, so that nothing here is retried, and nothing waits for it. Plain `PUBLISH` reaches all nodes of a cluster: one of
//! them is enough to talk to.

use std::{sync::Mutex, sync::PoisonError, time::Duration};

use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use entity::account_events::{Kind, Model};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::storage::account_events::{kind_name, position};

const CHANNELS: [&str; 5] = ["user:created", "user:updated", "session:created", "session:revoked", "session:updated"];
/// Hints that wait for Redis; the surplus is dropped.
const WAITING: usize = 1024;
const AT_ONCE: usize = 128;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that says nothing for so long is asked whether it still lives.
const SILENCE: Duration = Duration::from_secs(3);

/// What another instance (or this one) lets know.
#[derive(Clone, Copy, Debug)]
pub enum Hint {
    /// An event was committed.
    Event(Uuid),
    /// Hints may have been lost until now.
    Reconnected,
}

/// The way to the other instances.
#[derive(Debug)]
pub struct Hints {
    nodes: Vec<Client>,
    timeout: Duration,
    sender: mpsc::Sender<Message>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Message>>,
    /// The node that answered last.
    node: Mutex<usize>,
}

#[derive(Debug)]
struct Message {
    channel: &'static str,
    payload: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    id: Uuid,
    /// The position in plain, for instances alone: clients get theirs sealed.
    cursor: String,
    kind: String,
    user_id: Uuid,
    session_id: Option<Uuid>,
    at: String,
}

/// Of a hint only the id is believed, and only to decide that there is something to read.
#[derive(Deserialize)]
struct Heard {
    id: Uuid,
}

impl Hints {
    /// For one node, or for some of a cluster. Connects to nothing yet; `timeout` bounds every answer.
    ///
    /// # Errors
    /// `RedisError` for a URL that is none of Redis.
    pub fn new(urls: &[String], timeout: Duration) -> Result<Self, RedisError> {
        let nodes = urls.iter().map(|url| Client::open(url.as_str())).collect::<Result<_, _>>()?;
        let (sender, receiver) = mpsc::channel(WAITING);
        Ok(Self { nodes, timeout, sender, queue: tokio::sync::Mutex::new(receiver), node: Mutex::new(0) })
    }

    /// Queues hints on committed events; never waits.
    pub(super) fn offer(&self, events: &[Model]) {
        for event in events {
            let payload = Payload {
                id: event.id,
                cursor: format!("{}.{}.{}", position(event).epoch, position(event).xid, position(event).seq),
                kind: kind_name(event.kind),
                user_id: event.user_id,
                session_id: event.session_id,
                at: event.at.to_string(),
            };
            let sent = serde_json::to_string(&payload)
                .is_ok_and(|payload| self.sender.try_send(Message { channel: channel(event.kind), payload }).is_ok());
            if !sent {
                metrics::counter!("postern_event_hints_dropped_total").increment(1);
            }
        }
    }

    /// Publishes what was queued, for ever.
    pub(super) async fn send(&self) {
        let mut queue = self.queue.lock().await;
        let mut connection: Option<MultiplexedConnection> = None;
        let mut pause = FIRST_PAUSE;
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            batch.clear();
            queue.recv_many(&mut batch, AT_ONCE).await;
            match self.publish(&mut connection, &batch).await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    connection = None;
                    tracing::debug!(%error, "hints to other instances were lost: their readers' tick covers them");
                    metrics::counter!("postern_event_hints_dropped_total").increment(batch.len() as u64);
                    self.next_node();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // By then the other instances have read them: old hints only delay new ones.
                    while queue.try_recv().is_ok() {
                        metrics::counter!("postern_event_hints_dropped_total").increment(1);
                    }
                }
            }
        }
    }

    async fn publish(&self, connection: &mut Option<MultiplexedConnection>, batch: &[Message]) -> Result<(), RedisError> {
        let connection = if let Some(connection) = connection {
            connection
        } else {
            let limits = AsyncConnectionConfig::new().set_connection_timeout(Some(self.timeout)).set_response_timeout(Some(self.timeout));
            connection.insert(self.node()?.get_multiplexed_async_connection_with_config(&limits).await?)
        };
        let mut pipeline = redis::pipe();
        for message in batch {
            pipeline.publish(message.channel, &message.payload).ignore();
        }
        pipeline.query_async(connection).await
    }

    /// Listens for ever, on a connection of its own, and connects again where it broke.
    pub(super) async fn listen(&self, hear: impl Fn(Hint)) {
        let mut pause = FIRST_PAUSE;
        let mut failing = false;
        loop {
            let told = self.listen_once(|hint| {
                if matches!(hint, Hint::Reconnected) {
                    pause = FIRST_PAUSE;
                    if std::mem::take(&mut failing) {
                        tracing::info!("hints from other instances come again");
                    }
                }
                hear(hint);
            });
            if let Err(error) = told.await
                && !std::mem::replace(&mut failing, true)
            {
                tracing::warn!(%error, "no hints from other instances: the log is read every 250 ms");
            }
            self.next_node();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn listen_once(&self, mut hear: impl FnMut(Hint)) -> Result<(), RedisError> {
        let (mut sink, mut messages) = within(self.timeout, self.node()?.get_async_pubsub()).await?.split();
        for channel in CHANNELS {
            within(self.timeout, sink.subscribe(channel)).await?;
        }
        hear(Hint::Reconnected);
        loop {
            match tokio::time::timeout(SILENCE, messages.next()).await {
                Ok(Some(message)) => {
                    if let Ok(heard) = serde_json::from_slice::<Heard>(message.get_payload_bytes()) {
                        metrics::counter!("postern_event_hints_received_total").increment(1);
                        hear(Hint::Event(heard.id));
                    }
                }
                Ok(None) => return Err(broken("the connection was closed")),
                Err(_) => within(self.timeout, sink.ping::<redis::Value>()).await.map(drop)?,
            }
        }
    }

    fn node(&self) -> Result<&Client, RedisError> {
        let node = *self.node.lock().unwrap_or_else(PoisonError::into_inner);
        self.nodes.get(node % self.nodes.len().max(1)).ok_or_else(|| broken("no node is known"))
    }

    fn next_node(&self) {
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        *node = (*node + 1) % self.nodes.len().max(1);
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(broken("no answer in time")))
}

fn broken(why: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::Io, why))
}

const fn channel(kind: Kind) -> &'static str {
    match kind {
        Kind::SessionCreated => "session:created",
        Kind::SessionRevoked | Kind::SessionExpired => "session:revoked",
        Kind::SessionRefreshed | Kind::SessionMarkedSuspicious | Kind::SessionTrusted => "session:updated",
        Kind::Created => "user:created",
        Kind::Updated
        | Kind::EmailVerified
        | Kind::EmailChanged
        | Kind::PhoneVerified
        | Kind::PhoneChanged
        | Kind::PasswordChanged
        | Kind::SecondFactorChanged
        | Kind::PasskeyChanged
        | Kind::IdentityChanged
        | Kind::StatusChanged
        | Kind::RoleChanged
        | Kind::CoinsChanged
        | Kind::Locked
        | Kind::Unlocked
        | Kind::DeletionScheduled
        | Kind::DeletionCancelled
        | Kind::Deleted => "user:updated",
    }
}
