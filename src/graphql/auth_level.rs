//! How far a request must have proved who it comes from: the argument of `@auth`.

use async_graphql::Enum;

/// How far a request must have proved who it comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthLevel {
    /// A valid access token of a live session.
    SignedIn,
    /// SIGNED_IN, and the person proved themselves (sign-in or `reauthenticate`) within the last few minutes.
    Recent,
    /// SIGNED_IN as a user with the role ADMIN, or a machine token whose scope covers the field.
    Admin,
    /// ADMIN and RECENT at once.
    RecentAdmin,
}

impl AuthLevel {
    /// The level of that name in the SDL.
    pub fn from_name(name: &str) -> Option<Self> {
        [(Self::SignedIn, "SIGNED_IN"), (Self::Recent, "RECENT"), (Self::Admin, "ADMIN"), (Self::RecentAdmin, "RECENT_ADMIN")]
            .into_iter()
            .find_map(|(level, known)| (known == name).then_some(level))
    }
}
