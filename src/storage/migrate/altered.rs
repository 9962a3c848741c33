//! Parts of the schema that are there and are not what the steps made of them: columns of tables, what triggers, indexes and views do, and what acts
//! on our tables besides.

use std::collections::BTreeMap;

use migration::{Column, Object, ObjectKind, STEPS, Source, Tables};
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
        let found = sources(db).await?;
        let kinds = match database.backend() {
            Backend::Postgres => vec![("function", migration::functions(steps()))],
            Backend::Sqlite => {
                let indexes = ("index", migration::indexes(steps()));
                vec![("trigger", migration::triggers(steps())), indexes, ("view", migration::views(steps()))]
            }
        };
        for (kind, wanted) in kinds {
            // Triggers, indexes and views that are missing are told as that.
            for (name, source) in wanted.iter().filter(|(name, _)| kind == "function" || found.contains_key(*name)) {
                if found.get(name) != Some(source) {
                    problems.push(Problem::Altered { what: format!("{kind} {name}"), how: "it does something else".to_owned() });
                }
            }
        }
        if database.backend() == Backend::Postgres {
            problems.extend(no_longer_unique(db, &migration::indexes(steps())).await?);
        }
        problems.extend(acting_besides(db, &migration::objects(steps())).await?);
    }
    Ok(problems)
}

/// Unique indexes of PostgreSQL that allow doubles now.
async fn no_longer_unique(db: &impl ConnectionTrait, wanted: &Source) -> Result<Vec<Problem>, StorageError> {
    let sql = "SELECT c.relname::text AS name FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
               WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisunique";
    let mut problems = Vec::new();
    for row in db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await? {
        let name: String = row.try_get("", "name")?;
        if wanted.get(&name).is_some_and(|source| source.starts_with("CREATE UNIQUE INDEX")) {
            problems.push(Problem::Altered { what: format!("index {name}"), how: "it is not unique".to_owned() });
        }
    }
    Ok(problems)
}

/// Triggers, and rules of PostgreSQL, on our tables that no step made: with them a statement does what nobody here knows of, or nothing.
async fn acting_besides(db: &impl ConnectionTrait, ours: &[Object]) -> Result<Vec<Problem>, StorageError> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT 'trigger' AS kind, t.tgname::text AS name, c.relname::text AS table_name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
             WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
             UNION ALL
             SELECT 'rule', rulename::text, tablename::text FROM pg_rules WHERE schemaname = current_schema()"
        }
        _ => "SELECT type AS kind, name, tbl_name AS table_name FROM sqlite_master WHERE type = 'trigger'",
    };
    let mut problems = Vec::new();
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
        let (kind, name): (String, String) = (row.try_get("", "kind")?, row.try_get("", "name")?);
        let table: String = row.try_get("", "table_name")?;
        let is_ours = ours.iter().any(|object| object.kind == ObjectKind::Table && object.name == table);
        if is_ours && !ours.iter().any(|object| object.kind.as_str() == kind && object.name == name && object.table == table) {
            problems.push(Problem::Altered { what: format!("table {table}"), how: format!("it has a {kind} {name} besides") });
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
        _ => "SELECT name, sql AS source FROM sqlite_master WHERE type IN ('trigger', 'index', 'view') AND sql IS NOT NULL",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter()
        .map(|row| {
            let source: String = row.try_get("", "source")?;
            Ok((row.try_get("", "name")?, migration::one_spaced(&source)))
        })
        .collect()
}
