//! Looking through the audit log, the newest first: every filter has an index that ends with that order.

use entity::{
    Timestamp,
    user_audit_log::{Category, Column, Entity, Model, Severity, Status},
};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, Iterable, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Statement,
    sea_query::{Alias, Expr, ExprTrait, Order, Query},
};
use uuid::Uuid;

use super::{audit_kinds, error::StorageError};

/// Which rows are wanted; each part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whom it happened to.
    pub user_id: Option<Uuid>,
    /// Who did it.
    pub actor_user_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// Of any of these areas.
    pub categories: Option<Vec<Category>>,
    /// Of any of these event types.
    pub types: Option<Vec<String>>,
    /// Ended in any of these ways.
    pub statuses: Option<Vec<Status>>,
    /// Mattering at least so much.
    pub severity_at_least: Option<Severity>,
    /// From this address.
    pub ip_address: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// Written at this moment or later.
    pub since: Option<Timestamp>,
    /// Written before this moment.
    pub until: Option<Timestamp>,
}

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the row was written.
    pub at: Timestamp,
    /// Its number: several are written at one moment.
    pub seq: i64,
}

impl Place {
    /// Of a row.
    #[must_use]
    pub const fn of(row: &Model) -> Self {
        Self { at: row.created_at, seq: row.seq }
    }
}

/// A window on the list, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Only what is older than this place.
    pub after: Option<Place>,
    /// Only what is newer than this place.
    pub before: Option<Place>,
    /// From the end of the list backwards: the oldest first.
    pub from_end: bool,
    /// How many at most.
    pub limit: u64,
}

impl Window {
    pub(super) const fn order(&self) -> Order {
        if self.from_end { Order::Asc } else { Order::Desc }
    }
}

impl Filter {
    /// Whether a row is wanted: as the database judges, for rows that are at hand.
    #[must_use]
    pub fn matches(&self, row: &Model) -> bool {
        let has_tag = |tag: &String| row.tags.as_array().is_some_and(|tags| tags.iter().any(|has| has.as_str() == Some(tag)));
        self.user_id.is_none_or(|id| row.user_id == Some(id))
            && self.actor_user_id.is_none_or(|id| row.actor_user_id == Some(id))
            && self.session_id.is_none_or(|id| row.session_id == Some(id))
            && self.categories.as_ref().is_none_or(|any| any.contains(&row.event_category))
            && self.types.as_ref().is_none_or(|any| any.contains(&row.event_type))
            && self.statuses.as_ref().is_none_or(|any| any.contains(&row.status))
            && self.severity_at_least.is_none_or(|least| rank(row.severity) >= rank(least))
            && self.ip_address.as_ref().is_none_or(|address| row.ip_address.as_ref() == Some(address))
            && self.tags.iter().all(has_tag)
            && self.since.is_none_or(|since| row.created_at >= since)
            && self.until.is_none_or(|until| row.created_at < until)
    }

    /// Severities that matter enough.
    pub(super) fn severities(&self) -> Option<Vec<Severity>> {
        let least = rank(self.severity_at_least?);
        Some(Severity::iter().filter(|severity| rank(*severity) >= least).collect())
    }

    /// Whether something is asked for that few rows have.
    const fn is_narrow(&self) -> bool {
        self.user_id.is_some()
            || self.actor_user_id.is_some()
            || self.session_id.is_some()
            || self.ip_address.is_some()
            || !self.tags.is_empty()
    }

    /// Whether it asks for kinds of rows.
    const fn names_kinds(&self) -> bool {
        self.categories.is_some() || self.types.is_some() || self.statuses.is_some() || self.severity_at_least.is_some()
    }

    fn condition(&self, backend: DbBackend) -> Condition {
        let mut all = Condition::all()
            .add_option(self.user_id.map(|id| Column::UserId.eq(id)))
            .add_option(self.actor_user_id.map(|id| Column::ActorUserId.eq(id)))
            .add_option(self.session_id.map(|id| Column::SessionId.eq(id)))
            .add_option(self.categories.clone().map(|any| Column::EventCategory.is_in(any)))
            .add_option(self.types.clone().map(|any| Column::EventType.is_in(any)))
            .add_option(self.statuses.clone().map(|any| Column::Status.is_in(any)))
            .add_option(self.severities().map(|any| Column::Severity.is_in(any)))
            .add_option(self.ip_address.clone().map(|address| Column::IpAddress.eq(address)))
            .add_option(self.since.map(|since| Column::CreatedAt.gte(since)))
            .add_option(self.until.map(|until| Column::CreatedAt.lt(until)));
        if backend == DbBackend::Postgres && !self.tags.is_empty() {
            all = all.add(Expr::cust_with_values("tags @> $1", [serde_json::json!(self.tags)]));
        } else {
            for tag in &self.tags {
                all = all.add(Expr::cust_with_values("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", [tag.as_str()]));
            }
        }
        all
    }
}

const fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Debug => 0,
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Error => 3,
        Severity::Critical => 4,
    }
}

fn within(window: Window) -> Condition {
    let place = || Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Seq)]);
    let at = |place: Place| Expr::tuple([Expr::val(place.at), Expr::val(place.seq)]);
    Condition::all()
        .add_option(window.after.map(|after| place().lt(at(after))))
        .add_option(window.before.map(|before| place().gt(at(before))))
}

/// The statement of a page; a test explains it for every filter.
#[must_use]
pub fn statement(backend: DbBackend, filter: &Filter, window: Window) -> Statement {
    // Kinds of rows are few, and any of them may be rare: without something narrow, an ordered walk would pass millions of others.
    if backend == DbBackend::Postgres && filter.names_kinds() && !filter.is_narrow() {
        return audit_kinds::statement(filter, window);
    }
    Entity::find()
        .filter(filter.condition(backend))
        .filter(within(window))
        .order_by(Column::CreatedAt, window.order())
        .order_by(Column::Seq, window.order())
        .limit(window.limit)
        .build(backend)
}

/// A page of the rows that are wanted, in the direction of the window.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter, window: Window) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().from_raw_sql(statement(db.get_database_backend(), filter, window)).all(db).await?)
}

/// The statement of a page of `recent_security_events`.
#[must_use]
pub fn recent_security_statement(backend: DbBackend, window: Window) -> Statement {
    let query = Query::select()
        .columns(Column::iter())
        .from(Alias::new("recent_security_events"))
        .cond_where(within(window))
        .order_by(Column::CreatedAt, window.order())
        .order_by(Column::Seq, window.order())
        .limit(window.limit)
        .to_owned();
    backend.build(&query)
}

/// A page of the security events of the last seven days, in the direction of the window.
pub async fn list_recent_security(db: &impl ConnectionTrait, window: Window) -> Result<Vec<Model>, StorageError> {
    Ok(Entity::find().from_raw_sql(recent_security_statement(db.get_database_backend(), window)).all(db).await?)
}

/// What happened to a user, without what only administrators may see, in the direction of the window.
pub async fn list_activity(db: &impl ConnectionTrait, user_id: Uuid, window: Window) -> Result<Vec<Model>, StorageError> {
    let query = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::IsSensitive.eq(false))
        .filter(within(window))
        .order_by(Column::CreatedAt, window.order())
        .order_by(Column::Seq, window.order())
        .limit(window.limit);
    Ok(query.all(db).await?)
}

/// An account at which somebody failed to sign in, three times or more in 24 hours.
#[derive(Clone, Debug, FromQueryResult)]
pub struct FailedSignIns {
    /// The account.
    pub user_id: Uuid,
    /// How often.
    pub attempt_count: i64,
    /// When last.
    pub last_attempt_at: Timestamp,
    /// From which addresses: a list of texts.
    pub ip_addresses: serde_json::Value,
}

/// The statement of [`list_failed_sign_ins`].
#[must_use]
pub fn failed_sign_ins_statement(backend: DbBackend, limit: u64) -> Statement {
    let query = Query::select()
        .columns(["user_id", "attempt_count", "last_attempt_at", "ip_addresses"].map(Alias::new))
        .from(Alias::new("failed_login_attempts"))
        .order_by(Alias::new("attempt_count"), Order::Desc)
        .order_by(Alias::new("last_attempt_at"), Order::Desc)
        .order_by(Alias::new("user_id"), Order::Asc)
        .limit(limit)
        .to_owned();
    backend.build(&query)
}

/// Those accounts, the most tried first.
pub async fn list_failed_sign_ins(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<FailedSignIns>, StorageError> {
    Ok(FailedSignIns::find_by_statement(failed_sign_ins_statement(db.get_database_backend(), limit)).all(db).await?)
}

/// The text of an enum as the table has it.
pub(super) fn text<E: ActiveEnum<Value = String>>(value: &E) -> String {
    value.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered() {
        let least = |severity_at_least| Filter { severity_at_least: Some(severity_at_least), ..Filter::default() }.severities();
        assert_eq!(least(Severity::Error), Some(vec![Severity::Error, Severity::Critical]));
        assert_eq!(least(Severity::Debug).map(|all| all.len()), Some(5));
        assert_eq!(Filter::default().severities(), None);
    }
}
