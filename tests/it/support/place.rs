//! What gateways of one deployment share: a data folder, a database, a Redis, a clock. It vanishes with the last of them.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use postern::{
    clock::{Clock, Timestamp},
    config::Config,
    entropy::Entropy,
};

use super::servers::{self, PostgresDatabase};

/// 2026-11-20T12:00:00Z, when every test begins.
const START_MILLIS: i64 = 1_795_176_000_000;

pub struct Place {
    pub clock: Clock,
    pub entropy: Entropy,
    pub folder: PathBuf,
    /// Messages that a test has taken out of the inbox, by id.
    pub read: Mutex<HashSet<String>>,
    /// Whether messages may be left undelivered at the end.
    pub may_leave_messages: AtomicBool,
    postgres: Option<PostgresDatabase>,
    redis: Option<String>,
    addresses: AtomicU32,
}

impl Place {
    /// On what the environment names, else embedded.
    pub async fn create() -> Self {
        let id = Entropy::system().uuid(Clock::system().now()).simple().to_string();
        let folder = std::env::temp_dir().join(format!("postern-test-{id}"));
        fs::create_dir_all(&folder).unwrap();
        let postgres = match servers::postgres() {
            Some(server) => Some(PostgresDatabase::create(server).await),
            None => None,
        };
        let redis = match servers::redis() {
            Some(server) => Some(servers::redis_database(&server).await),
            None => None,
        };
        Self {
            clock: Clock::manual(Timestamp::from_millis(START_MILLIS)),
            entropy: Entropy::seeded(1),
            folder,
            read: Mutex::default(),
            may_leave_messages: AtomicBool::new(false),
            postgres,
            redis,
            addresses: AtomicU32::new(0),
        }
    }

    /// Whether several instances can share all of it.
    pub fn is_shared(&self) -> bool {
        self.postgres.is_some() && self.redis.is_some()
    }

    pub fn config(&self) -> Config {
        let mut config = Config::for_tests(&self.folder);
        if let Some(database) = &self.postgres {
            config.database.url = database.url();
        }
        config.redis.urls = self.redis.iter().cloned().collect();
        // On a machine with much to do a slow answer is no outage.
        config.redis.timeout = std::time::Duration::from_secs(3);
        // Actors come from addresses of their own, as through a proxy, so that limits of one do not meet another.
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.avatars.program = env!("CARGO_BIN_EXE_postern").into();
        config
    }

    /// An address that no other actor has (RFC 2544: for tests of devices).
    pub fn next_address(&self) -> std::net::IpAddr {
        let number = self.addresses.fetch_add(1, Ordering::Relaxed);
        std::net::Ipv4Addr::from(u32::from(std::net::Ipv4Addr::new(198, 18, 0, 1)) + number).into()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
