//! The store in Redis, single or cluster: each operation is one script on one key, and none waits longer than the time-out.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult, Script, ServerErrorKind,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cmd,
    io::tcp::TcpSettings,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{
    InvalidAddress,
    bucket::{Limit, Measure, RateLimited, micros},
    challenge_record,
    challenges::Challenge,
    store::{Change, Step, Store, Unavailable},
};
use crate::clock::Timestamp;

/// Short-lived state shared by all instances.
pub struct Redis {
    link: watch::Receiver<Link>,
    /// The newest connection (by its number) that proved to be broken.
    broken: watch::Sender<u64>,
    timeout: Duration,
    scripts: Scripts,
    _keeper: AbortOnDropHandle<()>,
}

/// What there is to talk through.
#[derive(Clone)]
enum Link {
    /// Nobody knows yet: worth waiting for.
    Connecting,
    Up(Connection, u64),
    /// The last attempt failed: not worth waiting for, and tried again all the time.
    Down,
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

struct Scripts {
    put: Source,
    get: Source,
    pour: Source,
    create_challenge: Source,
    change_challenge: Source,
    pending_challenges: Source,
}

struct Source {
    text: &'static str,
    hash: String,
}

impl Source {
    fn new(text: &'static str) -> Self {
        Self { text, hash: Script::new(text).get_hash().to_owned() }
    }

    fn call(&self, by: By, key: &str, arguments: &[Vec<u8>]) -> Cmd {
        let mut command = match by {
            By::Hash => cmd("EVALSHA"),
            By::Text => cmd("EVAL"),
        };
        command.arg(match by {
            By::Hash => self.hash.as_str(),
            By::Text => self.text,
        });
        command.arg(1).arg(key).arg(arguments);
        command
    }
}

#[derive(Clone, Copy)]
enum By {
    Hash,
    Text,
}

impl Redis {
    /// Begins to connect, and keeps the connection up as long as it is held. One address is one Redis, several are a cluster.
    pub(super) fn connect(urls: &[String], timeout: Duration) -> Result<Self, InvalidAddress> {
        let target = Target::new(urls, timeout)?;
        let (link, seen_link) = watch::channel(Link::Connecting);
        let (broken, seen_broken) = watch::channel(0);
        Ok(Self {
            link: seen_link,
            broken,
            timeout,
            scripts: Scripts {
                put: Source::new(include_str!("scripts/put.lua")),
                get: Source::new(include_str!("scripts/get.lua")),
                pour: Source::new(include_str!("scripts/pour.lua")),
                create_challenge: Source::new(include_str!("scripts/create_challenge.lua")),
                change_challenge: Source::new(include_str!("scripts/change_challenge.lua")),
                pending_challenges: Source::new(include_str!("scripts/pending_challenges.lua")),
            },
            _keeper: AbortOnDropHandle::new(tokio::spawn(keep(target, link, seen_broken))),
        })
    }

    async fn run<T: FromRedisValue>(&self, script: &Source, key: &str, arguments: &[Vec<u8>]) -> Result<T, Unavailable> {
        self.ask(|by| script.call(by, key, arguments)).await
    }

    async fn ask<T: FromRedisValue>(&self, command: impl Fn(By) -> Cmd) -> Result<T, Unavailable> {
        let deadline = Instant::now() + self.timeout;
        let (mut connection, number) = timeout_at(deadline, self.connection()).await.ok().flatten().ok_or(Unavailable)?;
        let error = match timeout_at(deadline, connection.query(&command(By::Hash))).await {
            // Sent in full to the very node that has the key: loading it on all nodes would fail where one of them is away.
            Ok(Err(error)) if is_refusal(&error, ServerErrorKind::NoScript) => {
                timeout_at(deadline, connection.query(&command(By::Text))).await
            }
            // The node has refused to run it, and by now it is known which one will.
            Ok(Err(error)) if is_refusal(&error, ServerErrorKind::Moved) => {
                timeout_at(deadline, connection.query(&command(By::Text))).await
            }
            answer => answer,
        };
        let error = match error {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if error.as_ref().is_none_or(is_of_the_connection) {
            self.broken.send_if_modified(|broken| {
                let news = *broken < number;
                *broken = number.max(*broken);
                news
            });
        }
        tracing::warn!(
            reason = error.as_ref().map_or("no answer in time", RedisError::category),
            code = error.as_ref().and_then(RedisError::code),
            "a call of Redis failed"
        );
        Err(Unavailable)
    }

    /// Changes the set of challenges that wait for their code, and says how many there are.
    async fn pending(&self, what: &str, which: Option<(Uuid, Timestamp)>, now: Timestamp) -> Result<u64, Unavailable> {
        let mut arguments = vec![millis(now), what.into()];
        if let Some((id, expires_at)) = which {
            arguments.extend([id.to_string().into(), millis(expires_at)]);
        }
        self.run(&self.scripts.pending_challenges, "challenges:pending", &arguments).await
    }

    async fn connection(&self) -> Option<(Connection, u64)> {
        let mut link = self.link.clone();
        let known = link.wait_for(|link| !matches!(link, Link::Connecting)).await.ok()?;
        if let Link::Up(connection, number) = &*known { Some((connection.clone(), *number)) } else { None }
    }
}

fn is_refusal(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

/// Whether another connection might do better. After a failover by name, the old address is a read-only replica.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || is_refusal(error, ServerErrorKind::ReadOnly)
}

#[async_trait]
impl Store for Redis {
    async fn put(&self, key: &str, value: &[u8], expires_at: Timestamp, now: Timestamp) -> Result<(), Unavailable> {
        self.run::<()>(&self.scripts.put, key, &[millis(now), millis(expires_at), value.to_vec()]).await
    }

    async fn get(&self, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Unavailable> {
        self.run(&self.scripts.get, key, &[millis(now), b"get".to_vec()]).await
    }

    async fn take(&self, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Unavailable> {
        self.run(&self.scripts.get, key, &[millis(now), b"take".to_vec()]).await
    }

    async fn pour(&self, key: &str, limit: Limit, now: Timestamp) -> Result<Result<(), RateLimited>, Unavailable> {
        let Measure { interval, window } = match limit.measure() {
            Ok(measure) => measure,
            Err(limited) => return Ok(Err(limited)),
        };
        let wait: u64 = self.run(&self.scripts.pour, key, &[micros(now), interval, window].map(|number| number.to_string().into())).await?;
        Ok(if wait == 0 { Ok(()) } else { Err(RateLimited { retry_after: Duration::from_micros(wait) }) })
    }

    async fn create_challenge(&self, challenge: &Challenge, now: Timestamp) -> Result<(), Unavailable> {
        let mut arguments = vec![millis(now), millis(challenge.gone_at())];
        for (name, value) in challenge_record::write(challenge) {
            arguments.extend([name.into(), value.into()]);
        }
        let key = challenge_key(challenge.id);
        let (created, _) = tokio::join!(
            self.run::<()>(&self.scripts.create_challenge, &key, &arguments),
            self.pending("add", Some((challenge.id, challenge.expires_at)), now),
        );
        created
    }

    async fn change_challenge(&self, id: Uuid, step: Step, now: Timestamp) -> Result<Option<Change>, Unavailable> {
        let mut arguments = vec![millis(now)];
        match step {
            Step::Find => arguments.push("find".into()),
            Step::Reserve => arguments.push("reserve".into()),
            Step::GiveBack => arguments.push("give_back".into()),
            Step::Finish => arguments.push("finish".into()),
            Step::Exhaust => arguments.push("exhaust".into()),
            Step::Reissue { code_hash, resend_at } => {
                arguments.extend(["reissue".into(), challenge_record::write_hash(code_hash).into(), millis(resend_at)]);
            }
        }
        let answer: Option<(bool, HashMap<String, String>)> =
            self.run(&self.scripts.change_challenge, &challenge_key(id), &arguments).await?;
        let Some((applied, fields)) = answer else { return Ok(None) };
        let Some(challenge) = challenge_record::read(id, &fields) else {
            tracing::error!(challenge.id = %id, "a challenge in Redis cannot be read and counts as unknown");
            return Ok(None);
        };
        if applied && matches!(step, Step::Finish | Step::Exhaust) {
            // Best effort: it falls out by itself when its time is over.
            let _ = self.pending("remove", Some((id, challenge.expires_at)), now).await;
        }
        Ok(Some(Change { applied, challenge: challenge.seen_at(now) }))
    }

    async fn count_pending_challenges(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.pending("count", None, now).await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.ask::<()>(|_| cmd("PING")).await
    }
}

fn challenge_key(id: Uuid) -> String {
    format!("challenge:{id}")
}

fn millis(at: Timestamp) -> Vec<u8> {
    at.millis().to_string().into()
}

/// Where Redis is.
enum Target {
    Single(Box<Client>, Duration),
    Cluster(Box<ClusterClient>),
}

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// A cluster with a node that does not answer needs a moment to be found out about; the calls do not wait for it.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

impl Target {
    fn new(urls: &[String], timeout: Duration) -> Result<Self, InvalidAddress> {
        let invalid = |position, error: &RedisError| InvalidAddress { position, reason: error.to_string() };
        let tcp = || TcpSettings::default().set_nodelay(true);
        let mut nodes = Vec::with_capacity(urls.len());
        for (position, url) in (1..).zip(urls) {
            let node = url.as_str().into_connection_info().map_err(|error| invalid(position, &error))?;
            nodes.push(node.set_tcp_settings(tcp()));
        }
        let position = nodes.len();
        if position == 1
            && let Some(node) = nodes.pop()
        {
            let client = Client::open(node).map_err(|error| invalid(position, &error))?;
            return Ok(Self::Single(Box::new(client), timeout));
        }
        // The client's own retries would also send again what may have been carried out already.
        let client = ClusterClientBuilder::new(nodes)
            .retries(0)
            .connection_timeout(timeout)
            .response_timeout(timeout)
            .tcp_settings(tcp())
            .build()
            .map_err(|error| invalid(position, &error))?;
        Ok(Self::Cluster(Box::new(client)))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let connected = match self {
            Self::Single(client, patience) => {
                let settings = AsyncConnectionConfig::new().set_connection_timeout(Some(*patience)).set_response_timeout(Some(*patience));
                timeout(*patience, client.get_multiplexed_async_connection_with_config(&settings))
                    .await
                    .map(|connected| connected.map(Connection::Single))
            }
            Self::Cluster(client) => {
                timeout(CLUSTER_PATIENCE, client.get_async_connection()).await.map(|connected| connected.map(Connection::Cluster))
            }
        };
        match connected {
            Ok(connected) => connected.map_err(|error| error.category().to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

/// Keeps a connection up: makes the first one, and another one whenever one has proved to be broken, until nobody wants it any more.
async fn keep(target: Target, link: watch::Sender<Link>, mut broken: watch::Receiver<u64>) {
    let mut told = String::new();
    let mut number = 0;
    loop {
        let began = Instant::now();
        match target.connect().await {
            Ok(connection) => {
                number += 1;
                told.clear();
                tracing::info!("connected to Redis");
                link.send_replace(Link::Up(connection, number));
                if broken.wait_for(|broken| *broken >= number).await.is_err() {
                    return;
                }
                // A cluster's connection heals by itself and serves the other nodes meanwhile; a single one is of no use any more.
                if matches!(target, Target::Single(..)) {
                    link.send_replace(Link::Connecting);
                }
            }
            Err(reason) => {
                link.send_replace(Link::Down);
                if told != reason {
                    tracing::warn!(reason, "Redis cannot be reached; trying again until it can");
                    told = reason;
                }
            }
        }
        sleep_until(began + PAUSE).await;
    }
}
