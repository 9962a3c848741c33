//! A row of the audit log, for administrators, and which rows they want.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use std::net::IpAddr;

use async_graphql::{Context, Enum, Error, ID, InputObject, Object, Result};
use entity::user_audit_log;
use uuid::Uuid;

use super::{
    activity::AuditStatus,
    location::Location,
    session::{Actor, Session},
    user::User,
};
use crate::{
    app::App,
    events::cursor::AuditPlace,
    graphql::{
        connection::{Position, cursor},
        context::ContextExt,
        error,
        loaders::{SessionId, UserId, load},
        scalar::{DateTime, Json},
    },
    storage::{audit_outbox, audit_search::Filter},
};

/// Names of event types and tags are shorter.
const LONGEST_NAME: usize = 64;
/// Types and tags that a filter can name.
const LONGEST_LIST: usize = 50;

/// The area that an event belongs to.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_audit_log::Category")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum AuditCategory {
    Authentication,
    Security,
    Account,
    Admin,
    System,
}

/// How much it matters.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_audit_log::Severity")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum Severity {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// How long it is kept.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_audit_log::Retention")]
pub enum RetentionPolicy {
    /// 90 days.
    Standard,
    /// 1 year; 2 years for a security event or one of severity ERROR or CRITICAL.
    Extended,
    /// For good.
    Permanent,
}

/// Which events are wanted; each part narrows.
#[derive(InputObject, Clone, Debug, Default)]
pub struct AuditFilter {
    /// Whom it happened to.
    pub user_id: Option<ID>,
    /// Who did it.
    pub actor_user_id: Option<ID>,
    /// In which session.
    pub session_id: Option<ID>,
    /// Of any of these areas.
    pub category: Option<Vec<AuditCategory>>,
    /// Event types, for example `login`.
    #[graphql(name = "type")]
    pub types: Option<Vec<String>>,
    /// Ended in any of these ways.
    pub status: Option<Vec<AuditStatus>>,
    /// Mattering at least so much.
    pub severity_at_least: Option<Severity>,
    /// From this address.
    pub ip_address: Option<String>,
    /// All of these tags.
    pub tags: Option<Vec<String>>,
    /// Written at this moment or later.
    pub since: Option<DateTime>,
    /// Written before this moment.
    pub until: Option<DateTime>,
}

impl AuditFilter {
    /// What the database is asked for, and what [`Filter::matches`] judges by: BAD_REQUEST for what can be no id, address or name.
    pub fn read(self) -> Result<Filter, Error> {
        Ok(Filter {
            user_id: id("userId", self.user_id)?,
            actor_user_id: id("actorUserId", self.actor_user_id)?,
            session_id: id("sessionId", self.session_id)?,
            categories: self.category.map(|any| any.into_iter().map(Into::into).collect()),
            types: self.types.map(|any| names("type", any)).transpose()?,
            statuses: self.status.map(|any| any.into_iter().map(Into::into).collect()),
            severity_at_least: self.severity_at_least.map(Into::into),
            ip_address: address(self.ip_address)?,
            tags: names("tags", self.tags.unwrap_or_default())?,
            since: self.since.map(|at| at.0),
            until: self.until.map(|at| at.0),
        })
    }
}

fn id(name: &str, id: Option<ID>) -> Result<Option<Uuid>, Error> {
    id.map(|id| Uuid::try_parse(&id)).transpose().map_err(|_| error::bad_request(format!("`{name}` is not an id.")))
}

/// In the form in which addresses are kept.
pub(super) fn address(address: Option<String>) -> Result<Option<String>, Error> {
    let canonical = |address: String| address.parse::<IpAddr>().map(|address| address.to_canonical().to_string());
    address.map(canonical).transpose().map_err(|_| error::bad_request("`ipAddress` is not an IP address."))
}

fn names(of: &str, names: Vec<String>) -> Result<Vec<String>, Error> {
    let is_name = |name: &String| {
        (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'))
    };
    if names.len() > LONGEST_LIST || !names.iter().all(is_name) {
        return Err(error::bad_request(format!("`{of}` takes at most {LONGEST_LIST} names such as `login`.")));
    }
    Ok(names)
}

impl Position for AuditPlace {
    const PURPOSE: &'static str = Self::PURPOSE;

    fn to_bytes(&self) -> Vec<u8> {
        Self::to_bytes(self)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes)
    }
}

/// An entry of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEvent(pub user_audit_log::Model);

impl AuditEvent {
    /// Where to go on from, in the list and in its stream, for whoever reads it.
    pub fn cursor_for(&self, app: &App, reader: Uuid) -> String {
        cursor(app, reader, &AuditPlace { at: self.0.created_at, position: audit_outbox::position(&self.0) })
    }
}

#[Object]
impl AuditEvent {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    pub(super) async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let reader = ctx.caller()?.principal().map_err(error::unauthenticated)?;
        Ok(self.cursor_for(ctx.app()?, reader.id))
    }

    async fn actor(&self) -> Actor {
        self.0.actor.into()
    }

    /// Who did it, where that was a person.
    async fn actor_user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        user(ctx, self.0.actor_user_id).await
    }

    /// Whom it happened to.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        user(ctx, self.0.user_id).await
    }

    async fn session(&self, ctx: &Context<'_>) -> Option<Result<Session>> {
        load(ctx, SessionId(self.0.session_id?)).await.map(|session| session.map(Session::from)).transpose()
    }

    /// For example `login`, `logout`, `password_change`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.event_type
    }

    async fn category(&self) -> AuditCategory {
        self.0.event_category.into()
    }

    async fn action(&self) -> &str {
        &self.0.action
    }

    async fn resource_type(&self) -> Option<&str> {
        self.0.resource_type.as_deref()
    }

    async fn resource_id(&self) -> Option<&str> {
        self.0.resource_id.as_deref()
    }

    async fn status(&self) -> AuditStatus {
        self.0.status.into()
    }

    async fn result_code(&self) -> Option<&str> {
        self.0.result_code.as_deref()
    }

    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    async fn ip_address(&self) -> Option<&str> {
        self.0.ip_address.as_deref()
    }

    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }

    async fn location(&self) -> Option<Location> {
        let (country, city) = (self.0.country.clone(), self.0.city.clone());
        (country.is_some() || city.is_some()).then_some(Location { country, city, timezone: None })
    }

    async fn risk_score(&self) -> Option<i32> {
        self.0.risk_score
    }

    /// The id that the answer and the log carry too.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    async fn request_method(&self) -> Option<&str> {
        self.0.request_method.as_deref()
    }

    async fn request_path(&self) -> Option<&str> {
        self.0.request_path.as_deref()
    }

    /// Sanitized: never a password, code or token.
    async fn request_params(&self) -> Option<Json> {
        self.0.request_params.clone().map(Json)
    }

    async fn response_status(&self) -> Option<i32> {
        self.0.response_status
    }

    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }

    async fn tags(&self) -> Vec<&str> {
        self.0.tags.as_array().into_iter().flatten().filter_map(|tag| tag.as_str()).collect()
    }

    async fn severity(&self) -> Severity {
        self.0.severity.into()
    }

    async fn sensitive(&self) -> bool {
        self.0.is_sensitive
    }

    async fn retention(&self) -> RetentionPolicy {
        self.0.retention_policy.into()
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime::from)
    }
}

/// None where the account is gone.
pub(super) async fn user(ctx: &Context<'_>, id: Option<Uuid>) -> Option<Result<User>> {
    load(ctx, UserId(id?)).await.map(|user| user.map(User)).transpose()
}
