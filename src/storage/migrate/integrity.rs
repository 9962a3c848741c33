//! Whether the database is what the steps made of it: tables, indexes, views, triggers and checksums.

use std::{collections::HashSet, fmt};

use migration::{Object, ObjectKind, STEPS};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use super::{
    altered, dialect,
    history::{State, status},
};
use crate::storage::{database::Database, error::StorageError};

/// What keeps a program from working with this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A step has not been taken.
    Pending {
        /// The step.
        name: String,
    },
    /// A step failed when it was last tried.
    Failed {
        /// The step.
        name: String,
        /// Why.
        message: String,
    },
    /// The file of a step is not the one that ran.
    Changed {
        /// The step.
        name: String,
    },
    /// A newer program took a step that this one cannot work beside.
    Unknown {
        /// The step.
        name: String,
    },
    /// A part of the schema is not there, or does not work (a disabled trigger, an invalid index).
    Missing {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// A part of the schema is there, and is another one.
    Altered {
        /// What it is: `table users`.
        what: String,
        /// How it differs.
        how: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending { name } => write!(f, "migration {name} has not run: run `postern migrate up`"),
            Self::Failed { name, message } => write!(f, "migration {name} failed: {message}"),
            Self::Changed { name } => write!(f, "migration {name} has changed since it ran: restore its file"),
            Self::Unknown { name } => {
                write!(f, "migration {name} is not known to this version, and not one that it can work beside: run a newer version")
            }
            Self::Missing { kind, name } => write!(f, "the {} {name} is missing or disabled: restore it", kind.as_str()),
            Self::Altered { what, how } => write!(f, "the {what} is not as the migrations made it: {how}"),
        }
    }
}

/// Every problem; none, and the program can work.
pub async fn verify(database: &Database) -> Result<Vec<Problem>, StorageError> {
    let statuses = status(database).await?;
    let mut problems: Vec<Problem> = statuses
        .iter()
        .filter_map(|step| {
            let name = step.name.clone();
            match step.state {
                State::Applied | State::Newer => None,
                State::Pending | State::RolledBack => Some(Problem::Pending { name }),
                State::Failed => Some(Problem::Failed { name, message: step.error.clone().unwrap_or_default() }),
                State::Changed => Some(Problem::Changed { name }),
                State::Unknown => Some(Problem::Unknown { name }),
            }
        })
        .collect();
    // Where a step is missing, so is what it makes: that needs no second line.
    if problems.is_empty() {
        let missing = missing_objects(database).await?;
        // A newer program may have added to what this one knows.
        let is_newest = statuses.iter().all(|step| step.state != State::Newer);
        problems.extend(altered::find(database, &missing, is_newest).await?);
        problems.extend(missing.into_iter().map(|object| Problem::Missing { kind: object.kind, name: object.name }));
    }
    Ok(problems)
}

async fn missing_objects(database: &Database) -> Result<Vec<Object>, StorageError> {
    let dialect = dialect(database.backend());
    let sources: Vec<String> = STEPS.iter().map(|step| step.up(dialect)).collect();
    let present = present(database.read()).await?;
    let mut expected = migration::objects(sources.iter().map(String::as_str));
    expected.retain(|object| !present.contains(&(object.kind.as_str().to_owned(), object.name.clone())));
    Ok(expected)
}

/// Kind and name of everything that works.
async fn present(db: &impl ConnectionTrait) -> Result<HashSet<(String, String)>, StorageError> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT CASE WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view' ELSE 'index' END AS kind, c.relname::text AS name
             FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'i', 'I') AND coalesce(i.indisvalid, true)
             UNION ALL
             SELECT 'trigger', t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
             WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
        }
        _ => "SELECT type AS kind, name FROM sqlite_master",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter().map(|row: &QueryResult| Ok((row.try_get("", "kind")?, row.try_get("", "name")?))).collect()
}

/// Whether anything was ever migrated here.
pub(super) async fn has_history(db: &impl ConnectionTrait) -> Result<bool, StorageError> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => "SELECT 1 AS one WHERE to_regclass('migration_history') IS NOT NULL",
        _ => "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'migration_history'",
    };
    Ok(db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.is_some())
}

/// SQLite steps run without foreign keys, so that they can rebuild tables: afterwards every reference must hold again.
pub(super) async fn has_dangling_references(db: &impl ConnectionTrait) -> Result<bool, StorageError> {
    Ok(db.query_one_raw(Statement::from_string(DbBackend::Sqlite, "PRAGMA foreign_key_check")).await?.is_some())
}
