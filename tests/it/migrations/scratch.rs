//! Databases of a test's own: a file, and one on the PostgreSQL of `POSTERN_TEST_POSTGRES`.

use std::path::PathBuf;

use postern::{
    clock::{Clock, Timestamp},
    entropy::Entropy,
    storage::{
        database::{Backend, Database},
        migrate,
    },
};
use sea_orm::{ConnectOptions, ConnectionTrait};

/// 2026-11-20T12:00:00Z, standing still.
pub fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_795_176_000_000))
}

pub struct Scratch {
    pub database: Database,
    pub url: String,
    server: Option<(String, String)>,
    folder: PathBuf,
}

/// Empty ones, one of each kind there is.
pub async fn databases() -> Vec<Scratch> {
    let id = Entropy::system().uuid(Clock::system().now()).simple().to_string();
    let folder = std::env::temp_dir().join(format!("postern-{id}"));
    let mut databases = vec![open(format!("sqlite:{}", folder.join("postern.db").display()), None, folder.clone()).await];
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where their servers are")]
    if let Ok(server) = std::env::var("POSTERN_TEST_POSTGRES") {
        let name = format!("test_{id}");
        on_server(&server, &format!("CREATE DATABASE {name}")).await;
        let url = beside(&server, &name);
        databases.push(open(url, Some((server, name)), folder).await);
    }
    databases
}

/// With the schema in them.
pub async fn migrated() -> Vec<Scratch> {
    let databases = databases().await;
    for scratch in &databases {
        migrate::up(&scratch.database, &clock()).await.unwrap();
    }
    databases
}

async fn open(url: String, server: Option<(String, String)>, folder: PathBuf) -> Scratch {
    Scratch { database: Database::connect(&url, 5).await.unwrap(), url, server, folder }
}

impl Scratch {
    pub fn is_postgres(&self) -> bool {
        self.database.backend() == Backend::Postgres
    }

    /// Runs a statement about the whole database as the server's superuser, on a connection elsewhere; `{database}` is its name.
    pub async fn as_superuser(&self, sql: &str) {
        if let Some((server, name)) = &self.server {
            on_server(server, &sql.replace("{database}", name)).await;
        }
    }

    pub async fn remove(self) {
        self.database.close().await;
        self.as_superuser("DROP DATABASE {database} WITH (FORCE)").await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn on_server(server: &str, sql: &str) {
    let mut options = ConnectOptions::new(server);
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

/// The same URL with another database.
fn beside(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').unwrap_or((server, ""));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    if query.is_empty() { format!("{}/{name}", &base[..end]) } else { format!("{}/{name}?{query}", &base[..end]) }
}
