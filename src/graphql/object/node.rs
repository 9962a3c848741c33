//! What Relay refetches by.

use async_graphql::{ID, Interface};

use super::{session::Session, user::User};

/// What Relay refetches by.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    /// A user.
    User(User),
    /// A session.
    Session(Session),
}
