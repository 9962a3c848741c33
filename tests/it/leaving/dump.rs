//! Everything that a database holds, row by row as text: also of tables that nobody has thought of.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use uuid::Uuid;

async fn texts(database: &DatabaseConnection, sql: String) -> Vec<String> {
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect()
}

/// The rows of every table.
pub async fn everything(database: &DatabaseConnection) -> BTreeMap<String, Vec<String>> {
    let is_postgres = database.get_database_backend() == DbBackend::Postgres;
    let tables = if is_postgres {
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    };
    let mut all = BTreeMap::new();
    for table in texts(database, tables.to_owned()).await {
        let rows = if is_postgres {
            format!("SELECT t::text FROM \"{table}\" AS t")
        } else {
            let columns = texts(database, format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')")).await;
            format!("SELECT {} FROM \"{table}\"", columns.join(" || '|' || "))
        };
        all.insert(table.clone(), texts(database, rows).await);
    }
    assert!(all.len() > 15 && all.contains_key("users"), "{:?}", all.keys());
    all
}

/// How the databases write an id.
pub fn writings(id: Uuid) -> [String; 2] {
    [id.hyphenated().to_string(), format!("X'{}'", id.simple().to_string().to_uppercase())]
}
