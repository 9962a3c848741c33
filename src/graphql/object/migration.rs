//! Steps of the database's schema.

use async_graphql::{Enum, Object};
use entity::{Timestamp, migration_history};

use crate::{
    graphql::scalar::DateTime,
    storage::migrate::{Entry, EntryStatus, Subject},
};

/// A step of the database's schema.
#[derive(Clone, Debug)]
pub struct Migration(pub Entry);

/// What a step is mainly about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Subject")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum MigrationType {
    Schema,
    Data,
    Index,
    Function,
}

/// Where a step stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "EntryStatus")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum MigrationStatus {
    Pending,
    Running,
    Completed,
    Failed,
    RolledBack,
}

impl Migration {
    fn at(&self, when: impl FnOnce(&migration_history::Model) -> Option<Timestamp>) -> Option<DateTime> {
        self.0.row.as_ref().and_then(when).map(DateTime::from)
    }
}

#[Object]
impl Migration {
    async fn name(&self) -> &str {
        &self.0.name
    }

    #[graphql(name = "type")]
    async fn kind(&self) -> MigrationType {
        self.0.subject.into()
    }

    async fn batch(&self) -> Option<i32> {
        self.0.row.as_ref().map(|row| row.batch)
    }

    async fn description(&self) -> Option<&str> {
        Some(self.0.description.as_str())
    }

    async fn checksum(&self) -> &str {
        &self.0.checksum
    }

    async fn status(&self) -> MigrationStatus {
        self.0.status.into()
    }

    async fn execution_time_ms(&self) -> Option<i32> {
        self.0.row.as_ref()?.execution_time_ms.map(|took| i32::try_from(took).unwrap_or(i32::MAX))
    }

    async fn error_message(&self) -> Option<&str> {
        self.0.row.as_ref()?.error_message.as_deref()
    }

    async fn can_roll_back(&self) -> bool {
        self.0.can_roll_back
    }

    async fn applied_at(&self) -> Option<DateTime> {
        self.at(|row| Some(row.started_at))
    }

    async fn completed_at(&self) -> Option<DateTime> {
        self.at(|row| row.completed_at)
    }

    async fn rolled_back_at(&self) -> Option<DateTime> {
        self.at(|row| row.rolled_back_at)
    }

    async fn rolled_back_by(&self) -> Option<&str> {
        self.0.row.as_ref()?.rolled_back_by.as_deref()
    }
}
