//! Requests for a new password, for administrators.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use async_graphql::{Context, Error, ID, InputObject, Object, Result};
use entity::{Timestamp, password_reset_attempts::Model};
use uuid::Uuid;

use super::audit_event::address;
use crate::{
    app::App,
    domain::contact::Identifier,
    graphql::{
        connection::{Page, PageArguments, PageInfo, Position, cursor},
        context::ContextExt,
        error,
        scalar::DateTime,
    },
    storage::password_reset_attempts::{self, Filter, Window},
};

/// Which requests are wanted; each part narrows.
#[derive(InputObject, Clone, Debug, Default)]
pub struct PasswordResetAttemptFilter {
    /// For this e-mail address or phone number.
    pub contact: Option<String>,
    /// From this address.
    pub ip_address: Option<String>,
    /// Whether they led to a new password.
    pub success: Option<bool>,
    /// At this moment or later.
    pub since: Option<DateTime>,
    /// Before this moment.
    pub until: Option<DateTime>,
}

impl PasswordResetAttemptFilter {
    fn read(self, app: &App) -> Result<Filter, Error> {
        // As it is kept: in the form that sign-in brings it to, too.
        let canonical = |contact: String| match Identifier::parse(&contact, app.config.phones.default_country.as_deref()) {
            Identifier::Email(email) => Ok(email.as_str().to_owned()),
            Identifier::Phone(phone) => Ok(phone.as_str().to_owned()),
            Identifier::Username(_) | Identifier::Unrecognised(_) => {
                Err(error::bad_request("`contact` is neither an e-mail address nor a phone number."))
            }
        };
        Ok(Filter {
            contact: self.contact.map(canonical).transpose()?,
            ip_address: address(self.ip_address)?,
            success: self.success,
            since: self.since.map(|at| at.0),
            until: self.until.map(|at| at.0),
        })
    }
}

/// A request for a new password.
#[derive(Clone, Debug)]
pub struct PasswordResetAttempt(Model);

#[Object]
impl PasswordResetAttempt {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The contact that was entered.
    async fn contact(&self) -> &str {
        &self.0.contact
    }

    async fn ip_address(&self) -> Option<&str> {
        self.0.ip_address.as_deref()
    }

    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }

    async fn token_generated(&self) -> bool {
        self.0.token_generated
    }

    async fn success(&self) -> bool {
        self.0.success
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

/// A place in the list.
#[derive(Clone, Copy, Debug)]
pub struct AttemptPosition(Timestamp, Uuid);

impl Position for AttemptPosition {
    const PURPOSE: &'static str = "cursor.password_reset_attempts";

    fn to_bytes(&self) -> Vec<u8> {
        [self.0.millis().to_be_bytes().as_slice(), self.1.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, id) = bytes.split_first_chunk::<8>()?;
        Some(Self(Timestamp::from_millis(i64::from_be_bytes(*at)), Uuid::from_slice(id).ok()?))
    }
}

/// A page of them.
pub struct PasswordResetAttemptConnection {
    rows: Vec<PasswordResetAttempt>,
    has_next: bool,
    has_previous: bool,
}

impl PasswordResetAttemptConnection {
    /// Reads a page for the administrator who asks.
    pub async fn read(ctx: &Context<'_>, filter: Option<PasswordResetAttemptFilter>, arguments: PageArguments) -> Result<Self> {
        let (app, reader) = (ctx.app()?, ctx.caller()?.principal().map_err(error::unauthenticated)?);
        let filter = filter.unwrap_or_default().read(app)?;
        let page = Page::<AttemptPosition>::ask(app, reader.id, arguments)?;
        let place = |position: AttemptPosition| (position.0, position.1);
        let window = Window { after: page.after.map(place), before: page.before.map(place), from_end: page.from_end, limit: page.size + 1 };
        let rows = password_reset_attempts::list(app.database.read(), &filter, window).await.map_err(error::storage)?;
        let (rows, has_next, has_previous) = page.cut(rows);
        Ok(Self { rows: rows.into_iter().map(PasswordResetAttempt).collect(), has_next, has_previous })
    }
}

fn attempt_cursor(ctx: &Context<'_>, attempt: &PasswordResetAttempt) -> Result<String> {
    let reader = ctx.caller()?.principal().map_err(error::unauthenticated)?;
    Ok(cursor(ctx.app()?, reader.id, &AttemptPosition(attempt.0.created_at, attempt.0.id)))
}

#[Object]
impl PasswordResetAttemptConnection {
    async fn edges(&self) -> Vec<PasswordResetAttemptEdge> {
        self.rows.iter().cloned().map(PasswordResetAttemptEdge).collect()
    }

    async fn nodes(&self) -> &[PasswordResetAttempt] {
        &self.rows
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        Ok(PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|row| attempt_cursor(ctx, row)).transpose()?,
            end_cursor: self.rows.last().map(|row| attempt_cursor(ctx, row)).transpose()?,
        })
    }
}

/// An entry of the list.
pub struct PasswordResetAttemptEdge(PasswordResetAttempt);

#[Object]
impl PasswordResetAttemptEdge {
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        attempt_cursor(ctx, &self.0)
    }

    async fn node(&self) -> &PasswordResetAttempt {
        &self.0
    }
}
