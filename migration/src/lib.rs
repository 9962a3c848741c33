//! The schema, step by step: one SQL file per step, written once for both databases.
//!
//! A new step is a file in `steps/` and a line in [`STEPS`]; a step that was released is never edited, its checksum is in every deployment's history.
//! The file opens with `-- what it is for` and `-- type: expanding` (an older program works beside it) or `-- type: contracting`. Then come sections,
//! each for one direction and for one database or both, run in the order of the file: `--- up`, `--- up sqlite`, `--- up postgres`, `--- down` and so on.
//! A step without `down` cannot be undone. Words like `{uuid}` stand for what the databases call differently, see [`Dialect`].

mod columns;
mod dialect;
mod objects;
mod sources;

use std::fmt::Write as _;

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbBackend, DbErr},
};
use sha2::{Digest, Sha256};

pub use columns::{Column, Tables, columns};
pub use dialect::Dialect;
pub use objects::{Object, ObjectKind, objects};
pub use sources::{Source, functions, indexes, one_spaced, triggers, views};

macro_rules! step {
    ($name:literal) => {
        Step { name: $name, file: concat!("steps/", $name, ".sql"), source: include_str!(concat!("../steps/", $name, ".sql")) }
    };
}

/// Every step.
pub const STEPS: &[Step] = &[
    // Oldest first; append only.
    step!("0001_accounts"),
    step!("0002_records"),
    step!("0003_operations"),
    step!("0004_account_life"),
    step!("0005_factors"),
    step!("0006_administration"),
    step!("0007_coins_and_invitations"),
    step!("0008_audit"),
    step!("0009_risk"),
    step!("0010_machine_tokens"),
    step!("0011_covered_searches"),
    step!("0012_names_found_once"),
];

const HISTORY: &str = include_str!("../history.sql");

/// The statement that makes `migration_history`; does nothing where it exists.
#[must_use]
pub fn history(dialect: Dialect) -> String {
    dialect.render(HISTORY)
}

/// One step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the history knows it by.
    pub name: &'static str,
    /// Path below `migration/`.
    pub file: &'static str,
    /// The whole file.
    pub source: &'static str,
}

/// Whether programs that do not know the step work beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They do.
    Expanding,
    /// They do not.
    Contracting,
}

impl Kind {
    /// As the history has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expanding => "expanding",
            Self::Contracting => "contracting",
        }
    }
}

/// What a step is mainly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Tables, columns or views.
    Schema,
    /// Rows alone.
    Data,
    /// Indexes alone.
    Index,
    /// Functions or triggers, and at most indexes beside them.
    Function,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Step {
    /// The first line of the file.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.source.lines().next().map_or("", |line| line.trim_start_matches("--").trim())
    }

    /// Contracting unless the file says otherwise.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.source.lines().take(5).any(|line| line == "-- type: expanding") { Kind::Expanding } else { Kind::Contracting }
    }

    /// What it is mainly about, told from its statements.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let sql = [Dialect::Sqlite, Dialect::Postgres].map(|dialect| self.up(dialect).to_ascii_uppercase()).concat();
        let has = |words: &[&str]| words.iter().any(|word| sql.contains(word));
        if has(&["CREATE TABLE", "ALTER TABLE", "DROP TABLE", "CREATE VIEW"]) {
            Subject::Schema
        } else if has(&["CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", "CREATE TRIGGER"]) {
            Subject::Function
        } else if has(&["CREATE INDEX", "CREATE UNIQUE INDEX", "DROP INDEX"]) {
            Subject::Index
        } else {
            Subject::Data
        }
    }

    /// SHA-256 of the file, in hexadecimal. Line ends count as `\n`, whatever a checkout made of them.
    #[must_use]
    pub fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.source.replace("\r\n", "\n")))
    }

    /// The statements that take the step.
    #[must_use]
    pub fn up(&self, dialect: Dialect) -> String {
        dialect.render(&self.section(Direction::Up, dialect).unwrap_or_default())
    }

    /// The statements that undo it, if it can be undone.
    #[must_use]
    pub fn down(&self, dialect: Dialect) -> Option<String> {
        self.section(Direction::Down, dialect).map(|sql| dialect.render(&sql))
    }

    fn section(&self, direction: Direction, dialect: Dialect) -> Option<String> {
        let mut sql: Option<String> = None;
        let mut applies = false;
        for line in self.source.lines() {
            if let Some(heading) = line.strip_prefix("--- ") {
                let (towards, database) = heading.trim().split_once(' ').unwrap_or((heading.trim(), ""));
                let towards = if towards == "up" { Direction::Up } else { Direction::Down };
                applies = towards == direction && (database.is_empty() || database == dialect.name());
                if applies {
                    sql.get_or_insert_default();
                }
            } else if let (true, Some(sql)) = (applies, &mut sql) {
                // Writing to a String cannot fail.
                let _ = writeln!(sql, "{line}");
            }
        }
        sql
    }
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = Self::up(self, dialect(manager.get_database_backend()));
        manager.get_connection().execute_unprepared(&sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = Self::down(self, dialect(manager.get_database_backend()));
        let sql = sql.ok_or_else(|| DbErr::Migration(format!("{} cannot be undone", self.name)))?;
        manager.get_connection().execute_unprepared(&sql).await.map(drop)
    }
}

fn dialect(backend: DbBackend) -> Dialect {
    if backend == DbBackend::Postgres { Dialect::Postgres } else { Dialect::Sqlite }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_well_formed() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(step.name.starts_with(&format!("{:04}_", index + 1)), "{}: steps are numbered in order", step.name);
            assert!(step.source.starts_with("-- ") && !step.description().is_empty(), "{}: says what it is for", step.name);
            assert!(step.source.lines().any(|line| line == format!("-- type: {}", step.kind().as_str())), "{}: says its type", step.name);
            for line in step.source.lines().filter(|line| line.starts_with("---")) {
                let known = ["--- up", "--- up sqlite", "--- up postgres", "--- down", "--- down sqlite", "--- down postgres"];
                assert!(known.contains(&line), "{}: {line}", step.name);
            }
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                assert!(!step.up(dialect).trim().is_empty(), "{}", step.name);
                for sql in [step.up(dialect), step.down(dialect).unwrap_or_default(), history(dialect)] {
                    let unknown = sql.split('{').skip(1).any(|rest| !rest.starts_with('}'));
                    assert!(!unknown, "{}: a word without a meaning on {}: {sql}", step.name, dialect.name());
                }
            }
        }
    }

    #[test]
    fn a_step_says_what_it_is_about() {
        let of = |source| Step { name: "x", file: "x", source }.subject();
        assert_eq!(of("-- a\n--- up\nCREATE TABLE a (id int); CREATE INDEX i ON a (id);\n"), Subject::Schema);
        assert_eq!(of("-- a\n--- up\nDROP INDEX i; CREATE INDEX i ON a (id);\n"), Subject::Index);
        assert_eq!(of("-- a\n--- up postgres\nCREATE OR REPLACE FUNCTION f() AS $$ $$;\n"), Subject::Function);
        assert_eq!(of("-- a\n--- up\nUPDATE a SET id = 1;\n--- down\nDROP TABLE a;\n"), Subject::Data);
    }

    #[test]
    fn the_checksum_does_not_mind_line_ends() {
        let unix = Step { name: "x", file: "x", source: "-- a\n--- up\nSELECT 1;\n" };
        let windows = Step { source: "-- a\r\n--- up\r\nSELECT 1;\r\n", ..unix };
        assert_eq!(unix.checksum(), windows.checksum());
        assert_eq!(unix.checksum().len(), 64);
        assert_eq!(windows.up(Dialect::Sqlite).trim(), "SELECT 1;");
        assert_eq!(unix.down(Dialect::Sqlite), None);
    }

    #[test]
    fn what_was_released_is_not_edited() {
        // A step appears here with the release that brought it; from then on its line never changes.
        let released: &[(&str, &str)] = &[];
        for (name, checksum) in released {
            assert!(STEPS.iter().any(|step| step.name == *name && step.checksum() == *checksum), "{name}");
        }
    }
}
