//! What was added to somebody's coins, or taken.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use async_graphql::{Context, ID, Object, Result};
use entity::coin_entries;
use uuid::Uuid;

use crate::{
    graphql::{
        connection::{Page, PageArguments, PageInfo, Position, cursor},
        context::ContextExt,
        error,
        scalar::DateTime,
    },
    storage::coins::{self, Window},
};

/// What was added to somebody's coins, or taken.
#[derive(Clone, Debug)]
pub struct CoinEntry(coin_entries::Model);

impl From<coin_entries::Model> for CoinEntry {
    fn from(row: coin_entries::Model) -> Self {
        Self(row)
    }
}

#[Object]
impl CoinEntry {
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Positive when earned, negative when spent.
    async fn amount(&self) -> i32 {
        self.0.amount
    }

    async fn balance_after(&self) -> i32 {
        self.0.balance_after
    }

    async fn reason(&self) -> &str {
        &self.0.reason
    }

    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

/// A place in the list of an account's entries.
#[derive(Clone, Copy, Debug)]
pub struct CoinEntryPosition(i64);

impl Position for CoinEntryPosition {
    const PURPOSE: &'static str = "cursor.coin_entries";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(i64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

/// A page of it.
pub struct CoinEntryConnection {
    rows: Vec<CoinEntry>,
    has_next: bool,
    has_previous: bool,
}

impl CoinEntryConnection {
    /// Reads a page of a user's entries.
    pub async fn of_user(ctx: &Context<'_>, user_id: Uuid, arguments: PageArguments) -> Result<Self> {
        let app = ctx.app()?;
        let page = Page::<CoinEntryPosition>::ask(app, user_id, arguments)?;
        let window = Window {
            after: page.after.map(|position| position.0),
            before: page.before.map(|position| position.0),
            from_end: page.from_end,
            limit: page.size + 1,
        };
        let rows = coins::list(app.database.read(), user_id, window).await.map_err(error::storage)?;
        let (rows, has_next, has_previous) = page.cut(rows);
        Ok(Self { rows: rows.into_iter().map(CoinEntry).collect(), has_next, has_previous })
    }
}

fn entry_cursor(ctx: &Context<'_>, entry: &CoinEntry) -> Result<String> {
    Ok(cursor(ctx.app()?, entry.0.user_id, &CoinEntryPosition(entry.0.seq)))
}

#[Object]
impl CoinEntryConnection {
    async fn edges(&self) -> Vec<CoinEntryEdge> {
        self.rows.iter().cloned().map(CoinEntryEdge).collect()
    }

    async fn nodes(&self) -> &[CoinEntry] {
        &self.rows
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        Ok(PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|row| entry_cursor(ctx, row)).transpose()?,
            end_cursor: self.rows.last().map(|row| entry_cursor(ctx, row)).transpose()?,
        })
    }
}

/// An entry of the list.
pub struct CoinEntryEdge(CoinEntry);

#[Object]
impl CoinEntryEdge {
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        entry_cursor(ctx, &self.0)
    }

    async fn node(&self) -> &CoinEntry {
        &self.0
    }
}
