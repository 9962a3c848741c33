//! What parts of the schema do, word for word: triggers (on PostgreSQL the functions that they call), indexes and views.

use std::collections::BTreeMap;

/// The text of a trigger or function, with single blanks, by its name.
pub type Source = BTreeMap<String, String>;

/// The bodies of the functions that a run of steps leaves behind: what stands between `$$` and `$$`.
#[must_use]
pub fn functions<'a>(statements: impl IntoIterator<Item = &'a str>) -> Source {
    let mut found = Source::new();
    for sql in statements {
        let mut rest = sql;
        while let Some(at) = rest.find("FUNCTION ") {
            let (before, after) = rest.split_at(at);
            let name: String = after["FUNCTION ".len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            rest = &after["FUNCTION ".len()..];
            if before.trim_end().ends_with("DROP") {
                found.remove(&name);
            } else if before.trim_end().ends_with("CREATE") || before.trim_end().ends_with("REPLACE") {
                let mut parts = rest.splitn(3, "$$");
                if let (Some(_), Some(body), Some(tail)) = (parts.next(), parts.next(), parts.next()) {
                    found.insert(name, one_spaced(body));
                    rest = tail;
                }
            }
        }
    }
    found
}

/// The statements that make the triggers of SQLite, from `CREATE TRIGGER` to `END`.
#[must_use]
pub fn triggers<'a>(statements: impl IntoIterator<Item = &'a str>) -> Source {
    made_by(statements, &["CREATE TRIGGER "], "END;", "END")
}

/// The statements that make indexes with names of their own.
#[must_use]
pub fn indexes<'a>(statements: impl IntoIterator<Item = &'a str>) -> Source {
    made_by(statements, &["CREATE INDEX ", "CREATE UNIQUE INDEX "], ";", "")
}

/// The statements that make views.
#[must_use]
pub fn views<'a>(statements: impl IntoIterator<Item = &'a str>) -> Source {
    made_by(statements, &["CREATE VIEW "], ";", "")
}

/// Statements by the name after their beginning; the last one of a name counts.
fn made_by<'a>(statements: impl IntoIterator<Item = &'a str>, beginnings: &[&str], end: &str, kept_of_end: &str) -> Source {
    let mut found = Source::new();
    for sql in statements {
        let mut rest = sql;
        while let Some((at, beginning)) = beginnings.iter().filter_map(|beginning| Some((rest.find(beginning)?, beginning))).min() {
            rest = &rest[at..];
            let end = rest.find(end).map_or(rest.len(), |end| end + kept_of_end.len());
            let name: String = rest[beginning.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.insert(name, one_spaced(&rest[..end]));
            rest = &rest[end..];
        }
    }
    found
}

/// Without what only a reader sees.
#[must_use]
pub fn one_spaced(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, STEPS};

    #[test]
    fn the_last_word_counts() {
        let sql = "CREATE FUNCTION f() RETURNS trigger AS $$ a\n  b $$;\nCREATE TRIGGER t EXECUTE FUNCTION f();\nCREATE OR REPLACE FUNCTION f() AS $$c$$;\nCREATE FUNCTION g() AS $$d$$; DROP FUNCTION g();";
        assert_eq!(functions([sql]), Source::from([("f".to_owned(), "c".to_owned())]));
        let sql = "CREATE TRIGGER t AFTER UPDATE ON a\n    BEGIN SELECT 1; END;\nDROP TRIGGER t;\nCREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT 2; END;";
        assert_eq!(triggers([sql])["t"], "CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT 2; END");
        let sql =
            "CREATE UNIQUE INDEX i ON a (b);\nCREATE VIEW v AS\n  SELECT 1;\nCREATE INDEX j ON a (c) WHERE d;\nCREATE INDEX i ON a (b);";
        let found = indexes([sql]);
        assert_eq!((found["i"].as_str(), found["j"].as_str()), ("CREATE INDEX i ON a (b)", "CREATE INDEX j ON a (c) WHERE d"));
        assert_eq!(views([sql])["v"], "CREATE VIEW v AS SELECT 1");
    }

    #[test]
    fn the_guards_of_the_audit_log_are_found() {
        let of = |dialect| STEPS.iter().map(|step| step.up(dialect)).collect::<Vec<_>>();
        assert!(functions(of(Dialect::Postgres).iter().map(String::as_str)).contains_key("keep_audit_row"));
        assert!(triggers(of(Dialect::Sqlite).iter().map(String::as_str)).contains_key("user_audit_log_no_delete"));
    }
}
