//! How often things may happen.

use std::time::Duration;

use ipnet::IpNet;

pub use super::value::Rate;
use super::{Mode, reader::Reader};

/// Settings of the rate limits.
#[derive(Clone, Debug)]
pub struct RateLimits {
    /// Off lifts the buckets alone, for load tests; refused in production.
    pub enabled: bool,
    /// Addresses and networks that get no answer but a refusal.
    pub denied: Vec<IpNet>,
    /// Sign-ins of an address.
    pub sign_in_per_ip: Rate,
    /// Sign-ins to an account.
    pub sign_in_per_account: Rate,
    /// Sign-ups of an address.
    pub sign_up_per_ip: Rate,
    /// Codes and resets for a contact.
    pub codes_per_contact: Rate,
    /// Codes and resets asked for by an address.
    pub codes_per_ip: Rate,
    /// Questions of an address whether a username is free.
    pub username_available_per_ip: Rate,
    /// Avatars that a user sends.
    pub avatars_per_user: Rate,
    /// Passkey ceremonies that an address begins.
    pub passkeys_per_ip: Rate,
    /// Refreshes of a session.
    pub refresh_per_session: Rate,
    /// Requests of an address in all, counted by each instance alone.
    pub requests_per_ip: Rate,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

impl RateLimits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let limits = Self {
            enabled: reader.value(
                "rate_limits.enabled",
                true,
                "Off lifts the rate limits (not the budgets, lockouts and socket caps), for load tests; refused in production.",
            ),
            denied: reader.list(
                "rate_limits.denied",
                (Vec::new(), "none"),
                "Addresses and networks that are refused, separated by commas.",
            ),
            sign_in_per_ip: reader.value(
                "rate_limits.sign_in_per_ip",
                rate(10, MINUTE),
                "Sign-ins of an address; an IPv6 /64 is one address.",
            ),
            sign_in_per_account: reader.value("rate_limits.sign_in_per_account", rate(20, HOUR), "Sign-ins to an account."),
            sign_up_per_ip: reader.value("rate_limits.sign_up_per_ip", rate(20, HOUR), "Sign-ups of an address."),
            codes_per_contact: reader.value("rate_limits.codes_per_contact", rate(5, HOUR), "Codes and resets for a contact."),
            codes_per_ip: reader.value("rate_limits.codes_per_ip", rate(30, HOUR), "Codes and resets asked for by an address."),
            username_available_per_ip: reader.value(
                "rate_limits.username_available_per_ip",
                rate(30, MINUTE),
                "Questions of an address whether a username is free.",
            ),
            avatars_per_user: reader.value("rate_limits.avatars_per_user", rate(20, HOUR), "Avatars that a user sends."),
            passkeys_per_ip: reader.value(
                "rate_limits.passkeys_per_ip",
                rate(60, MINUTE),
                "Passkey sign-ins that an address begins; every sign-in page that offers passkeys begins one.",
            ),
            refresh_per_session: reader.value("rate_limits.refresh_per_session", rate(60, MINUTE), "Refreshes of a session."),
            requests_per_ip: reader.value(
                "rate_limits.requests_per_ip",
                rate(600, MINUTE),
                "Requests of an address in all, counted by each instance alone.",
            ),
        };
        if !limits.enabled && reader.mode == Mode::Production {
            reader.problem("rate_limits.enabled", "must not be off in production");
        }
        limits
    }
}

const fn rate(count: u32, period: Duration) -> Rate {
    Rate { count, period }
}
