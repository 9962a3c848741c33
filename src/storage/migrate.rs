//! Runs, checks and undoes the steps of the schema; of several instances that start at once, one takes them.
//!
//! 1. One transaction on a connection of its own, behind a lock that every instance asks for.
//! 2. The history is read: a step whose file has changed since stops everything.
//! 3. Every missing step runs, and is written down, in that same transaction: all of them hold, or none.
//! 4. What failed is written down after the rollback, with its reason.

mod altered;
mod history;
mod integrity;

use std::time::Instant;

use entity::{Timestamp, migration_history};
use migration::{Dialect, STEPS, Step};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};

pub use history::{Entry, EntryStatus, State, StepStatus, entries, status};
pub use integrity::{Problem, verify};
pub use migration::Subject;

use super::{
    database::{Backend, Database},
    error::StorageError,
};
use crate::clock::Clock;

/// Why steps were not taken or undone; the schema is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database itself failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file of a step is not the one that ran.
    #[error("migration {0} has changed since it ran: restore its file")]
    Changed(String),
    /// A newer program took a step that this one cannot work beside.
    #[error("migration {0} is not known to this version, and not one that it can work beside: run a newer version")]
    Unknown(String),
    /// The step has no way back.
    #[error("migration {0} cannot be undone")]
    Irreversible(String),
    /// A statement of the step failed.
    #[error("migration {name} failed: {message}")]
    Step {
        /// The step.
        name: String,
        /// What the database says.
        message: String,
    },
}

impl From<DbErr> for MigrateError {
    fn from(error: DbErr) -> Self {
        Self::Storage(error.into())
    }
}

/// What a start does about missing steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// Takes them: development.
    Apply,
    /// Names them as problems: production, where an operator takes them.
    Check,
}

/// Brings the schema up, or not, and checks it; with any problem the program must not start.
pub async fn at_start(database: &Database, clock: &Clock, missing: AtStart) -> Result<Vec<Problem>, MigrateError> {
    if missing == AtStart::Apply {
        up(database, clock).await?;
    }
    Ok(verify(database).await?)
}

/// Takes every missing step, as one batch; tells their names.
pub async fn up(database: &Database, clock: &Clock) -> Result<Vec<String>, MigrateError> {
    let session = Session::open(database, clock);
    let outcome = Box::pin(session.up()).await;
    session.close().await;
    outcome
}

/// Undoes the newest `steps` steps, newest first, in the name of `by`; tells their names. **Undoing a step deletes what it holds.**
pub async fn down(database: &Database, clock: &Clock, steps: usize, by: &str) -> Result<Vec<String>, MigrateError> {
    let session = Session::open(database, clock);
    let outcome = Box::pin(session.down(steps, by)).await;
    session.close().await;
    outcome
}

/// A connection for steps, and what they need to know.
struct Session<'a> {
    connection: DatabaseConnection,
    dialect: Dialect,
    clock: &'a Clock,
}

impl<'a> Session<'a> {
    fn open(database: &Database, clock: &'a Clock) -> Self {
        Self { connection: database.connect_for_steps(), dialect: dialect(database.backend()), clock }
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the connection for migrations did not close cleanly");
        }
    }

    async fn up(&self) -> Result<Vec<String>, MigrateError> {
        let transaction = self.begin().await?;
        let rows = history::rows(&transaction).await?;
        check_history(&rows)?;
        let batch = rows.iter().map(|row| row.batch).max().unwrap_or(0) + 1;
        let missing: Vec<&Step> = STEPS.iter().filter(|step| !history::is_completed(&rows, step.name)).collect();
        for step in &missing {
            let run = Run::start(step, batch, self);
            if let Err(error) = MigrationTrait::up(*step, &SchemaManager::new(&transaction)).await {
                let message = error.to_string();
                transaction.rollback().await?;
                self.write_down_failure(run.failed(&message)).await?;
                return Err(MigrateError::Step { name: step.name.to_owned(), message });
            }
            history::put(&transaction, run.completed(self.clock.now())).await?;
            tracing::info!(migration = step.name, batch, "migrated");
        }
        self.commit(transaction).await?;
        Ok(missing.iter().map(|step| step.name.to_owned()).collect())
    }

    async fn down(&self, steps: usize, by: &str) -> Result<Vec<String>, MigrateError> {
        let transaction = self.begin().await?;
        let rows = history::rows(&transaction).await?;
        check_history(&rows)?;
        let newest = STEPS.iter().rev().filter(|step| history::is_completed(&rows, step.name)).take(steps);
        let mut undone = Vec::new();
        for step in newest {
            if step.down(self.dialect).is_none() {
                return Err(MigrateError::Irreversible(step.name.to_owned()));
            }
            if let Err(error) = MigrationTrait::down(step, &SchemaManager::new(&transaction)).await {
                return Err(MigrateError::Step { name: step.name.to_owned(), message: error.to_string() });
            }
            history::roll_back(&transaction, step.name, self.clock.now(), by).await?;
            tracing::info!(migration = step.name, by, "undone");
            undone.push(step.name.to_owned());
        }
        self.commit(transaction).await?;
        Ok(undone)
    }

    /// With the lock that keeps other instances out, and a history to read.
    async fn begin(&self) -> Result<DatabaseTransaction, MigrateError> {
        let options =
            TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
        let transaction = self.connection.begin_with_options(options).await?;
        Database::lock(&transaction, "migrate", "").await?;
        if self.dialect == Dialect::Postgres {
            // A step that waits for its table makes every request behind it wait too: rather give up and be run again.
            transaction.execute_unprepared("SET LOCAL lock_timeout = '15s'").await?;
        }
        transaction.execute_unprepared(&migration::history(self.dialect)).await?;
        Ok(transaction)
    }

    async fn commit(&self, transaction: DatabaseTransaction) -> Result<(), MigrateError> {
        if self.dialect == Dialect::Sqlite && integrity::has_dangling_references(&transaction).await? {
            return Err(StorageError::Inconsistent("a migration left rows that refer to nothing").into());
        }
        Ok(transaction.commit().await?)
    }

    /// Unless another instance succeeded in the meantime.
    async fn write_down_failure(&self, row: migration_history::ActiveModel) -> Result<(), MigrateError> {
        let transaction = self.begin().await?;
        let rows = history::rows(&transaction).await?;
        if !history::is_completed(&rows, row.name.as_ref()) {
            history::put(&transaction, row).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// A step on its way.
struct Run<'a> {
    step: &'a Step,
    batch: i32,
    can_rollback: bool,
    started_at: Timestamp,
    started: Instant,
}

impl<'a> Run<'a> {
    fn start(step: &'a Step, batch: i32, session: &Session<'_>) -> Self {
        let can_rollback = step.down(session.dialect).is_some();
        Self { step, batch, can_rollback, started_at: session.clock.now(), started: Instant::now() }
    }
}

fn check_history(rows: &[migration_history::Model]) -> Result<(), MigrateError> {
    for row in rows.iter().filter(|row| row.status == history::COMPLETED) {
        match STEPS.iter().find(|step| step.name == row.name) {
            Some(step) if step.checksum() != row.checksum => return Err(MigrateError::Changed(row.name.clone())),
            None if row.r#type != migration::Kind::Expanding.as_str() => return Err(MigrateError::Unknown(row.name.clone())),
            Some(_) | None => {}
        }
    }
    Ok(())
}

const fn dialect(backend: Backend) -> Dialect {
    match backend {
        Backend::Sqlite => Dialect::Sqlite,
        Backend::Postgres => Dialect::Postgres,
    }
}
