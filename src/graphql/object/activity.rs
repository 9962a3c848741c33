//! What happened to an account, for its owner.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result};
use entity::{Timestamp, user_audit_log, user_sessions};
use uuid::Uuid;

use super::{
    location::Location,
    session::{Actor, Device, DeviceType, Session},
};
use crate::{
    domain::device,
    graphql::{
        connection::{Page, PageArguments, PageInfo, Position, cursor},
        context::ContextExt,
        error,
        loaders::{SessionId, load},
        scalar::DateTime,
    },
    storage::audit_search::{self, Place, Window},
};

/// What happened to an account, for its owner.
#[derive(Clone, Debug)]
pub struct Activity(user_audit_log::Model);

impl Activity {
    /// Whether the request was the owner's, or nobody knows whose: administrators and machines are not told about.
    fn tells_request(&self) -> bool {
        let is_another = matches!(self.0.actor, user_sessions::Actor::Admin | user_sessions::Actor::System);
        !is_another && self.0.actor_user_id.is_none_or(|actor| Some(actor) == self.0.user_id)
    }
}

/// How it ended.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "user_audit_log::Status")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum AuditStatus {
    Success,
    Failure,
    Partial,
    Pending,
}

#[Object]
impl Activity {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// As in the audit log, for example `login`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.event_type
    }

    async fn status(&self) -> AuditStatus {
        self.0.status.into()
    }

    async fn actor(&self) -> Actor {
        self.0.actor.into()
    }

    async fn session(&self, ctx: &Context<'_>) -> Option<Result<Session>> {
        let id = self.0.session_id?;
        // Of an administrator's act it may be the administrator's.
        let own = |session: Arc<user_sessions::Model>| (Some(session.user_id) == self.0.user_id).then(|| Session::from(session));
        load(ctx, SessionId(id)).await.map(|session| session.and_then(own)).transpose()
    }

    async fn device(&self) -> Option<Device> {
        let user_agent = self.0.user_agent.as_deref().filter(|_| self.tells_request())?;
        let device = device::Device::from_user_agent(Some(user_agent));
        Some(Device {
            kind: DeviceType::from(device.kind),
            name: device.name,
            browser: device.browser,
            os: device.os,
            user_agent: Some(user_agent.to_owned()),
        })
    }

    async fn ip_address(&self) -> Option<&str> {
        self.0.ip_address.as_deref().filter(|_| self.tells_request())
    }

    async fn location(&self) -> Option<Location> {
        Location::known(self.0.country.clone(), self.0.city.clone(), None)
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

/// A place in the list of an account's activity.
#[derive(Clone, Copy, Debug)]
pub struct ActivityPosition(Place);

impl Position for ActivityPosition {
    const PURPOSE: &'static str = "cursor.activity";

    fn to_bytes(&self) -> Vec<u8> {
        [self.0.at.millis().to_be_bytes(), self.0.seq.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, seq) = bytes.split_first_chunk::<8>()?;
        let (at, seq) = (i64::from_be_bytes(*at), i64::from_be_bytes(seq.try_into().ok()?));
        Some(Self(Place { at: Timestamp::from_millis(at), seq }))
    }
}

/// A page of it.
pub struct ActivityConnection {
    rows: Vec<Activity>,
    has_next: bool,
    has_previous: bool,
}

impl ActivityConnection {
    /// Reads a page of a user's activity.
    pub async fn of_user(ctx: &Context<'_>, user_id: Uuid, arguments: PageArguments) -> Result<Self> {
        let app = ctx.app()?;
        let page = Page::<ActivityPosition>::ask(app, user_id, arguments)?;
        let window = Window {
            after: page.after.map(|position| position.0),
            before: page.before.map(|position| position.0),
            from_end: page.from_end,
            limit: page.size + 1,
        };
        let rows = audit_search::list_activity(app.database.read(), user_id, window).await.map_err(error::storage)?;
        let (rows, has_next, has_previous) = page.cut(rows);
        Ok(Self { rows: rows.into_iter().map(Activity).collect(), has_next, has_previous })
    }
}

fn activity_cursor(ctx: &Context<'_>, activity: &Activity) -> Result<String> {
    Ok(cursor(ctx.app()?, activity.0.user_id.unwrap_or_default(), &ActivityPosition(Place::of(&activity.0))))
}

#[Object]
impl ActivityConnection {
    async fn edges(&self) -> Vec<ActivityEdge> {
        self.rows.iter().cloned().map(ActivityEdge).collect()
    }

    async fn nodes(&self) -> &[Activity] {
        &self.rows
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        Ok(PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|row| activity_cursor(ctx, row)).transpose()?,
            end_cursor: self.rows.last().map(|row| activity_cursor(ctx, row)).transpose()?,
        })
    }
}

/// An entry of the list.
pub struct ActivityEdge(Activity);

#[Object]
impl ActivityEdge {
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        activity_cursor(ctx, &self.0)
    }

    async fn node(&self) -> &Activity {
        &self.0
    }
}
