//! A page of the audit log by kind of row on PostgreSQL.
//!
//! Type, category, status and severity together come to a hundred combinations or so. The statement walks from one to the next by their index, takes
//! the newest rows of each that is wanted, and keeps the newest of all of them. So a rare kind is found as fast as a common one, however many rows
//! of other kinds lie in between.

use entity::Timestamp;
use sea_orm::{DbBackend, Statement, Value};

use super::audit_search::{Filter, Place, Window, text};

/// Text with its values.
#[derive(Default)]
struct Values(Vec<Value>);

impl Values {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    fn any_of(&mut self, column: &str, texts: impl IntoIterator<Item = String>) -> String {
        let places: Vec<String> = texts.into_iter().map(|text| self.bind(text)).collect();
        if places.is_empty() { "false".to_owned() } else { format!("k.{column} IN ({})", places.join(", ")) }
    }

    fn beside(&mut self, comparison: &str, place: Place) -> String {
        let (at, seq) = (self.bind(place.at), self.bind(place.seq));
        format!("(l.created_at, l.seq) {comparison} ({at}, {seq})")
    }

    fn when(&mut self, comparison: &str, at: Timestamp) -> String {
        format!("l.created_at {comparison} {}", self.bind(at))
    }
}

/// The statement of a page.
pub(super) fn statement(filter: &Filter, window: Window) -> Statement {
    let mut values = Values::default();
    let mut kinds = Vec::new();
    if let Some(any) = &filter.types {
        kinds.push(values.any_of("event_type", any.iter().cloned()));
    }
    if let Some(any) = &filter.categories {
        kinds.push(values.any_of("event_category", any.iter().map(text)));
    }
    if let Some(any) = &filter.statuses {
        kinds.push(values.any_of("status", any.iter().map(text)));
    }
    if let Some(any) = filter.severities() {
        kinds.push(values.any_of("severity", any.iter().map(text)));
    }
    let bounds = [
        filter.since.map(|since| values.when(">=", since)),
        filter.until.map(|until| values.when("<", until)),
        window.after.map(|after| values.beside("<", after)),
        window.before.map(|before| values.beside(">", before)),
    ];
    let of_kind = "l.event_type = k.event_type AND l.event_category = k.event_category AND l.status = k.status AND l.severity = k.severity";
    let inside = std::iter::once(of_kind.to_owned()).chain(bounds.into_iter().flatten()).collect::<Vec<_>>().join(" AND ");
    let limit = values.bind(i64::try_from(window.limit).unwrap_or(i64::MAX));
    let order = if window.from_end { "ASC" } else { "DESC" };
    let wanted = kinds.join(" AND ");
    let sql = format!(
        "WITH RECURSIVE kinds AS (\
         (SELECT event_type, event_category, status, severity FROM user_audit_log \
         ORDER BY event_type, event_category, status, severity LIMIT 1) \
         UNION ALL \
         SELECT next.* FROM kinds AS k CROSS JOIN LATERAL (\
         SELECT l.event_type, l.event_category, l.status, l.severity FROM user_audit_log AS l \
         WHERE (l.event_type, l.event_category, l.status, l.severity) > (k.event_type, k.event_category, k.status, k.severity) \
         ORDER BY l.event_type, l.event_category, l.status, l.severity LIMIT 1) AS next\
         ), page AS MATERIALIZED (\
         SELECT found.seq FROM kinds AS k CROSS JOIN LATERAL (\
         SELECT l.seq, l.created_at FROM user_audit_log AS l \
         WHERE {inside} \
         ORDER BY l.created_at {order}, l.seq {order} LIMIT {limit}) AS found \
         WHERE {wanted} ORDER BY found.created_at {order}, found.seq {order} LIMIT {limit}\
         ) SELECT l.* FROM page JOIN user_audit_log AS l ON l.seq = page.seq ORDER BY l.created_at {order}, l.seq {order}"
    );
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values.0)
}
