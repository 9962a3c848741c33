//! The servers that the environment names: PostgreSQL, with a database of its own for each test, and Redis, with a number of its own.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use postern::{clock::Clock, entropy::Entropy, storage};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use url::Url;

/// Any number that nothing else locks by on a server of tests.
const TEMPLATE_LOCK: i64 = 0x70_6f73_7465_726e;

/// The PostgreSQL server to test on, if one was given.
pub fn postgres() -> Option<String> {
    variable("POSTERN_TEST_POSTGRES")
}

/// The Redis server to test on, if one was given.
pub fn redis() -> Option<String> {
    variable("POSTERN_TEST_REDIS")
}

#[expect(clippy::disallowed_methods, reason = "what tests run on is no setting of the program")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A database that lives as long as this does.
pub struct PostgresDatabase {
    server: String,
    name: String,
}

impl PostgresDatabase {
    /// A copy of the migrated template, which the first who comes makes.
    pub async fn create(server: String) -> Self {
        let name = format!("postern_test_{}", Entropy::system().uuid(Clock::system().now()).simple());
        let admin = connect(&server).await;
        let template = template(&server, &admin).await;
        run(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        admin.close().await.unwrap();
        Self { server, name }
    }

    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        super::program::finish(async move {
            let admin = connect(&server).await;
            // A test may have taken its server down: what is left then goes with the server.
            let _ = admin.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            let _ = admin.close().await;
        });
    }
}

/// The name of the database that holds the schema of these sources, migrated once per server.
async fn template(server: &str, admin: &DatabaseConnection) -> String {
    let name = format!("postern_template_{:016x}", schema_sources());
    run(admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let exists = Statement::from_string(DbBackend::Postgres, format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"));
    if admin.query_one_raw(exists).await.unwrap().is_none() {
        // Under another name until it is whole, so that a test that dies here leaves no half of it.
        let unfinished = format!("{name}_unfinished");
        run(admin, &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
        run(admin, &format!("CREATE DATABASE {unfinished}")).await;
        let database = storage::database::Database::connect(&with_database(server, &unfinished), 2).await.unwrap();
        storage::migrate::up(&database, &Clock::system()).await.unwrap();
        database.close().await;
        run(admin, &format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
    }
    run(admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    name
}

/// A number that changes with the sources of the schema.
fn schema_sources() -> u64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["migration/src", "migration/steps"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let mut files: Vec<PathBuf> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.push(root.join("src/storage/migrate.rs"));
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files.iter().filter(|file| file.is_file()) {
        fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}

async fn connect(url: &str) -> DatabaseConnection {
    // One connection: advisory locks belong to it.
    Database::connect(ConnectOptions::new(url).max_connections(1).sqlx_logging(false).to_owned()).await.unwrap()
}

async fn run(database: &DatabaseConnection, statement: &str) {
    database.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

fn with_database(server: &str, name: &str) -> String {
    let mut url = Url::parse(server).expect("POSTERN_TEST_POSTGRES is an address");
    url.set_path(name);
    url.to_string()
}

/// Takes one of the server's numbered databases, emptied, in turn: with many of them no two tests that run at once share one.
pub async fn redis_database(server: &str) -> String {
    let url = Url::parse(server).expect("POSTERN_TEST_REDIS is an address");
    let address = (url.host_str().unwrap(), url.port().unwrap_or(6379));
    let connection = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address)).await.expect("Redis answers").unwrap();
    let mut connection = BufReader::new(connection);
    let databases: u64 = last_line(&mut connection, "CONFIG GET databases", 5).await.parse().unwrap();
    let taken: u64 = last_line(&mut connection, "INCR postern:test:databases", 1).await.trim_start_matches(':').parse().unwrap();
    let number = 1 + taken % (databases - 1);
    last_line(&mut connection, &format!("SELECT {number}"), 1).await;
    last_line(&mut connection, "FLUSHDB", 1).await;
    format!("{}/{number}", server.trim_end_matches('/'))
}

/// Sends an inline command whose answer has `lines` lines, and answers the last of them.
async fn last_line(connection: &mut BufReader<TcpStream>, command: &str, lines: usize) -> String {
    connection.get_mut().write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        connection.read_line(&mut line).await.unwrap();
        assert!(!line.starts_with('-'), "{command}: {line}");
    }
    line.trim().to_owned()
}

#[tokio::test]
async fn every_test_gets_a_migrated_database_of_its_own() {
    let Some(server) = postgres() else {
        println!("skipped: needs POSTERN_TEST_POSTGRES");
        return;
    };
    let (one, other) = tokio::join!(PostgresDatabase::create(server.clone()), PostgresDatabase::create(server.clone()));
    let (first, second) = (connect(&one.url()).await, connect(&other.url()).await);
    run(&first, "DELETE FROM deployment").await;
    let deployments = Statement::from_string(DbBackend::Postgres, "SELECT 1 FROM deployment");
    assert!(first.query_one_raw(deployments.clone()).await.unwrap().is_none());
    assert!(second.query_one_raw(deployments).await.unwrap().is_some());

    // Gone with its owner, although somebody is still connected.
    let name = one.name.clone();
    drop(one);
    let left = Statement::from_string(DbBackend::Postgres, format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"));
    assert!(second.query_one_raw(left).await.unwrap().is_none());
}

#[tokio::test]
async fn every_test_gets_a_redis_database_of_its_own() {
    let Some(server) = redis() else {
        println!("skipped: needs POSTERN_TEST_REDIS");
        return;
    };
    let (one, other) = tokio::join!(redis_database(&server), redis_database(&server));
    assert_ne!(one, other);
    assert!(one.starts_with(&format!("{server}/")), "{one}");
}

/// Runs an `INSERT … SELECT` of PostgreSQL for the numbers 1 to `rows`, which it takes from `generate_series(:from, :to)`.
///
/// In parts: a transaction that stays open holds back what all databases of its server may deliver in order, those of other tests too.
pub async fn fill(database: &DatabaseConnection, sql: &str, rows: usize) {
    const PART: usize = 5_000;
    for from in (1..=rows).step_by(PART) {
        let sql = sql.replace(":from", &from.to_string()).replace(":to", &rows.min(from + PART - 1).to_string());
        database.execute_unprepared(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
