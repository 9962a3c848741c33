//! The audit log: rows are added, and nothing else.

use entity::{
    Timestamp,
    user_audit_log::{self, Category, Column, Retention, Severity, Status},
    user_sessions::Actor,
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    audit_row,
    batch::{Batch, Write},
    error::StorageError,
};

/// What happened, to whom, by whom.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Of the table of event types in the docs, for example `login`.
    pub event_type: &'static str,
    /// The area.
    pub category: Category,
    /// How it ended.
    pub status: Status,
    /// Why it ended badly: a problem code.
    pub result_code: Option<&'static str>,
    /// How much it matters.
    pub severity: Severity,
    /// How long it is kept.
    pub retention: Retention,
    /// Whom it happened to.
    pub user_id: Option<Uuid>,
    /// On whose behalf.
    pub actor: Actor,
    /// Who did it, where that was a person.
    pub actor_user_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// How unusual it was, 0 to 100, where that was looked at.
    pub risk_score: Option<u8>,
    /// What else is worth knowing; never a secret.
    pub metadata: Value,
    /// Only for administrators.
    pub sensitive: bool,
    /// What it can be found by, beside what follows from its type and actor.
    pub tags: Vec<&'static str>,
}

impl Entry {
    /// Something that went well, done by the user it happened to.
    pub fn success(event_type: &'static str, category: Category, user_id: Option<Uuid>) -> Self {
        Self {
            event_type,
            category,
            status: Status::Success,
            result_code: None,
            severity: Severity::Info,
            retention: Retention::Extended,
            user_id,
            actor: Actor::User,
            actor_user_id: user_id,
            session_id: None,
            risk_score: None,
            metadata: json!({}),
            sensitive: false,
            tags: Vec::new(),
        }
    }

    /// Something that was refused, tried by nobody knows whom.
    pub fn failure(event_type: &'static str, category: Category, user_id: Option<Uuid>, result_code: &'static str) -> Self {
        Self {
            status: Status::Failure,
            result_code: Some(result_code),
            severity: Severity::Warning,
            actor_user_id: None,
            ..Self::success(event_type, category, user_id)
        }
    }

    /// Done by somebody else than whom it happened to.
    #[must_use]
    pub const fn by(mut self, actor: Actor, actor_user_id: Option<Uuid>) -> Self {
        self.actor = actor;
        self.actor_user_id = actor_user_id;
        self
    }

    /// In this session.
    #[must_use]
    pub const fn in_session(mut self, session_id: Uuid) -> Self {
        self.session_id = Some(session_id);
        self
    }

    /// To be found by these, too.
    #[must_use]
    pub fn tagged(mut self, tags: &[&'static str]) -> Self {
        self.tags.extend(tags);
        self
    }

    /// As unusual as this, 0 to 100.
    #[must_use]
    pub const fn at_risk(mut self, score: u8) -> Self {
        self.risk_score = Some(score);
        self
    }

    /// With this beside it.
    #[must_use]
    pub fn with(mut self, metadata: Value) -> Self {
        self.metadata = metadata;
        self
    }
}

/// The request that it happened by.
#[derive(Clone, Debug)]
pub struct Request {
    /// As in the answer and the log.
    pub id: String,
    /// Where it came from.
    pub ip_address: String,
    /// Where that lies, as far as it is known: ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Its name in English.
    pub city: Option<String>,
    /// What sent it.
    pub user_agent: Option<String>,
    /// `POST`.
    pub method: &'static str,
    /// Without the query.
    pub path: &'static str,
    /// What it asked for, without anything secret; none where it came otherwise than by GraphQL.
    pub params: Option<Value>,
    /// Whose machine token it came by, if by one.
    pub machine_token: Option<Uuid>,
}

/// What else is worth knowing, and by which machine token it was asked for.
fn metadata_with(mut metadata: Value, machine_token: Option<Uuid>) -> Value {
    if let (Some(id), Value::Object(fields)) = (machine_token, &mut metadata) {
        fields.insert("machineToken".to_owned(), json!(id));
    }
    metadata
}

const DAY: u64 = 24 * 60 * 60;

/// Whether it matters for longer than others.
const fn is_weighty(entry: &Entry) -> bool {
    matches!(entry.category, Category::Security) || matches!(entry.severity, Severity::Error | Severity::Critical)
}

/// The policy of a row: where its flow and its kind ask for different ones, the longer wins.
const fn policy(entry: &Entry) -> Retention {
    match entry.retention {
        Retention::Standard if is_weighty(entry) => Retention::Extended,
        retention => retention,
    }
}

/// How long a row is kept; `None` for ever.
fn kept_for(entry: &Entry) -> Option<std::time::Duration> {
    let days = match policy(entry) {
        Retention::Standard => 90,
        Retention::Extended if is_weighty(entry) => 730,
        Retention::Extended => 365,
        Retention::Permanent => return None,
    };
    Some(std::time::Duration::from_secs(days * DAY))
}

/// An entry with the id that it gets.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Time-ordered.
    pub id: Uuid,
    /// What happened.
    pub entry: Entry,
}

/// Adds rows that belong to no transaction.
pub async fn insert(
    db: &impl ConnectionTrait,
    epoch: i32,
    rows: Vec<NewRow>,
    request: Option<&Request>,
    now: Timestamp,
) -> Result<(), StorageError> {
    let mut batch = Batch::default();
    insert_later(&mut batch, epoch, rows, request, now);
    batch.run(db).await
}

/// Adds rows to what is about to be written, in the transaction of what they tell.
pub fn insert_later(batch: &mut Batch, epoch: i32, rows: Vec<NewRow>, request: Option<&Request>, now: Timestamp) {
    if rows.is_empty() {
        return;
    }
    let rows = rows.into_iter().map(|NewRow { id, entry }| user_audit_log::ActiveModel {
        seq: NotSet,
        id: Set(id),
        epoch: Set(epoch),
        xid: NotSet,
        expires_at: Set(kept_for(&entry).map(|kept| now + kept)),
        user_id: Set(entry.user_id),
        actor: Set(entry.actor),
        actor_user_id: Set(entry.actor_user_id),
        session_id: Set(entry.session_id),
        request_id: Set(request.map(|request| request.id.clone())),
        event_type: Set(entry.event_type.to_owned()),
        event_category: Set(entry.category),
        action: Set(entry.event_type.to_owned()),
        resource_type: Set(audit_row::resource(&entry).map(|(of, _)| of.to_owned())),
        resource_id: Set(audit_row::resource(&entry).map(|(_, id)| id)),
        status: Set(entry.status),
        result_code: Set(entry.result_code.map(str::to_owned)),
        message: Set(Some(audit_row::message(&entry))),
        ip_address: Set(request.map(|request| request.ip_address.clone())),
        user_agent: Set(request.and_then(|request| request.user_agent.clone())),
        country: Set(request.and_then(|request| request.country.clone())),
        city: Set(request.and_then(|request| request.city.clone())),
        risk_score: Set(entry.risk_score.map(i32::from)),
        request_method: Set(request.map(|request| request.method.to_owned())),
        request_path: Set(request.map(|request| request.path.to_owned())),
        request_params: Set(request.and_then(|request| request.params.clone())),
        response_status: Set(request.and_then(|request| audit_row::response_status(&entry, request))),
        tags: Set(audit_row::tags(&entry)),
        severity: Set(entry.severity),
        is_sensitive: Set(entry.sensitive),
        retention_policy: Set(policy(&entry)),
        metadata: Set(metadata_with(entry.metadata, request.and_then(|request| request.machine_token))),
        created_at: Set(now),
    });
    batch.push(Write::Insert(user_audit_log::Entity::insert_many(rows).into_query()));
}

/// Takes users who are gone out of at most `limit` rows about them, and out of as many of what they did; says how many rows that were.
///
/// Of what an administrator did to them, the administrator stays. Names of sessions and requests stay too: they name nobody any more.
pub async fn erase_users(db: &impl ConnectionTrait, users: SelectStatement, limit: u64) -> Result<u64, StorageError> {
    let about = user_audit_log::Entity::find()
        .select_only()
        .column(Column::Seq)
        .filter(Column::UserId.in_subquery(users.clone()))
        .limit(limit)
        .into_query();
    // The request was theirs, or that of somebody unknown who tried their account.
    let theirs = || {
        let own = Expr::col(Column::ActorUserId).eq(Expr::col(Column::UserId));
        Expr::col(Column::ActorUserId).is_null().or(own)
    };
    let mut update = user_audit_log::Entity::update_many()
        .col_expr(Column::Message, Expr::value(Option::<String>::None))
        .col_expr(Column::Metadata, Expr::value(json!({})))
        .col_expr(Column::RequestParams, Expr::value(Option::<Value>::None))
        .col_expr(Column::UserId, Expr::value(Option::<Uuid>::None))
        .col_expr(
            Column::ResourceId,
            Expr::case(Expr::col(Column::ResourceType).eq("user"), Expr::value(Option::<String>::None))
                .finally(Expr::col(Column::ResourceId))
                .into(),
        )
        .col_expr(
            Column::ActorUserId,
            Expr::case(theirs(), Expr::value(Option::<Uuid>::None)).finally(Expr::col(Column::ActorUserId)).into(),
        );
    for column in [Column::IpAddress, Column::UserAgent, Column::Country, Column::City] {
        let kept = Expr::case(theirs(), Expr::value(Option::<String>::None)).finally(Expr::col(column));
        update = update.col_expr(column, kept.into());
    }
    let about = update.filter(Column::Seq.in_subquery(about)).exec(db).await?.rows_affected;

    let done = user_audit_log::Entity::find()
        .select_only()
        .column(Column::Seq)
        .filter(Column::ActorUserId.in_subquery(users))
        .limit(limit)
        .into_query();
    let mut update = user_audit_log::Entity::update_many()
        .col_expr(Column::ActorUserId, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::RequestParams, Expr::value(Option::<Value>::None));
    for column in [Column::IpAddress, Column::UserAgent, Column::Country, Column::City] {
        update = update.col_expr(column, Expr::value(Option::<String>::None));
    }
    Ok(about + update.filter(Column::Seq.in_subquery(done)).exec(db).await?.rows_affected)
}

/// Takes one user who is gone out of their rows.
pub async fn erase_user(db: &impl ConnectionTrait, user_id: Uuid, limit: u64) -> Result<u64, StorageError> {
    erase_users(db, Query::select().expr(Expr::value(user_id)).to_owned(), limit).await
}

/// Takes the users who were deleted after `since` out of rows that were written about them since, by requests that were on their way.
pub async fn erase_deleted_users(db: &impl ConnectionTrait, since: Timestamp, limit: u64) -> Result<u64, StorageError> {
    use entity::account_events;
    let deleted = account_events::Entity::find()
        .select_only()
        .column(account_events::Column::UserId)
        // Written out, so that the index of these alone is used.
        .filter(Expr::cust("kind = 'deleted'"))
        .filter(account_events::Column::At.gt(since))
        .into_query();
    erase_users(db, deleted, limit).await
}

/// A page of what happened to a user and of what they did, but what only administrators may see; oldest first, after a position.
pub async fn list_of_person(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    after: i64,
    limit: u64,
) -> Result<Vec<user_audit_log::Model>, StorageError> {
    let query = user_audit_log::Entity::find()
        .filter(Column::UserId.eq(user_id).or(Column::ActorUserId.eq(user_id)))
        .filter(Column::IsSensitive.eq(false))
        .filter(Column::Seq.gt(after))
        .order_by_asc(Column::Seq)
        .limit(limit);
    Ok(query.all(db).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_policy_wins() {
        use Category::{Account, Security};
        use Retention::{Extended, Permanent, Standard};
        use Severity::{Critical, Info};
        let days = |retention, category, severity| {
            let entry = Entry { severity, retention, ..Entry::success("x", category, None) };
            kept_for(&entry).map(|kept| kept.as_secs() / DAY)
        };
        assert_eq!(days(Standard, Account, Info), Some(90));
        assert_eq!(days(Extended, Account, Info), Some(365));
        for (category, severity) in [(Security, Info), (Account, Critical)] {
            assert_eq!(days(Standard, category, severity), Some(730));
            assert_eq!(days(Extended, category, severity), Some(730));
            assert_eq!(days(Permanent, category, severity), None);
        }
    }
}
