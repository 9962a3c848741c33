//! Which rate limits there are, and how a flow takes its share of one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::{
    bucket::{Buckets, Limit, RateLimited},
    store::{Store, Unavailable},
};
use crate::clock::Timestamp;

/// What is limited, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Sign-ins from an address.
    SignInPerIp,
    /// Sign-ins to an account or, where there is none, to an identifier.
    SignInPerAccount,
    /// Sign-ups from an address.
    SignUpPerIp,
    /// Codes and resets for a contact, existing or not.
    CodesPerContact,
    /// Codes and resets from an address.
    CodesPerIp,
    /// Questions for a free username from an address.
    UsernameAvailablePerIp,
    /// Avatars that a user sends.
    AvatarsPerUser,
    /// Passkey ceremonies that an address begins: each takes room in the store.
    PasskeysPerIp,
    /// Refreshes of a session.
    RefreshPerSession,
    /// Everything else from an address; counted by each instance for itself.
    RequestsPerIp,
    /// Codes by text message to a number that one asker asks for, one after the other.
    SmsPause,
    /// Codes by text message to a number.
    SmsPerNumber,
    /// Codes by text message that an account asks for.
    SmsPerAccount,
    /// Codes by text message that a block of addresses asks for.
    SmsPerBlock,
    /// Codes by text message to a country calling code.
    SmsPerCountry,
    /// Codes by text message in all.
    SmsInAll,
}

impl Rule {
    /// As in the keys of the store, and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignInPerIp => "sign_in_per_ip",
            Self::SignInPerAccount => "sign_in_per_account",
            Self::SignUpPerIp => "sign_up_per_ip",
            Self::CodesPerContact => "codes_per_contact",
            Self::CodesPerIp => "codes_per_ip",
            Self::UsernameAvailablePerIp => "username_available_per_ip",
            Self::AvatarsPerUser => "avatars_per_user",
            Self::PasskeysPerIp => "passkeys_per_ip",
            Self::RefreshPerSession => "refresh_per_session",
            Self::RequestsPerIp => "requests_per_ip",
            Self::SmsPause => "sms_pause",
            Self::SmsPerNumber => "sms_per_number",
            Self::SmsPerAccount => "sms_per_account",
            Self::SmsPerBlock => "sms_per_block",
            Self::SmsPerCountry => "sms_per_country",
            Self::SmsInAll => "sms_in_all",
        }
    }
}

/// The numbers of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// False lifts them all.
    pub enabled: bool,
    /// Of [`Rule::SignInPerIp`].
    pub sign_in_per_ip: Limit,
    /// Of [`Rule::SignInPerAccount`].
    pub sign_in_per_account: Limit,
    /// Of [`Rule::SignUpPerIp`].
    pub sign_up_per_ip: Limit,
    /// Of [`Rule::CodesPerContact`].
    pub codes_per_contact: Limit,
    /// Of [`Rule::CodesPerIp`].
    pub codes_per_ip: Limit,
    /// Of [`Rule::UsernameAvailablePerIp`].
    pub username_available_per_ip: Limit,
    /// Of [`Rule::AvatarsPerUser`].
    pub avatars_per_user: Limit,
    /// Of [`Rule::PasskeysPerIp`].
    pub passkeys_per_ip: Limit,
    /// Of [`Rule::RefreshPerSession`].
    pub refresh_per_session: Limit,
    /// Of [`Rule::RequestsPerIp`].
    pub requests_per_ip: Limit,
    /// Of [`Rule::SmsPause`].
    pub sms_pause: Limit,
    /// Of [`Rule::SmsPerNumber`].
    pub sms_per_number: Limit,
    /// Of [`Rule::SmsPerAccount`].
    pub sms_per_account: Limit,
    /// Of [`Rule::SmsPerBlock`].
    pub sms_per_block: Limit,
    /// Of [`Rule::SmsPerCountry`].
    pub sms_per_country: Limit,
    /// Of [`Rule::SmsInAll`].
    pub sms_in_all: Limit,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            sign_in_per_ip: Limit::new(10, MINUTE),
            sign_in_per_account: Limit::new(20, HOUR),
            sign_up_per_ip: Limit::new(20, HOUR),
            codes_per_contact: Limit::new(5, HOUR),
            codes_per_ip: Limit::new(30, HOUR),
            username_available_per_ip: Limit::new(30, MINUTE),
            avatars_per_user: Limit::new(20, HOUR),
            passkeys_per_ip: Limit::new(60, MINUTE),
            refresh_per_session: Limit::new(60, MINUTE),
            requests_per_ip: Limit::new(600, MINUTE),
            sms_pause: Limit::new(1, MINUTE),
            sms_per_number: Limit::within(10, DAY),
            sms_per_account: Limit::within(20, DAY),
            sms_per_block: Limit::within(100, DAY),
            sms_per_country: Limit::within(5_000, DAY),
            sms_in_all: Limit::within(10_000, DAY),
        }
    }
}

impl Limits {
    fn of(&self, rule: Rule) -> Limit {
        match rule {
            Rule::SignInPerIp => self.sign_in_per_ip,
            Rule::SignInPerAccount => self.sign_in_per_account,
            Rule::SignUpPerIp => self.sign_up_per_ip,
            Rule::CodesPerContact => self.codes_per_contact,
            Rule::CodesPerIp => self.codes_per_ip,
            Rule::UsernameAvailablePerIp => self.username_available_per_ip,
            Rule::AvatarsPerUser => self.avatars_per_user,
            Rule::PasskeysPerIp => self.passkeys_per_ip,
            Rule::RefreshPerSession => self.refresh_per_session,
            Rule::RequestsPerIp => self.requests_per_ip,
            Rule::SmsPause => self.sms_pause,
            Rule::SmsPerNumber => self.sms_per_number,
            Rule::SmsPerAccount => self.sms_per_account,
            Rule::SmsPerBlock => self.sms_per_block,
            Rule::SmsPerCountry => self.sms_per_country,
            Rule::SmsInAll => self.sms_in_all,
        }
    }
}

/// The rate limits. All but [`Rule::RequestsPerIp`] are shared by all instances; while the store is away, each instance goes on with what it
/// has seen itself.
pub struct RateLimits {
    limits: Limits,
    store: Arc<dyn Store>,
    /// What passed this instance under the shared rules. It never knows of more than the store does, so where it is full the store need not
    /// be asked, and a store that lost its memory gives nobody a fresh start here.
    seen: Buckets,
    requests: Buckets,
}

const BUCKETS: usize = 262_144;

impl RateLimits {
    /// With these numbers, shared through `store`.
    #[must_use]
    pub fn new(limits: Limits, store: Arc<dyn Store>) -> Self {
        Self { limits, store, seen: Buckets::new(BUCKETS), requests: Buckets::new(BUCKETS) }
    }

    /// Takes one of what `rule` allows `subject`: an address as [`ip_subject`] writes it, or the name of an account, contact or session.
    pub async fn take(&self, rule: Rule, subject: &str, now: Timestamp) -> Result<(), RateLimited> {
        if !self.limits.enabled || rule == Rule::RequestsPerIp {
            return self.take_local(rule, subject, now);
        }
        let limit = self.limits.of(rule);
        self.seen.probe((rule, subject), limit, now)?;
        match self.store.pour(&format!("ratelimit:{}:{subject}", rule.name()), limit, now).await {
            Ok(Ok(())) => {
                // The store has allowed it; whether the own count, which others may have raised meanwhile, would have, does not matter.
                let _ = self.seen.pour((rule, subject), limit, now);
                Ok(())
            }
            Ok(Err(limited)) => Err(limited),
            Err(Unavailable) => self.seen.pour((rule, subject), limit, now),
        }
    }

    /// The same for what costs money: never lifted, and nothing passes that the store has not counted.
    pub async fn take_counted(&self, rule: Rule, subject: &str, now: Timestamp) -> Result<Result<(), RateLimited>, Unavailable> {
        let limit = self.limits.of(rule);
        // A store that lost its memory gives nobody a fresh start here.
        if let Err(limited) = self.seen.probe((rule, subject), limit, now) {
            return Ok(Err(limited));
        }
        let poured = self.store.pour(&format!("ratelimit:{}:{subject}", rule.name()), limit, now).await?;
        if poured.is_ok() {
            let _ = self.seen.pour((rule, subject), limit, now);
        }
        Ok(poured)
    }

    /// The same for what must rather be sent than be counted by all: while the store is away, this instance counts alone.
    pub async fn take_counted_or_here(&self, rule: Rule, subject: &str, now: Timestamp) -> Result<(), RateLimited> {
        match self.take_counted(rule, subject, now).await {
            Ok(taken) => taken,
            Err(Unavailable) => self.seen.pour((rule, subject), self.limits.of(rule), now),
        }
    }

    /// The same by what this instance has seen alone: never waits, and allocates nothing.
    pub fn take_local(&self, rule: Rule, subject: &str, now: Timestamp) -> Result<(), RateLimited> {
        if !self.limits.enabled {
            return Ok(());
        }
        let buckets = if rule == Rule::RequestsPerIp { &self.requests } else { &self.seen };
        buckets.pour((rule, subject), self.limits.of(rule), now)
    }

    /// Tells whether [`RateLimits::take_local`] would refuse, and takes nothing.
    pub fn probe_local(&self, rule: Rule, subject: &str, now: Timestamp) -> Result<(), RateLimited> {
        if !self.limits.enabled {
            return Ok(());
        }
        let buckets = if rule == Rule::RequestsPerIp { &self.requests } else { &self.seen };
        buckets.probe((rule, subject), self.limits.of(rule), now)
    }
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimits").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An address as the rules count it: one IPv4 address, also where it is mapped into IPv6; of other IPv6 addresses the /64 network, since
/// that is the least that a single customer has.
#[must_use]
pub fn ip_subject(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The block of addresses that one customer can easily have: a /24 of IPv4, a /64 of IPv6.
#[must_use]
pub fn block_subject(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(_) => ip_subject(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ephemeral::memory::Memory;

    #[test]
    fn addresses_of_one_customer_are_one_subject() {
        let subject = |address: &str| ip_subject(address.parse().unwrap());
        assert_eq!(subject("192.0.2.7"), "192.0.2.7");
        assert_eq!(subject("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(subject("::ffff:c000:207"), "192.0.2.7");
        assert_eq!(subject("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(subject("2001:DB8:1:2::"), "2001:db8:1:2::/64");
        assert_ne!(subject("2001:db8:1:3::1"), subject("2001:db8:1:2::1"));
        assert_eq!(subject("::1"), "::/64");
    }

    #[test]
    fn blocks_are_what_one_customer_can_have() {
        // B6
        let block = |address: &str| block_subject(address.parse().unwrap());
        assert_eq!(block("192.0.2.7"), "192.0.2.0/24");
        assert_eq!(block("::ffff:192.0.2.200"), "192.0.2.0/24");
        assert_ne!(block("192.0.3.7"), block("192.0.2.7"));
        assert_eq!(block("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    struct Away;

    #[async_trait::async_trait]
    impl Store for Away {
        async fn put(&self, _: &str, _: &[u8], _: Timestamp, _: Timestamp) -> Result<(), Unavailable> {
            Err(Unavailable)
        }
        async fn get(&self, _: &str, _: Timestamp) -> Result<Option<Vec<u8>>, Unavailable> {
            Err(Unavailable)
        }
        async fn take(&self, _: &str, _: Timestamp) -> Result<Option<Vec<u8>>, Unavailable> {
            Err(Unavailable)
        }
        async fn pour(&self, _: &str, _: Limit, _: Timestamp) -> Result<Result<(), RateLimited>, Unavailable> {
            Err(Unavailable)
        }
        async fn create_challenge(&self, _: &crate::ephemeral::challenges::Challenge, _: Timestamp) -> Result<(), Unavailable> {
            Err(Unavailable)
        }
        async fn change_challenge(
            &self,
            _: uuid::Uuid,
            _: crate::ephemeral::Step,
            _: Timestamp,
        ) -> Result<Option<crate::ephemeral::Change>, Unavailable> {
            Err(Unavailable)
        }
        async fn count_pending_challenges(&self, _: Timestamp) -> Result<u64, Unavailable> {
            Err(Unavailable)
        }
        async fn ping(&self) -> Result<(), Unavailable> {
            Err(Unavailable)
        }
    }

    #[tokio::test]
    async fn what_costs_money_is_never_lifted_and_never_goes_uncounted() {
        // B6, C11
        let now = Timestamp::from_millis(1_800_000_000_000);
        let off = Limits { enabled: false, ..Limits::default() };
        let lifted = RateLimits::new(off, Arc::new(Memory::new()));
        let mut passed = 0;
        while lifted.take_counted(Rule::SmsPerNumber, "a", now).await.unwrap().is_ok() {
            passed += 1;
        }
        assert_eq!(passed, 5);
        let away = RateLimits::new(Limits::default(), Arc::new(Away));
        assert_eq!(away.take_counted(Rule::SmsPerNumber, "a", now).await, Err(Unavailable));
        let mut passed = 0;
        while away.take_counted_or_here(Rule::SmsPerNumber, "a", now).await.is_ok() {
            passed += 1;
        }
        assert_eq!(passed, 5);
    }

    #[tokio::test]
    async fn switched_off_nothing_is_limited() {
        let limits = Limits { enabled: false, sign_in_per_ip: Limit::new(0, MINUTE), ..Limits::default() };
        let limits = RateLimits::new(limits, Arc::new(Memory::new()));
        let now = Timestamp::from_millis(1_800_000_000_000);
        for _ in 0..1000 {
            assert!(limits.take(Rule::SignInPerIp, "192.0.2.7", now).await.is_ok());
            assert!(limits.take_local(Rule::RequestsPerIp, "192.0.2.7", now).is_ok());
        }
    }

    #[tokio::test]
    async fn each_rule_has_its_own_number() {
        let limits = RateLimits::new(Limits::default(), Arc::new(Memory::new()));
        let now = Timestamp::from_millis(1_800_000_000_000);
        for (rule, count) in [
            (Rule::SignInPerIp, 10),
            (Rule::SignInPerAccount, 20),
            (Rule::SignUpPerIp, 20),
            (Rule::CodesPerContact, 5),
            (Rule::CodesPerIp, 30),
            (Rule::UsernameAvailablePerIp, 30),
            (Rule::PasskeysPerIp, 60),
            (Rule::RefreshPerSession, 60),
            (Rule::RequestsPerIp, 600),
        ] {
            for _ in 0..count {
                assert!(limits.take(rule, "192.0.2.7", now).await.is_ok(), "{rule:?}");
            }
            assert!(limits.take(rule, "192.0.2.7", now).await.is_err(), "{rule:?}");
            assert!(limits.take(rule, "192.0.2.8", now).await.is_ok(), "{rule:?}");
        }
    }
}
