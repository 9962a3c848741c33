//! Several writes in one trip to the database. A trip costs more than most of the writes do.

use sea_orm::{
    ConnectionTrait, DbBackend, QueryResult, Statement,
    sea_query::{
        DeleteStatement, InsertStatement, PostgresQueryBuilder, QueryBuilder, SelectStatement, SqlWriterValues, SqliteQueryBuilder,
        UpdateStatement,
    },
};

use super::error::StorageError;

/// One write of a batch.
#[derive(Debug)]
pub enum Write {
    /// Adds rows.
    Insert(InsertStatement),
    /// Changes rows.
    Update(UpdateStatement),
    /// Takes rows away.
    Delete(DeleteStatement),
}

/// Writes that wait to be sent together, in their order.
///
/// No two of them may touch the same row, and none may depend on what another one wrote but by a foreign key: PostgreSQL does them all as one
/// statement (`WITH … AS (INSERT …)`), on one snapshot. SQLite does one after the other.
#[derive(Debug, Default)]
pub struct Batch {
    writes: Vec<Write>,
}

/// Whether there are such rows: asked on a trip that writes.
#[derive(Debug)]
pub struct Question(pub(super) SelectStatement);

impl Batch {
    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Sends them.
    pub async fn run(mut self, db: &impl ConnectionTrait) -> Result<(), StorageError> {
        if let Some(last) = self.writes.pop() {
            db.execute_raw(self.statement(db, &last)).await?;
        }
        Ok(())
    }

    /// Sends them and another one, and returns what that one's `RETURNING` says. The others must return nothing.
    pub async fn run_with(self, db: &impl ConnectionTrait, last: InsertStatement) -> Result<Vec<QueryResult>, StorageError> {
        Ok(db.query_all_raw(self.statement(db, &Write::Insert(last))).await?)
    }

    fn statement(&self, db: &impl ConnectionTrait, last: &Write) -> Statement {
        let backend = db.get_database_backend();
        let (sql, values) = match backend {
            DbBackend::Postgres => self.one_statement(last),
            _ => self.one_after_the_other(last),
        };
        Statement { sql, values: Some(values), db_backend: backend }
    }

    fn one_statement(&self, last: &Write) -> (String, sea_orm::sea_query::Values) {
        let mut sql = writer(&PostgresQueryBuilder);
        for (number, write) in self.writes.iter().enumerate() {
            let opening = if number == 0 { "WITH " } else { ", " };
            append(&mut sql, &format!("{opening}w{number} AS ("));
            write.build(&PostgresQueryBuilder, &mut sql);
            append(&mut sql, ")");
        }
        append(&mut sql, " ");
        last.build(&PostgresQueryBuilder, &mut sql);
        sql.into_parts()
    }

    fn one_after_the_other(&self, last: &Write) -> (String, sea_orm::sea_query::Values) {
        let mut sql = writer(&SqliteQueryBuilder);
        for write in &self.writes {
            write.build(&SqliteQueryBuilder, &mut sql);
            append(&mut sql, "; ");
        }
        last.build(&SqliteQueryBuilder, &mut sql);
        sql.into_parts()
    }
}

impl Write {
    fn build(&self, builder: &impl QueryBuilder, sql: &mut SqlWriterValues) {
        match self {
            Self::Insert(insert) => insert.build_collect_any_into(builder, sql),
            Self::Update(update) => update.build_collect_any_into(builder, sql),
            Self::Delete(delete) => delete.build_collect_any_into(builder, sql),
        }
    }
}

fn writer(builder: &impl QueryBuilder) -> SqlWriterValues {
    let (placeholder, numbered) = builder.placeholder();
    SqlWriterValues::new(placeholder, numbered)
}

fn append(sql: &mut SqlWriterValues, text: &str) {
    // Into memory: it cannot fail.
    let _ = std::fmt::Write::write_str(sql, text);
}
