//! Which columns a run of steps gives each table: what the integrity check compares.

use std::collections::BTreeMap;

/// A column as its step wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its type in the database's own word, in lower case.
    pub kind: String,
    /// Whether it may be empty.
    pub nullable: bool,
}

/// The columns of every table, by their names.
pub type Tables = BTreeMap<String, BTreeMap<String, Column>>;

/// Reads `CREATE TABLE`, `DROP TABLE`, `ALTER TABLE … ADD COLUMN`, `DROP COLUMN`, `RENAME` and, of PostgreSQL, `ALTER COLUMN`, in their order.
///
/// The steps are ours and plain: a keyword opens a line, and each column of a new table has a line of its own or is set off by commas.
#[must_use]
pub fn columns<'a>(statements: impl IntoIterator<Item = &'a str>) -> Tables {
    let mut tables = Tables::new();
    for sql in statements {
        for statement in split(&without_comments(sql), ';') {
            read(statement.trim(), &mut tables);
        }
    }
    tables
}

fn without_comments(sql: &str) -> String {
    sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n")
}

/// The parts between separators that stand in no brackets and no quotes.
fn split(sql: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0_u32, false, 0);
    let mut parts = Vec::new();
    for (at, character) in sql.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if character == separator && !quoted && depth == 0 => {
                parts.push(&sql[start..at]);
                start = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&sql[start..]);
    parts
}

fn read(statement: &str, tables: &mut Tables) {
    let words: Vec<&str> = statement.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty()).collect();
    let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    match upper.as_slice() {
        ["CREATE", "TABLE", rest @ ..] => {
            let name = if rest.first() == Some(&"IF") { words.get(5) } else { words.get(2) };
            let body = statement.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(body, _)| body);
            if let (Some(name), Some(body)) = (name, body) {
                tables.insert((*name).to_owned(), split(body, ',').into_iter().filter_map(column).collect());
            }
        }
        ["DROP", "TABLE", ..] => {
            let name = if upper.get(2) == Some(&"IF") { words.get(4) } else { words.get(2) };
            name.map(|name| tables.remove(*name));
        }
        ["ALTER", "TABLE", _, "RENAME", "TO", _] => {
            if let Some(columns) = tables.remove(words[2]) {
                tables.insert(words[5].to_owned(), columns);
            }
        }
        ["ALTER", "TABLE", _, ..] => {
            let Some(table) = tables.get_mut(words[2]) else { return };
            let actions = statement.split_once(words[2]).map_or("", |(_, rest)| rest);
            for action in split(actions, ',') {
                alter(action.trim(), table);
            }
        }
        _ => {}
    }
}

fn alter(action: &str, table: &mut BTreeMap<String, Column>) {
    let words: Vec<&str> = action.split_whitespace().collect();
    let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    match upper.as_slice() {
        ["ADD", "COLUMN", _, ..] => {
            let definition = action.splitn(3, char::is_whitespace).nth(2).unwrap_or_default();
            table.extend(column(definition));
        }
        ["DROP", "COLUMN", _, ..] => {
            table.remove(words[2]);
        }
        ["RENAME", "COLUMN", _, "TO", _] => {
            if let Some(column) = table.remove(words[2]) {
                table.insert(words[4].to_owned(), column);
            }
        }
        ["ALTER", "COLUMN", _, change @ ..] => {
            let Some(column) = table.get_mut(words[2]) else { return };
            match change {
                ["SET", "NOT", "NULL"] => column.nullable = false,
                ["DROP", "NOT", "NULL"] => column.nullable = true,
                ["TYPE", _, ..] => column.kind = kind(words[4]),
                _ => {}
            }
        }
        _ => {}
    }
}

/// `email text NOT NULL` of a table; none for its constraints.
fn column(definition: &str) -> Option<(String, Column)> {
    let mut words = definition.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty());
    let name = words.next()?;
    if ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
        return None;
    }
    let kind = kind(words.next()?);
    let upper = crate::one_spaced(definition).to_ascii_uppercase();
    // What a check says of nulls is no rule of the column's own.
    let own = upper.split(" CHECK (").next().unwrap_or_default();
    let nullable = !own.contains("NOT NULL") && !own.contains("PRIMARY KEY") && !upper.contains(") NOT NULL");
    Some((name.to_owned(), Column { kind, nullable }))
}

fn kind(word: &str) -> String {
    word.trim_end_matches([',', ')']).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, STEPS};

    #[test]
    fn columns_are_read() {
        let sql = "CREATE TABLE a (id uuid NOT NULL PRIMARY KEY, -- a comment, with a comma\n\
                   checksum text NOT NULL, email text CHECK (length(email) BETWEEN 3 AND 254 AND email IS NOT NULL), n integer CHECK (n IN (1, 2)) NOT NULL,\n\
                   CONSTRAINT c CHECK (n > 0), UNIQUE (id, n)) STRICT;\n\
                   ALTER TABLE a ADD COLUMN at timestamptz DEFAULT now();\nALTER TABLE a DROP COLUMN n;";
        let tables = columns([sql]);
        let told: Vec<String> = tables["a"].iter().map(|(name, of)| format!("{name} {} {}", of.kind, of.nullable)).collect();
        assert_eq!(told, ["at timestamptz true", "checksum text false", "email text true", "id uuid false"]);
        let later = columns([sql, "ALTER TABLE a RENAME TO b; ALTER TABLE b ALTER COLUMN email SET NOT NULL, ALTER COLUMN at TYPE date;"]);
        assert!(!later["b"]["email"].nullable && later["b"]["at"].kind == "date" && !later.contains_key("a"));
    }

    #[test]
    fn every_table_of_the_steps_has_columns_and_undoing_them_leaves_none() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let steps = STEPS.iter().map(|step| step.up(dialect));
            let up: Vec<String> = std::iter::once(crate::history(dialect)).chain(steps).collect();
            let tables = columns(up.iter().map(String::as_str));
            let named = crate::objects(up.iter().map(String::as_str));
            for table in named.iter().filter(|object| object.kind == crate::ObjectKind::Table) {
                assert!(tables.get(&table.name).is_some_and(|columns| columns.len() > 1), "{}", table.name);
            }
            let down = STEPS.iter().rev().filter_map(|step| step.down(dialect));
            let all: Vec<String> = up.iter().cloned().chain(down).collect();
            assert_eq!(columns(all.iter().map(String::as_str)).keys().collect::<Vec<_>>(), ["migration_history"]);
        }
    }
}
