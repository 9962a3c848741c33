//! How the pools are opened, and the connection for schema steps beside them.

use std::{path::Path, time::Duration};

use sea_orm::{
    ConnectOptions, DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        pool::PoolOptions,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{ACQUIRE_TIMEOUT, STATEMENT_TIMEOUT, within};
use crate::storage::error::StorageError;

/// A connection that lay idle for longer is asked whether it still lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long one schema step may take, or wait for the other instance that takes it.
const STEPS_TIMEOUT: Duration = Duration::from_mins(10);
const SQLITE_READERS: u32 = 4;

pub(super) async fn postgres(url: &str, max_connections: u32) -> Result<DatabaseConnection, StorageError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections.max(2))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        .sqlx_logging(false)
        .set_application_name("postern")
        .map_sqlx_postgres_opts(|options| {
            let limit = STATEMENT_TIMEOUT.as_millis().to_string();
            options.options([
                ("statement_timeout", limit.as_str()),
                ("idle_in_transaction_session_timeout", limit.as_str()),
                // What is asked for often lies in memory or on flash, where a page elsewhere costs little more than the next one.
                ("random_page_cost", "1.1"),
            ])
        });
    Ok(sea_orm::Database::connect(options).await?)
}

/// The writer, then the readers.
pub(super) async fn sqlite(url: &str) -> Result<(DatabaseConnection, DatabaseConnection), StorageError> {
    let parsed = url.parse::<SqliteConnectOptions>().map_err(|error| StorageError::Driver(DbErr::Custom(error.to_string())))?;
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StorageError::Driver(DbErr::Custom(
            "SQLite needs a file: a database in memory cannot have readers beside its writer".to_owned(),
        )));
    }
    create_file(parsed.get_filename())
        .map_err(|error| StorageError::Driver(DbErr::Custom(format!("{}: {error}", parsed.get_filename().display()))))?;

    let mut writer = ConnectOptions::new(url);
    sqlite_pool(&mut writer).max_connections(1).map_sqlx_sqlite_opts(|options| {
        sqlite_connection(options)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            // 8 MiB of pages: every sign-in writes to some forty, and those that went away are read again.
            .pragma("cache_size", "-8192")
            // What was deleted is not to be read from the file any more.
            .pragma("secure_delete", "ON")
    });
    let writer = connect_patiently(writer).await?;

    let mut readers = ConnectOptions::new(url);
    sqlite_pool(&mut readers)
        .max_connections(SQLITE_READERS)
        .map_sqlx_sqlite_opts(|options| sqlite_connection(options).read_only(true).create_if_missing(false));
    let readers = connect_patiently(readers).await?;
    Ok((writer, readers))
}

/// What readers and the writer have in common.
fn sqlite_connection(options: SqliteConnectOptions) -> SqliteConnectOptions {
    // What a large transaction sets aside, to undo a part of it, would go to a file in a folder of the system otherwise.
    options.busy_timeout(STATEMENT_TIMEOUT).pragma("temp_store", "MEMORY")
}

/// Two programs that make the same file at once disturb one another while the journal is switched on; SQLite does not wait for its lock there.
async fn connect_patiently(options: ConnectOptions) -> Result<DatabaseConnection, StorageError> {
    within(STATEMENT_TIMEOUT, async {
        loop {
            match sea_orm::Database::connect(options.clone()).await.map_err(StorageError::from) {
                Err(StorageError::Unavailable) => tokio::time::sleep(Duration::from_millis(20)).await,
                outcome => return outcome,
            }
        }
    })
    .await
}

/// Connections to a file never go stale: they are kept for good and not asked whether they live.
fn sqlite_pool(options: &mut ConnectOptions) -> &mut ConnectOptions {
    options.acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(None).max_lifetime(None).test_before_acquire(false).sqlx_logging(false)
}

/// Password hashes lie in it: nobody else on the machine may read it. SQLite gives its side files the same mode.
///
/// A file that is there is not opened, ever: closing it again would take away the locks by which SQLite keeps other programs from ending the
/// write-ahead log of a database in use. POSIX drops all locks of a process on a file as soon as any descriptor of it closes.
fn create_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// One connection that may rebuild tables which others refer to.
pub(super) fn sqlite_for_steps(beside: &DatabaseConnection) -> DatabaseConnection {
    let options = beside.get_sqlite_connection_pool().connect_options();
    let options = SqliteConnectOptions::clone(&options).foreign_keys(false).busy_timeout(STEPS_TIMEOUT);
    SqlxSqliteConnector::from_sqlx_sqlite_pool(PoolOptions::new().max_connections(1).connect_lazy_with(options))
}

/// One connection whose statements have time.
pub(super) fn postgres_for_steps(beside: &DatabaseConnection) -> DatabaseConnection {
    let options = beside.get_postgres_connection_pool().connect_options();
    let limit = STEPS_TIMEOUT.as_millis().to_string();
    let options = PgConnectOptions::clone(&options)
        .options([("statement_timeout", limit.as_str()), ("idle_in_transaction_session_timeout", limit.as_str())]);
    SqlxPostgresConnector::from_sqlx_postgres_pool(PoolOptions::new().max_connections(1).connect_lazy_with(options))
}
