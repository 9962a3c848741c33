//! Connections and transactions: one pool on PostgreSQL, one writer with readers beside it on SQLite.

mod connect;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};
use sha2::{Digest, Sha256};

use super::error::StorageError;
use crate::clock::Clock;

/// How long a caller waits for a free connection, or for a lost server to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long PostgreSQL works on a statement or waits inside a transaction, and SQLite for its lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A file beside the program.
    Sqlite,
    /// A server.
    Postgres,
}

/// What a pool holds right now, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// `read` and `write` on SQLite, `all` on PostgreSQL.
    pub pool: &'static str,
    /// Open connections.
    pub open: u32,
    /// Those that nobody uses.
    pub idle: u32,
}

/// The database. Clones share the same pools.
#[derive(Clone, Debug)]
pub struct Database {
    backend: Backend,
    read: DatabaseConnection,
    write: DatabaseConnection,
    statements: Arc<AtomicU64>,
}

impl Database {
    /// Opens `sqlite:` (a file, made with mode 0600 where it is missing) or `postgres://`; at most `max_connections` on PostgreSQL.
    ///
    /// # Errors
    /// `Unavailable` where the server does not answer within 3 s, `Driver` for a wrong URL, name or password.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, StorageError> {
        let statements = Arc::new(AtomicU64::new(0));
        let (backend, mut write, mut read) = if url.starts_with("sqlite:") {
            let (write, read) = Box::pin(connect::sqlite(url)).await?;
            (Backend::Sqlite, write, Some(read))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            (Backend::Postgres, Box::pin(connect::postgres(url, max_connections)).await?, None)
        } else {
            return Err(StorageError::Driver(DbErr::Custom("the database URL must begin with sqlite: or postgres://".to_owned())));
        };
        for connection in std::iter::once(&mut write).chain(read.as_mut()) {
            let statements = Arc::clone(&statements);
            connection.set_metric_callback(move |_| {
                statements.fetch_add(1, Ordering::Relaxed);
            });
        }
        let read = read.unwrap_or_else(|| write.clone());
        Ok(Self { backend, read, write, statements })
    }

    /// Which database it is.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// For statements that only read.
    #[must_use]
    pub const fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// For single statements that write; several belong into [`Database::begin`].
    #[must_use]
    pub const fn write(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Begins a transaction that may write: on SQLite it holds the write lock from the start. Dropped, it is rolled back.
    ///
    /// Connections that died while they were idle are replaced on the way: a transaction in which nothing happened yet can be begun again.
    ///
    /// # Errors
    /// `Unavailable` where no connection was to be had in time.
    pub async fn begin(&self) -> Result<DatabaseTransaction, StorageError> {
        within(STATEMENT_TIMEOUT, async {
            loop {
                let options =
                    TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
                match self.write.begin_with_options(options).await {
                    Err(error @ (DbErr::Query(_) | DbErr::Exec(_))) if self.backend == Backend::Postgres => match StorageError::from(error)
                    {
                        StorageError::Unavailable => tokio::time::sleep(Duration::from_millis(5)).await,
                        fault => return Err(fault),
                    },
                    begun => return begun.map_err(StorageError::from),
                }
            }
        })
        .await
    }

    /// Holds the lock named by `area` and `key` until the transaction ends, so that one decision on it is made at a time.
    ///
    /// Whoever needs several takes them in one order. On SQLite nothing is left to do: its transactions follow one another.
    pub async fn lock(transaction: &DatabaseTransaction, area: &str, key: &str) -> Result<(), StorageError> {
        if transaction.get_database_backend() == DbBackend::Postgres {
            let lock =
                Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_advisory_xact_lock($1)", [lock_number(area, key).into()]);
            transaction.execute_raw(lock).await?;
        }
        Ok(())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StorageError> {
        within(ACQUIRE_TIMEOUT, async {
            let one = Statement::from_string(self.read.get_database_backend(), "SELECT 1");
            self.read.query_one_raw(one).await?;
            Ok(())
        })
        .await
    }

    /// How far the database's clock is ahead of `clock`, in milliseconds; negative where it is behind.
    pub async fn now_skew(&self, clock: &Clock) -> Result<i64, StorageError> {
        let sql = match self.backend {
            Backend::Sqlite => "SELECT CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)",
            Backend::Postgres => "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
        };
        within(ACQUIRE_TIMEOUT, async {
            let before = clock.now();
            let row = self.read.query_one_raw(Statement::from_string(self.read.get_database_backend(), sql)).await?;
            let theirs: i64 = row.ok_or(StorageError::Inconsistent("the database tells no time"))?.try_get_by_index(0)?;
            let ours = i64::midpoint(before.millis(), clock.now().millis());
            Ok(theirs - ours)
        })
        .await
    }

    /// How many statements were sent since the start; `BEGIN` and `COMMIT` do not count.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// What the pools hold right now.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolState> {
        let count = |idle: usize| u32::try_from(idle).unwrap_or(u32::MAX);
        match self.backend {
            Backend::Sqlite => [("write", self.write.get_sqlite_connection_pool()), ("read", self.read.get_sqlite_connection_pool())]
                .map(|(name, pool)| PoolState { pool: name, open: pool.size(), idle: count(pool.num_idle()) })
                .to_vec(),
            Backend::Postgres => {
                let pool = self.write.get_postgres_connection_pool();
                vec![PoolState { pool: "all", open: pool.size(), idle: count(pool.num_idle()) }]
            }
        }
    }

    /// A connection of its own for schema steps: they may take minutes, wait for another instance, and on SQLite rebuild tables that others refer to.
    pub(super) fn connect_for_steps(&self) -> DatabaseConnection {
        match self.backend {
            Backend::Sqlite => connect::sqlite_for_steps(&self.write),
            Backend::Postgres => connect::postgres_for_steps(&self.write),
        }
    }

    /// Closes every connection, after those in use were given back.
    pub async fn close(&self) {
        for connection in [&self.read, &self.write] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::debug!(%error, "a pool did not close cleanly");
            }
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, StorageError>> + Send) -> Result<T, StorageError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(StorageError::Unavailable))
}

/// Unlike `hashtext`, the same on every version of the server, and wide enough that two names do not meet.
fn lock_number(area: &str, key: &str) -> i64 {
    let digest = Sha256::new().chain_update(area).chain_update([0]).chain_update(key).finalize();
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(number)
}
