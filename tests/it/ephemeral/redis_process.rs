//! Throwaway Redis servers that tests may kill.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use deadpool_redis::redis::{Client, cmd};

use super::free_port;
use crate::support::until;

/// A `redis-server` that ends with the test.
pub struct RedisProcess {
    pub port: u16,
    folder: PathBuf,
    cluster: bool,
    child: Option<Child>,
}

impl RedisProcess {
    /// Started and answering; `None` where there is no `redis-server` on this machine.
    pub async fn start(cluster: bool) -> Option<Self> {
        // The bus of a cluster's node listens 10,000 above its port.
        let port = std::iter::repeat_with(free_port).find(|port| !cluster || *port < 50_000)?;
        let mut redis = Self::on(port, cluster);
        if redis.run().await {
            return Some(redis);
        }
        eprintln!("left out: redis-server is not installed");
        None
    }

    /// Not started yet.
    pub fn on(port: u16, cluster: bool) -> Self {
        let folder = std::env::temp_dir().join(format!("postern-redis-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { port, folder, cluster, child: None }
    }

    /// Starts it, and waits until it answers. False where there is no `redis-server`.
    pub async fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(&self.folder).stdout(Stdio::null()).stderr(Stdio::null());
        if self.cluster {
            command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
        }
        let Ok(child) = command.spawn() else { return false };
        self.child = Some(child);
        eventually("redis-server answers", async || self.ask::<String>(&["PING"]).await.is_some()).await;
        true
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGSTOP or SIGCONT: it accepts connections and never answers, and does again.
    pub fn signal(&self, signal: &str) {
        let process = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    /// The answer to a command, through a connection of its own.
    pub async fn ask<T: deadpool_redis::redis::FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let mut connection = Client::open(self.url()).ok()?.get_multiplexed_async_connection().await.ok()?;
        let mut command = cmd(words.first()?);
        command.arg(words.get(1..)?);
        command.query_async(&mut connection).await.ok()
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits until something that happens by itself has happened.
pub async fn eventually(what: &str, happened: impl AsyncFnMut() -> bool) {
    until(what, Duration::from_secs(20), happened).await;
}
