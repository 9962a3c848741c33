//! Pages of sessions.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use std::net::IpAddr;

use async_graphql::{Context, ID, InputObject, Object, Result};
use entity::Timestamp;
use uuid::Uuid;

use super::session::{Session, SessionStatus};
use crate::{
    graphql::{
        connection::{Page, PageArguments, PageInfo, Position, cursor},
        context::ContextExt,
        error,
        scalar::DateTime,
    },
    storage::sessions,
};

/// Which sessions a list shows.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SessionFilter {
    /// For administrators.
    pub user_id: Option<ID>,
    /// Begun after this.
    pub created_after: Option<DateTime>,
    /// With at least this risk.
    pub risk_score_at_least: Option<i32>,
    /// Of any of these statuses.
    pub status: Option<Vec<SessionStatus>>,
    /// Marked suspicious, or not.
    pub suspicious: Option<bool>,
    /// From this address.
    pub ip_address: Option<String>,
}

/// A place in a list of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionPosition(Timestamp, Uuid);

impl Position for SessionPosition {
    const PURPOSE: &'static str = "cursor.sessions";

    fn to_bytes(&self) -> Vec<u8> {
        [self.0.millis().to_be_bytes().as_slice(), self.1.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, id) = bytes.split_first_chunk::<8>()?;
        Some(Self(Timestamp::from_millis(i64::from_be_bytes(*at)), Uuid::from_slice(id).ok()?))
    }
}

/// A page of sessions.
pub struct SessionConnection {
    rows: Vec<Session>,
    has_next: bool,
    has_previous: bool,
    filter: sessions::Filter,
    owner: Uuid,
}

impl SessionConnection {
    /// Reads a page of a user's sessions.
    pub async fn of_user(ctx: &Context<'_>, user_id: Uuid, filter: Option<SessionFilter>, arguments: PageArguments) -> Result<Self> {
        let asked = filter.unwrap_or_default();
        if asked.user_id.as_ref().is_some_and(|id| id.as_str() != user_id.to_string()) {
            return Err(error::bad_request("`userId` is for administrators."));
        }
        Self::read(ctx, (user_id, Some(user_id)), asked, arguments).await
    }

    /// Reads a page of the sessions of all users, or of the one that the filter names, for whoever the cursors are for.
    pub async fn of_everybody(ctx: &Context<'_>, owner: Uuid, filter: Option<SessionFilter>, arguments: PageArguments) -> Result<Self> {
        let asked = filter.unwrap_or_default();
        let user_id = asked.user_id.as_ref().map(|id| Uuid::try_parse(id)).transpose();
        let user_id = user_id.map_err(|_| error::bad_request("`userId` is not an id."))?;
        Self::read(ctx, (owner, user_id), asked, arguments).await
    }

    async fn read(
        ctx: &Context<'_>,
        (owner, user_id): (Uuid, Option<Uuid>),
        asked: SessionFilter,
        arguments: PageArguments,
    ) -> Result<Self> {
        let app = ctx.app()?;
        let ip_address = asked.ip_address.map(|address| address.parse::<IpAddr>().map(|address| address.to_canonical().to_string()));
        let filter = sessions::Filter {
            user_id,
            status: asked.status.map(|statuses| statuses.into_iter().map(Into::into).collect()),
            suspicious: asked.suspicious,
            created_after: asked.created_after.map(|at| at.0),
            risk_score_at_least: asked.risk_score_at_least,
            ip_address: ip_address.transpose().map_err(|_| error::bad_request("`ipAddress` is not an IP address."))?,
        };
        let page = Page::<SessionPosition>::ask(app, owner, arguments)?;
        let window = sessions::Window {
            after: page.after.map(|position| (position.0, position.1)),
            before: page.before.map(|position| (position.0, position.1)),
            from_end: page.from_end,
            limit: page.size + 1,
        };
        let rows = sessions::list(app.database.read(), &filter, window, app.clock.now()).await.map_err(error::storage)?;
        let (rows, has_next, has_previous) = page.cut(rows);
        Ok(Self { rows: rows.into_iter().map(Session::from).collect(), has_next, has_previous, filter, owner })
    }
}

/// Counting stops here.
const COUNTED: u64 = 10_000;

fn session_cursor(ctx: &Context<'_>, owner: Uuid, session: &Session) -> Result<String> {
    Ok(cursor(ctx.app()?, owner, &SessionPosition(session.0.created_at, session.0.id)))
}

#[Object]
impl SessionConnection {
    async fn edges(&self) -> Vec<SessionEdge> {
        self.rows.iter().cloned().map(|session| SessionEdge(session, self.owner)).collect()
    }

    async fn nodes(&self) -> &[Session] {
        &self.rows
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        Ok(PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|row| session_cursor(ctx, self.owner, row)).transpose()?,
            end_cursor: self.rows.last().map(|row| session_cursor(ctx, self.owner, row)).transpose()?,
        })
    }

    /// Exact up to 10,000, an estimate beyond.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let app = ctx.app()?;
        let count = sessions::count(app.database.read(), &self.filter, COUNTED, app.clock.now()).await.map_err(error::storage)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A session in a list.
pub struct SessionEdge(Session, Uuid);

#[Object]
impl SessionEdge {
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        session_cursor(ctx, self.1, &self.0)
    }

    async fn node(&self) -> &Session {
        &self.0
    }
}
