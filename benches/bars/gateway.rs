//! Instances of the program, as processes of their own, on data of their own.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use postern::{clock::Clock, entropy::Entropy, storage::database::Database};
use sea_orm::ConnectionTrait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

/// How long an instance may take to answer before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What instances stand on.
pub struct Backing {
    /// As the report names it.
    pub name: &'static str,
    servers: Option<(String, String)>,
    places: AtomicU32,
}

impl Backing {
    /// Embedded, and PostgreSQL with Redis where the environment names them.
    #[expect(clippy::disallowed_methods, reason = "what benches run on is no setting of the program")]
    pub fn given() -> Vec<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut all = vec![Self { name: "embedded", servers: None, places: AtomicU32::new(0) }];
        if let (Some(postgres), Some(redis)) = (variable("POSTERN_TEST_POSTGRES"), variable("POSTERN_TEST_REDIS")) {
            all.push(Self { name: "PostgreSQL + Redis", servers: Some((postgres, redis)), places: AtomicU32::new(0) });
        }
        all
    }

    /// Whether several instances can share it.
    pub const fn is_shared(&self) -> bool {
        self.servers.is_some()
    }

    /// Room for a deployment: an empty folder, an empty database, an empty Redis.
    pub async fn place(&self) -> Place {
        let number = self.places.fetch_add(1, Ordering::Relaxed) + 1;
        let id = Entropy::system().uuid(Clock::system().now()).simple().to_string();
        let folder = std::env::temp_dir().join(format!("postern-bench-{id}"));
        fs::create_dir_all(&folder).unwrap();
        let mut settings = vec![
            ("POSTERN_DATA_DIR", folder.to_string_lossy().into_owned()),
            ("POSTERN_SECRET", "the secret of every bench and long enough".to_owned()),
            ("POSTERN_RATE_LIMITS__ENABLED", "false".to_owned()),
        ];
        let mut database = format!("sqlite://{}/postern.db", folder.display());
        if let Some((postgres, redis)) = &self.servers {
            let name = format!("postern_bench_{id}");
            let admin = sea_orm::Database::connect(postgres).await.unwrap();
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            admin.close().await.unwrap();
            let mut url = Url::parse(postgres).unwrap();
            url.set_path(&name);
            database = url.to_string();
            settings.push(("POSTERN_REDIS__URL", format!("{}/{number}", redis.trim_end_matches('/'))));
        }
        settings.push(("POSTERN_DATABASE__URL", database.clone()));
        Place { folder, settings, database }
    }
}

/// Room for a deployment; gone with it.
pub struct Place {
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    database: String,
}

impl Place {
    /// Sets something for the instances to come.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.push((name, value.to_owned()));
    }

    /// Starts an instance and waits for its first answer.
    pub async fn start(&self) -> Gateway {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log_path = self.folder.join(format!("{port}.log"));
        let log = File::create(&log_path).unwrap();
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_postern"))
            .current_dir(&self.folder)
            .envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .env("POSTERN_HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut gateway = Gateway { child, address: format!("127.0.0.1:{port}"), started_in: Duration::ZERO };
        while !gateway.answers().await {
            let ended = gateway.child.try_wait().unwrap().is_some();
            assert!(!ended && begun.elapsed() < PATIENCE, "the program does not answer: {}", fs::read_to_string(log_path).unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gateway.started_in = begun.elapsed();
        gateway
    }

    /// Where its database is.
    pub fn database_url(&self) -> &str {
        &self.database
    }

    /// The database of the deployment, once an instance has made it.
    pub async fn database(&self) -> Database {
        Database::connect(&self.database, 2).await.unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running instance; it ends when this is dropped.
pub struct Gateway {
    child: Child,
    /// `127.0.0.1:port`.
    pub address: String,
    /// From the start of the process to the first answer.
    pub started_in: Duration,
}

impl Gateway {
    /// Whether it answers an operation: a request by hand, so that no client's own start counts.
    async fn answers(&self) -> bool {
        const BODY: &str = r#"{"query":"{ __typename }"}"#;
        let Ok(mut stream) = TcpStream::connect(&self.address).await else { return false };
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}",
            self.address,
            BODY.len()
        );
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).await.is_ok()
            && stream.read_to_string(&mut answer).await.is_ok()
            && answer.contains(r#"{"data":{"__typename":"Query"}}"#)
    }

    /// Resident memory, in KiB.
    pub fn memory_kib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the process runs");
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }
}

impl Gateway {
    /// Memory that it and the processes it started have taken for themselves, in KiB.
    pub fn taken_kib(&self) -> f64 {
        taken_kib(self.child.id())
    }
}

fn taken_kib(process: u32) -> f64 {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let status = read(format!("/proc/{process}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    let own: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0.0);
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = threads.map(|thread| read(format!("{}/children", thread.path().display()))).collect::<String>();
    own + children.split_whitespace().filter_map(|id| id.parse().ok()).map(taken_kib).sum::<f64>()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
