//! How long the links in messages live.

use std::time::Duration;

use super::reader::Reader;

/// Settings of links. Those of sign-ups live as long as the sign-up.
#[derive(Clone, Debug)]
pub struct Links {
    /// One that signs in.
    pub sign_in_ttl: Duration,
    /// One that sets a new password.
    pub password_reset_ttl: Duration,
    /// One by which somebody who was made an account chooses its password.
    pub invitation_ttl: Duration,
    /// One that ends a lockout.
    pub unlock_ttl: Duration,
    /// One that ends a session.
    pub disown_ttl: Duration,
}

impl Links {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let links = Self {
            sign_in_ttl: reader.duration("links.sign_in_ttl", Duration::from_mins(15), "How long a link that signs in lives."),
            password_reset_ttl: reader.duration(
                "links.password_reset_ttl",
                Duration::from_mins(30),
                "How long a link that sets a new password lives.",
            ),
            invitation_ttl: reader.duration(
                "links.invitation_ttl",
                Duration::from_hours(7 * 24),
                "How long the link of an invitation lives.",
            ),
            unlock_ttl: reader.duration("links.unlock_ttl", Duration::from_hours(24), "How long a link that ends a lockout lives."),
            disown_ttl: reader.duration(
                "links.disown_ttl",
                Duration::from_hours(7 * 24),
                "How long the link of a message about a new device can end that session.",
            ),
        };
        for (name, ttl) in [("links.sign_in_ttl", links.sign_in_ttl), ("links.password_reset_ttl", links.password_reset_ttl)] {
            if ttl > Duration::from_hours(1) {
                reader.problem(name, "must be at most 1h");
            }
        }
        links
    }
}
