//! Relay cursor connections: pages of 20 by default, 100 at most; cursors are authenticated tokens.

use async_graphql::{Error, Result, SimpleObject};
use uuid::Uuid;

use super::error;
use crate::{app::App, crypto::authenticated_token::AuthenticatedToken};

const DEFAULT_PAGE: u64 = 20;
const LARGEST_PAGE: u64 = 100;

/// The arguments of a connection.
#[derive(Clone, Debug, Default)]
pub struct PageArguments {
    /// How many from the start.
    pub first: Option<i32>,
    /// Behind this cursor.
    pub after: Option<String>,
    /// How many from the end.
    pub last: Option<i32>,
    /// Before this cursor.
    pub before: Option<String>,
}

/// A page that is well asked for.
#[derive(Clone, Debug)]
pub struct Page<P> {
    /// Behind this position.
    pub after: Option<P>,
    /// Before this position.
    pub before: Option<P>,
    /// Counted from the end.
    pub from_end: bool,
    /// How many.
    pub size: u64,
}

/// A position in a list that can be written into a cursor.
pub trait Position: Sized {
    /// What the cursor is sealed for: a cursor of one list opens no other.
    const PURPOSE: &'static str;
    /// As bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// The other way.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl<P: Position> Page<P> {
    /// Checks the arguments for a list of what `owner` has: BAD_REQUEST for a size below 1 or above 100, for both ends at once, and for a
    /// cursor that is not one of this list.
    pub fn ask(app: &App, owner: Uuid, arguments: PageArguments) -> Result<Self, Error> {
        let (size, from_end) = match (arguments.first, arguments.last) {
            (Some(_), Some(_)) => return Err(error::bad_request("Give `first` or `last`, not both.")),
            (None, None) => (DEFAULT_PAGE, false),
            (Some(first), None) => (size("first", first)?, false),
            (None, Some(last)) => (size("last", last)?, true),
        };
        let open = |cursor: Option<String>| cursor.map(|cursor| open::<P>(app, owner, &cursor)).transpose();
        Ok(Self { after: open(arguments.after)?, before: open(arguments.before)?, from_end, size })
    }

    /// Cuts what was read with one row more than asked for into the page, in the order of the list, and says what lies around it.
    pub fn cut<T>(&self, mut rows: Vec<T>) -> (Vec<T>, bool, bool) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        if self.from_end {
            rows.reverse();
            (rows, self.before.is_some(), more)
        } else {
            (rows, more, self.after.is_some())
        }
    }
}

fn size(name: &str, asked: i32) -> Result<u64, Error> {
    u64::try_from(asked)
        .ok()
        .filter(|size| (1..=LARGEST_PAGE).contains(size))
        .ok_or_else(|| error::bad_request(format!("`{name}` must be between 1 and {LARGEST_PAGE}.")))
}

fn open<P: Position>(app: &App, owner: Uuid, cursor: &str) -> Result<P, Error> {
    AuthenticatedToken::open(&app.key_ring, P::PURPOSE, cursor)
        .and_then(|bytes| P::from_bytes(bytes.strip_prefix(owner.as_bytes())?))
        .ok_or_else(|| error::bad_request("The cursor is not one of this list."))
}

/// The cursor of a position in a list of what `owner` has.
pub fn cursor<P: Position>(app: &App, owner: Uuid, position: &P) -> String {
    AuthenticatedToken::seal(&app.key_ring, P::PURPOSE, &[owner.as_bytes().as_slice(), &position.to_bytes()].concat())
}

/// What lies around a page.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageInfo {
    /// Whether there is more behind it.
    pub has_next_page: bool,
    /// Whether there is more before it.
    pub has_previous_page: bool,
    /// Of the first edge.
    pub start_cursor: Option<String>,
    /// Of the last edge.
    pub end_cursor: Option<String>,
}
