//! Parts of the schema that are there and are not what the steps made of them: columns of tables, and what triggers do.

use std::collections::BTreeMap;

use migration::{Column, Object, STEPS, Source, Tables};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{dialect, integrity::Problem};
use crate::storage::{
    database::{Backend, Database},
    error::StorageError,
};

/// Every difference in what is not missing as a whole. Where a newer program has been at work, columns that it added or loosened are fine.
pub(super) async fn find(database: &Database, missing: &[Object], is_newest: bool) -> Result<Vec<Problem>, StorageError> {
    let dialect = dialect(database.backend());
    let steps: Vec<String> = std::iter::once(migration::history(dialect)).chain(STEPS.iter().map(|step| step.up(dialect))).collect();
    let steps = || steps.iter().map(String::as_str);
    let (db, is_there) = (database.read(), |name: &str| missing.iter().all(|object| object.name != name));
    let mut problems = Vec::new();

    let (wanted, found) = (migration::columns(steps()), tables(db).await?);
    for (table, columns) in wanted.iter().filter(|(table, _)| is_there(table)) {
        let none = BTreeMap::new();
        let differences = differences(columns, found.get(table).unwrap_or(&none), is_newest);
        problems.extend(differences.into_iter().map(|how| Problem::Altered { what: format!("table {table}"), how }));
    }
    if is_newest {
        let (kind, wanted) = match database.backend() {
            Backend::Postgres => ("function", migration::functions(steps())),
            Backend::Sqlite => ("trigger", migration::triggers(steps())),
        };
        let found = sources(db).await?;
        for (name, source) in wanted.iter().filter(|(name, _)| is_there(name)) {
            if found.get(name) != Some(source) {
                problems.push(Problem::Altered { what: format!("{kind} {name}"), how: "it does something else".to_owned() });
            }
        }
    }
    Ok(problems)
}

fn differences(wanted: &BTreeMap<String, Column>, found: &BTreeMap<String, Column>, is_newest: bool) -> Vec<String> {
    let of_wanted = wanted.iter().filter_map(|(name, column)| match found.get(name) {
        None => Some(format!("its column {name} is missing")),
        Some(_) if !is_newest => None,
        Some(other) if other.kind != spelled_out(&column.kind) => {
            Some(format!("its column {name} has the type {} in place of {}", other.kind, spelled_out(&column.kind)))
        }
        Some(other) if other.nullable != column.nullable => {
            Some(format!("its column {name} {}", if other.nullable { "may be null" } else { "must not be null" }))
        }
        Some(_) => None,
    });
    let more = found.keys().filter(|name| is_newest && !wanted.contains_key(*name)).map(|name| format!("it has a column {name} besides"));
    of_wanted.chain(more).collect()
}

/// As the catalogue of PostgreSQL has it.
fn spelled_out(kind: &str) -> &str {
    if kind == "timestamptz" { "timestamp with time zone" } else { kind }
}

async fn tables(db: &impl ConnectionTrait) -> Result<Tables, StorageError> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT c.relname::text AS table_name, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind, NOT a.attnotnull AS nullable
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
        }
        _ => {
            "SELECT m.name AS table_name, c.name AS name, lower(c.type) AS kind, c.\"notnull\" = 0 AND c.pk = 0 AS nullable
             FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
    };
    let mut tables = Tables::new();
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
        let column = Column { kind: row.try_get("", "kind")?, nullable: row.try_get("", "nullable")? };
        tables.entry(row.try_get("", "table_name")?).or_default().insert(row.try_get("", "name")?, column);
    }
    Ok(tables)
}

async fn sources(db: &impl ConnectionTrait) -> Result<Source, StorageError> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT proname::text AS name, prosrc AS source FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
        }
        _ => "SELECT name, sql AS source FROM sqlite_master WHERE type = 'trigger'",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter()
        .map(|row| {
            let source: String = row.try_get("", "source")?;
            Ok((row.try_get("", "name")?, migration::one_spaced(&source)))
        })
        .collect()
}
