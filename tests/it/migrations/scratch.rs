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
    made: Made,
}

enum Made {
    Folder(PathBuf),
    OnServer { server: String, name: String },
}

/// Empty ones, one of each kind there is.
pub async fn databases() -> Vec<Scratch> {
    [sqlite().await].into_iter().chain(postgres().await).collect()
}

/// With the schema in them.
pub async fn migrated() -> Vec<Scratch> {
    with_schema(databases().await).await
}

/// For what only PostgreSQL promises; none where there is no server.
pub async fn migrated_postgres() -> Vec<Scratch> {
    with_schema(postgres().await.into_iter().collect()).await
}

/// For what only SQLite promises.
pub async fn migrated_sqlite() -> Vec<Scratch> {
    with_schema(vec![sqlite().await]).await
}

async fn with_schema(databases: Vec<Scratch>) -> Vec<Scratch> {
    for scratch in &databases {
        migrate::up(&scratch.database, &clock()).await.unwrap();
    }
    databases
}

fn unique_name() -> String {
    format!("postern_{}", Entropy::system().uuid(Clock::system().now()).simple())
}

async fn sqlite() -> Scratch {
    let folder = std::env::temp_dir().join(unique_name());
    let url = format!("sqlite:{}", folder.join("postern.db").display());
    Scratch { database: Database::connect(&url, 5).await.unwrap(), url, made: Made::Folder(folder) }
}

async fn postgres() -> Option<Scratch> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where their servers are")]
    let server = std::env::var("POSTERN_TEST_POSTGRES").ok()?;
    let name = unique_name();
    on_server(&server, &format!("CREATE DATABASE {name}")).await;
    let url = beside(&server, &name);
    Some(Scratch { database: Database::connect(&url, 5).await.unwrap(), url, made: Made::OnServer { server, name } })
}

impl Scratch {
    pub fn is_postgres(&self) -> bool {
        self.database.backend() == Backend::Postgres
    }

    /// Runs a statement about the whole database as the server's superuser, on a connection elsewhere; `{database}` is its name.
    pub async fn as_superuser(&self, sql: &str) {
        if let Made::OnServer { server, name } = &self.made {
            on_server(server, &sql.replace("{database}", name)).await;
        }
    }

    pub async fn remove(self) {
        self.database.close().await;
        self.as_superuser("DROP DATABASE {database} WITH (FORCE)").await;
        if let Made::Folder(folder) = &self.made {
            let _ = std::fs::remove_dir_all(folder);
        }
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
