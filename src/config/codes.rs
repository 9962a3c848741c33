//! How long codes live and how often they may be guessed.

use std::time::Duration;

use super::reader::Reader;

/// Settings of code challenges.
#[derive(Clone, Debug)]
pub struct Codes {
    /// How long a code lives.
    pub ttl: Duration,
    /// Guesses at one challenge.
    pub attempts: u32,
    /// When a new code may be asked for.
    pub resend_after: Duration,
    /// Wrong guesses for a contact within the budget's window.
    pub wrong_budget: u32,
    /// The window of the budget.
    pub budget_window: Duration,
}

impl Codes {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let codes = Self {
            ttl: reader.duration("codes.ttl", Duration::from_mins(10), "How long a code lives."),
            attempts: reader.count("codes.attempts", 3, "Guesses at one code."),
            resend_after: reader.duration("codes.resend_after", Duration::from_mins(1), "When a new code may be asked for."),
            wrong_budget: reader.count("codes.wrong_budget", 10, "Wrong codes for a contact within codes.budget_window."),
            budget_window: reader.duration("codes.budget_window", Duration::from_hours(24), "In how long wrong codes are counted."),
        };
        if codes.ttl > Duration::from_mins(30) {
            reader.problem("codes.ttl", "must be at most 30min");
        }
        if codes.attempts > 10 {
            reader.problem("codes.attempts", "must be at most 10");
        }
        if codes.resend_after >= codes.ttl {
            reader.problem("codes.resend_after", "must be less than codes.ttl");
        }
        codes
    }
}
