//! Which tables, indexes, views and triggers a run of steps leaves behind: what the integrity check looks for.

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// An index with a name of its own.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

impl ObjectKind {
    /// As SQLite's catalogue has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Table, Self::Index, Self::View, Self::Trigger].into_iter().find(|kind| word.eq_ignore_ascii_case(kind.as_str()))
    }
}

/// A named part of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The table that it belongs to; for tables and views, itself.
    pub table: String,
}

/// Reads the statements in order and keeps account of `CREATE`, `DROP` and `ALTER TABLE … RENAME TO`.
///
/// The steps are ours and plain: a name follows its keyword, and dropping a table takes its indexes and triggers along.
#[must_use]
pub fn objects<'a>(statements: impl IntoIterator<Item = &'a str>) -> Vec<Object> {
    let mut found = Vec::new();
    for sql in std::iter::once(crate::HISTORY).chain(statements) {
        let words = words(sql);
        for (at, word) in words.iter().enumerate() {
            let rest = &words[at + 1..];
            if word.eq_ignore_ascii_case("create") {
                created(rest, &mut found);
            } else if word.eq_ignore_ascii_case("drop") {
                dropped(rest, &mut found);
            } else if word.eq_ignore_ascii_case("alter") {
                renamed(rest, &mut found);
            }
        }
    }
    found
}

/// Without comments; brackets and semicolons end a word.
fn words(sql: &str) -> Vec<&str> {
    sql.lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ';' | ',')))
        .filter(|word| !word.is_empty())
        .collect()
}

fn is(word: Option<&&str>, expected: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(expected))
}

fn created(mut rest: &[&str], found: &mut Vec<Object>) {
    while ["unique", "or", "replace", "constraint"].iter().any(|word| is(rest.first(), word)) {
        rest = &rest[1..];
    }
    let Some(kind) = rest.first().and_then(|word| ObjectKind::parse(word)) else { return };
    rest = &rest[1..];
    if is(rest.first(), "if") {
        rest = rest.get(3..).unwrap_or_default();
    }
    let Some(name) = rest.first() else { return };
    let table = match kind {
        ObjectKind::Table | ObjectKind::View => Some(name),
        ObjectKind::Index | ObjectKind::Trigger => {
            rest.iter().position(|word| word.eq_ignore_ascii_case("on")).and_then(|on| rest.get(on + 1))
        }
    };
    let object = Object { kind, name: (*name).to_owned(), table: table.unwrap_or(name).to_string() };
    if !found.contains(&object) {
        found.push(object);
    }
}

fn dropped(mut rest: &[&str], found: &mut Vec<Object>) {
    let Some(kind) = rest.first().and_then(|word| ObjectKind::parse(word)) else { return };
    rest = &rest[1..];
    if is(rest.first(), "if") {
        rest = rest.get(2..).unwrap_or_default();
    }
    let Some(name) = rest.first() else { return };
    found.retain(|object| match kind {
        ObjectKind::Table => object.table != *name,
        ObjectKind::Index | ObjectKind::View | ObjectKind::Trigger => object.kind != kind || object.name != *name,
    });
}

fn renamed(rest: &[&str], found: &mut [Object]) {
    let [what, old, rename, to, new, ..] = rest else { return };
    if !what.eq_ignore_ascii_case("table") || !rename.eq_ignore_ascii_case("rename") || !to.eq_ignore_ascii_case("to") {
        return;
    }
    for object in found.iter_mut().filter(|object| object.table == *old) {
        if object.name == *old {
            (*new).clone_into(&mut object.name);
        }
        (*new).clone_into(&mut object.table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sql: &[&str]) -> Vec<String> {
        objects(sql.iter().copied()).into_iter().map(|object| format!("{} {}", object.kind.as_str(), object.name)).skip(1).collect()
    }

    #[test]
    fn what_is_created_is_found() {
        let sql = "CREATE TABLE a (id int); -- CREATE TABLE no\nCREATE UNIQUE INDEX i ON a (id);\nCREATE VIEW v AS SELECT 1;\nCREATE TRIGGER t AFTER UPDATE ON a BEGIN SELECT 1; END;";
        assert_eq!(names(&[sql]), ["table a", "index i", "view v", "trigger t"]);
    }

    #[test]
    fn what_is_dropped_is_gone_with_all_that_belongs_to_it() {
        let sql = "CREATE TABLE a (id int); CREATE INDEX i ON a (id); CREATE TABLE b (id int); CREATE INDEX j ON b (id);";
        assert_eq!(names(&[sql, "DROP TABLE IF EXISTS a; DROP INDEX j;"]), ["table b"]);
    }

    #[test]
    fn a_rebuilt_table_keeps_its_name() {
        let sql = "CREATE TABLE a (id int); CREATE INDEX i ON a (id);";
        let rebuild = "CREATE TABLE a_new (id int); DROP TABLE a; ALTER TABLE a_new RENAME TO a; CREATE INDEX i ON a (id);";
        assert_eq!(names(&[sql, rebuild]), ["table a", "index i"]);
    }

    #[test]
    fn undoing_every_step_leaves_the_history_alone() {
        for dialect in [crate::Dialect::Sqlite, crate::Dialect::Postgres] {
            let mut sql: Vec<String> = crate::STEPS.iter().map(|step| step.up(dialect)).collect();
            assert!(objects(sql.iter().map(String::as_str)).len() > 40);
            sql.extend(crate::STEPS.iter().rev().filter_map(|step| step.down(dialect)));
            let left = objects(sql.iter().map(String::as_str));
            assert_eq!(left.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), ["migration_history"]);
        }
    }
}
