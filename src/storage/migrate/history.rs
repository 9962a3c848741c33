//! The rows of `migration_history`: reading, writing, and what they say about every step.

use entity::{Timestamp, migration_history};
use migration::{Kind, STEPS, Step, Subject};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use super::{Run, dialect, integrity};
use crate::storage::{database::Database, error::StorageError};

pub(super) const COMPLETED: &str = "completed";
const FAILED: &str = "failed";
const ROLLED_BACK: &str = "rolled_back";
/// Of a driver's message, in characters.
const LONGEST_MESSAGE: usize = 2000;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never ran.
    Pending,
    /// Holds.
    Applied,
    /// Holds, but its file is another one now.
    Changed,
    /// Was tried, and rolled back by its failure.
    Failed,
    /// Was undone.
    RolledBack,
    /// Holds, taken by a newer program; this one works beside it.
    Newer,
    /// Holds, taken by a newer program; this one must not work beside it.
    Unknown,
}

/// A step and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands.
    pub state: State,
    /// Which run of `up` took it.
    pub batch: Option<i32>,
    /// When it was taken, last tried, or undone.
    pub at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Every known step in order, then those of the history that this program does not know.
pub async fn status(database: &Database) -> Result<Vec<StepStatus>, StorageError> {
    let db = database.read();
    let rows = if integrity::has_history(db).await? { rows(db).await? } else { Vec::new() };
    let known = STEPS.iter().map(|step| describe(step, rows.iter().find(|row| row.name == step.name)));
    let unknown = rows.iter().filter(|row| row.status == COMPLETED && STEPS.iter().all(|step| step.name != row.name)).map(|row| {
        let state = if row.r#type == Kind::Expanding.as_str() { State::Newer } else { State::Unknown };
        StepStatus { name: row.name.clone(), description: row.description.clone(), ..at(state, row) }
    });
    Ok(known.chain(unknown).collect())
}

fn describe(step: &Step, row: Option<&migration_history::Model>) -> StepStatus {
    let status = row.map_or_else(
        || StepStatus { state: State::Pending, ..StepStatus::empty() },
        |row| {
            let state = match row.status.as_str() {
                COMPLETED if row.checksum == step.checksum() => State::Applied,
                COMPLETED => State::Changed,
                FAILED => State::Failed,
                ROLLED_BACK => State::RolledBack,
                _ => State::Pending,
            };
            at(state, row)
        },
    );
    StepStatus { name: step.name.to_owned(), description: step.description().to_owned(), ..status }
}

fn at(state: State, row: &migration_history::Model) -> StepStatus {
    StepStatus {
        state,
        batch: Some(row.batch),
        at: row.rolled_back_at.or(row.completed_at).or(Some(row.started_at)),
        took_ms: row.execution_time_ms,
        error: row.error_message.clone(),
        ..StepStatus::empty()
    }
}

impl StepStatus {
    const fn empty() -> Self {
        Self { name: String::new(), description: String::new(), state: State::Pending, batch: None, at: None, took_ms: None, error: None }
    }
}

/// How the history has a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStatus {
    /// It did not run yet.
    Pending,
    /// It runs.
    Running,
    /// It holds.
    Completed,
    /// It was tried, and rolled back by its failure.
    Failed,
    /// It was undone.
    RolledBack,
}

/// A step as the history tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is mainly about.
    pub subject: Subject,
    /// What it is for.
    pub description: String,
    /// Of the file that ran; of the one that will, where it did not run.
    pub checksum: String,
    /// Where it stands.
    pub status: EntryStatus,
    /// Whether it has a way back.
    pub can_roll_back: bool,
    /// What the history has of it, where it has anything.
    pub row: Option<migration_history::Model>,
}

/// Every step of the history and every one that this program knows, by name: those without a row are pending.
pub async fn entries(database: &Database) -> Result<Vec<Entry>, StorageError> {
    let db = database.read();
    let rows = if integrity::has_history(db).await? { rows(db).await? } else { Vec::new() };
    let is_known = |name: &str| rows.iter().any(|row| row.name == name);
    let pending = STEPS.iter().filter(|step| !is_known(step.name)).map(|step| Entry {
        name: step.name.to_owned(),
        subject: step.subject(),
        description: step.description().to_owned(),
        checksum: step.checksum(),
        status: EntryStatus::Pending,
        can_roll_back: step.down(dialect(database.backend())).is_some(),
        row: None,
    });
    let mut all: Vec<Entry> = pending.chain(rows.iter().cloned().map(entry)).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn entry(row: migration_history::Model) -> Entry {
    // Of a newer program's step only the row is known, and most steps are about tables.
    let subject = STEPS.iter().find(|step| step.name == row.name).map_or(Subject::Schema, Step::subject);
    let status = match row.status.as_str() {
        COMPLETED => EntryStatus::Completed,
        FAILED => EntryStatus::Failed,
        ROLLED_BACK => EntryStatus::RolledBack,
        _ => EntryStatus::Running,
    };
    Entry {
        name: row.name.clone(),
        subject,
        description: row.description.clone(),
        checksum: row.checksum.clone(),
        status,
        can_roll_back: row.can_rollback,
        row: Some(row),
    }
}

/// The whole history, by name.
pub(super) async fn rows(db: &impl ConnectionTrait) -> Result<Vec<migration_history::Model>, StorageError> {
    Ok(migration_history::Entity::find().order_by_asc(migration_history::Column::Name).all(db).await?)
}

pub(super) fn is_completed(rows: &[migration_history::Model], name: &str) -> bool {
    rows.iter().any(|row| row.name == name && row.status == COMPLETED)
}

/// In place of what the history said of the step before: it has one row for each.
pub(super) async fn put(db: &impl ConnectionTrait, row: migration_history::ActiveModel) -> Result<(), StorageError> {
    migration_history::Entity::delete_by_id(row.name.as_ref().clone()).exec(db).await?;
    migration_history::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

pub(super) async fn roll_back(db: &impl ConnectionTrait, name: &str, now: Timestamp, by: &str) -> Result<(), StorageError> {
    migration_history::Entity::update_many()
        .col_expr(migration_history::Column::Status, Expr::value(ROLLED_BACK))
        .col_expr(migration_history::Column::RolledBackAt, Expr::value(now))
        .col_expr(migration_history::Column::RolledBackBy, Expr::value(by))
        .filter(migration_history::Column::Name.eq(name))
        .exec(db)
        .await?;
    Ok(())
}

impl Run<'_> {
    pub(super) fn completed(self, now: Timestamp) -> migration_history::ActiveModel {
        migration_history::ActiveModel { status: Set(COMPLETED.to_owned()), completed_at: Set(Some(now)), ..self.row() }
    }

    pub(super) fn failed(self, message: &str) -> migration_history::ActiveModel {
        let message = message.chars().take(LONGEST_MESSAGE).collect();
        migration_history::ActiveModel { status: Set(FAILED.to_owned()), error_message: Set(Some(message)), ..self.row() }
    }

    fn row(&self) -> migration_history::ActiveModel {
        migration_history::ActiveModel {
            name: Set(self.step.name.to_owned()),
            r#type: Set(self.step.kind().as_str().to_owned()),
            batch: Set(self.batch),
            description: Set(self.step.description().to_owned()),
            file: Set(self.step.file.to_owned()),
            checksum: Set(self.step.checksum()),
            status: NotSet,
            started_at: Set(self.started_at),
            completed_at: NotSet,
            execution_time_ms: Set(Some(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))),
            error_message: NotSet,
            can_rollback: Set(self.can_rollback),
            rolled_back_at: NotSet,
            rolled_back_by: NotSet,
        }
    }
}
