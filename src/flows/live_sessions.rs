//! Sessions that are live, from memory where that can be believed.

/// A live session with its user.
#[derive(Debug)]
pub struct LiveSession {
    /// The session's row.
    pub session: entity::user_sessions::Model,
    /// Its user's row.
    pub user: entity::users::Model,
}
