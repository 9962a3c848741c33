//! An authenticator app: what it shows for a seed.

use std::time::Duration;

use postern::clock::Clock;
use totp_rs::{Builder, Secret, Totp};

/// One entry of an app.
pub struct AuthenticatorApp(Totp);

impl AuthenticatorApp {
    /// As typed in.
    pub fn of(secret: &str) -> Self {
        Self(Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap())
    }

    /// What it shows now.
    pub fn code(&self, clock: &Clock) -> String {
        self.code_in(clock, 0)
    }

    /// What it shows so many steps from now.
    pub fn code_in(&self, clock: &Clock, steps: i64) -> String {
        let at = u64::try_from(clock.now().seconds() + steps * 30).unwrap();
        self.0.generate(at).to_string()
    }

    /// A code that it does not show, now or soon.
    pub fn wrong_code(&self, clock: &Clock) -> String {
        let shown: Vec<String> = (-2..=2).map(|steps| self.code_in(clock, steps)).collect();
        (0..10).map(|n| format!("00000{n}")).find(|code| !shown.contains(code)).unwrap()
    }

    /// Lets the code that was used be followed by another one.
    pub fn wait(clock: &Clock) {
        clock.advance(Duration::from_secs(31));
    }
}
