//! Pages of users, for administrators.
#![expect(clippy::unused_async, reason = "the library takes only asynchronous resolvers")]

use async_graphql::{Context, Enum, InputObject, Object, Result};
use entity::Timestamp;
use uuid::Uuid;

use super::user::{Role, User, UserStatus};
use crate::{
    app::App,
    domain::search,
    graphql::{
        connection::{Page, PageArguments, PageInfo, Position, cursor},
        context::ContextExt,
        error,
        scalar::DateTime,
    },
    storage::{
        user_lists::{self, Field, Filter, Key, Order, Window},
        user_search::Search,
    },
};

/// Which users a list shows.
#[derive(InputObject, Clone, Debug, Default)]
pub struct UserFilter {
    /// Matches the start of e-mail address, phone number, username or name.
    pub search: Option<String>,
    /// Of any of these.
    pub status: Option<Vec<UserStatus>>,
    /// Of any of these.
    pub role: Option<Vec<Role>>,
    /// Whether the address is proved.
    pub email_verified: Option<bool>,
    /// Whether the number is proved.
    pub phone_verified: Option<bool>,
    /// Whether too many wrong passwords lock it now.
    pub locked: Option<bool>,
    /// Made after this.
    pub created_after: Option<DateTime>,
    /// Made before this.
    pub created_before: Option<DateTime>,
    /// Last signed in after this.
    pub last_sign_in_after: Option<DateTime>,
    /// Last signed in before this; who never did is not among them.
    pub last_sign_in_before: Option<DateTime>,
}

/// By what users are ordered, and which way.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UserOrder {
    /// By what.
    pub field: UserOrderField,
    /// Which way; who has none of it comes first in ASC and last in DESC.
    #[graphql(default_with = "OrderDirection::Desc")]
    pub direction: OrderDirection,
}

/// What users can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum UserOrderField {
    CreatedAt,
    LastSignInAt,
    Email,
}

/// Which way.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum OrderDirection {
    Asc,
    Desc,
}

impl From<UserOrder> for Order {
    fn from(order: UserOrder) -> Self {
        let field = match order.field {
            UserOrderField::CreatedAt => Field::CreatedAt,
            UserOrderField::LastSignInAt => Field::LastSignInAt,
            UserOrderField::Email => Field::Email,
        };
        Self { field, descends: order.direction == OrderDirection::Desc }
    }
}

/// The newest first.
const DEFAULT_ORDER: Order = Order { field: Field::CreatedAt, descends: true };
/// Counting stops here.
const COUNTED: u64 = 10_000;

/// A place in a list of users: the order that it is in, what the user there has of it, and their id.
#[derive(Clone, Debug)]
pub struct UserPosition {
    order: Order,
    key: Key,
    id: Uuid,
}

impl Position for UserPosition {
    const PURPOSE: &'static str = "cursor.users";

    fn to_bytes(&self) -> Vec<u8> {
        let field = match self.order.field {
            Field::CreatedAt => 0,
            Field::LastSignInAt => 1,
            Field::Email => 2,
        };
        let mut bytes = vec![field, u8::from(self.order.descends)];
        bytes.extend_from_slice(self.id.as_bytes());
        match &self.key {
            Key::CreatedAt(at) | Key::LastSignInAt(Some(at)) => bytes.extend_from_slice(&at.millis().to_be_bytes()),
            Key::Email(Some(email)) => bytes.extend_from_slice(email.as_bytes()),
            Key::LastSignInAt(None) | Key::Email(None) => {}
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([field, descends], rest) = bytes.split_first_chunk::<2>()?;
        let (id, key) = rest.split_first_chunk::<16>()?;
        let instant = || Some(Timestamp::from_millis(i64::from_be_bytes(key.try_into().ok()?)));
        let (field, key) = match field {
            0 => (Field::CreatedAt, Key::CreatedAt(instant()?)),
            1 if key.is_empty() => (Field::LastSignInAt, Key::LastSignInAt(None)),
            1 => (Field::LastSignInAt, Key::LastSignInAt(Some(instant()?))),
            2 if key.is_empty() => (Field::Email, Key::Email(None)),
            2 => (Field::Email, Key::Email(Some(String::from_utf8(key.to_vec()).ok()?))),
            _ => return None,
        };
        Some(Self { order: Order { field, descends: *descends == 1 }, key, id: Uuid::from_bytes(*id) })
    }
}

/// A page of users.
pub struct UserConnection {
    rows: Vec<User>,
    has_next: bool,
    has_previous: bool,
    filter: Filter,
    order: Order,
    owner: Uuid,
}

fn filter_of(app: &App, asked: UserFilter) -> Filter {
    let country = app.config.phones.default_country.as_deref();
    let search = asked.search.as_deref().and_then(search::word).map(|word| Search {
        names: search::spellings(&word),
        phones: search::phone_starts(&word, country),
        word: word.to_lowercase(),
    });
    Filter {
        search,
        status: asked.status.map(|all| all.into_iter().map(Into::into).collect()),
        role: asked.role.map(|all| all.into_iter().map(Into::into).collect()),
        email_verified: asked.email_verified,
        phone_verified: asked.phone_verified,
        locked: asked.locked,
        created_after: asked.created_after.map(|at| at.0),
        created_before: asked.created_before.map(|at| at.0),
        last_sign_in_after: asked.last_sign_in_after.map(|at| at.0),
        last_sign_in_before: asked.last_sign_in_before.map(|at| at.0),
    }
}

/// The place of a cursor, which must be one of this order.
fn place(position: Option<&UserPosition>, order: Order) -> Result<Option<(Key, Uuid)>> {
    match position {
        Some(position) if position.order != order => Err(error::bad_request("The cursor is not one of this list.")),
        position => Ok(position.map(|position| (position.key.clone(), position.id))),
    }
}

impl UserConnection {
    /// Reads a page for whoever the cursors are for.
    pub async fn read(
        ctx: &Context<'_>,
        owner: Uuid,
        (filter, order): (Option<UserFilter>, Option<UserOrder>),
        arguments: PageArguments,
    ) -> Result<Self> {
        let app = ctx.app()?;
        let filter = filter_of(app, filter.unwrap_or_default());
        let order = order.map_or(DEFAULT_ORDER, Order::from);
        let page = Page::<UserPosition>::ask(app, owner, arguments)?;
        let window = Window {
            after: place(page.after.as_ref(), order)?,
            before: place(page.before.as_ref(), order)?,
            from_end: page.from_end,
            limit: page.size + 1,
        };
        let rows = user_lists::list(app.database.read(), &filter, order, &window, app.clock.now()).await.map_err(error::storage)?;
        let (rows, has_next, has_previous) = page.cut(rows);
        Ok(Self { rows: rows.into_iter().map(User::from).collect(), has_next, has_previous, filter, order, owner })
    }

    fn cursor(&self, ctx: &Context<'_>, user: &User) -> Result<String> {
        user_cursor(ctx, (self.owner, self.order), user)
    }
}

fn user_cursor(ctx: &Context<'_>, (owner, order): (Uuid, Order), user: &User) -> Result<String> {
    let position = UserPosition { order, key: Key::of(order.field, &user.0), id: user.0.id };
    Ok(cursor(ctx.app()?, owner, &position))
}

#[Object]
impl UserConnection {
    async fn edges(&self) -> Vec<UserEdge> {
        self.rows.iter().cloned().map(|user| UserEdge { user, owner: self.owner, order: self.order }).collect()
    }

    async fn nodes(&self) -> &[User] {
        &self.rows
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        Ok(PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|user| self.cursor(ctx, user)).transpose()?,
            end_cursor: self.rows.last().map(|user| self.cursor(ctx, user)).transpose()?,
        })
    }

    /// Exact up to 10,000, an estimate beyond.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let app = ctx.app()?;
        let count = user_lists::count(app.database.read(), &self.filter, COUNTED, app.clock.now()).await.map_err(error::storage)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A user in a list.
pub struct UserEdge {
    user: User,
    owner: Uuid,
    order: Order,
}

#[Object]
impl UserEdge {
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        user_cursor(ctx, (self.owner, self.order), &self.user)
    }

    async fn node(&self) -> &User {
        &self.user
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let at = Timestamp::from_millis(1_795_176_000_123);
        let keys = [
            (Field::CreatedAt, Key::CreatedAt(at)),
            (Field::LastSignInAt, Key::LastSignInAt(Some(at))),
            (Field::LastSignInAt, Key::LastSignInAt(None)),
            (Field::Email, Key::Email(Some("ada@example.com".to_owned()))),
            (Field::Email, Key::Email(None)),
        ];
        for (field, key) in keys {
            for descends in [false, true] {
                let position = UserPosition { order: Order { field, descends }, key: key.clone(), id: Uuid::from_u128(7) };
                let back = UserPosition::from_bytes(&position.to_bytes()).unwrap();
                assert_eq!((back.order, back.key, back.id), (position.order, position.key, position.id));
            }
        }
        for wrong in [&[][..], &[0, 1], &[9; 26], &[0; 19]] {
            assert!(UserPosition::from_bytes(wrong).is_none(), "{wrong:?}");
        }
    }
}
