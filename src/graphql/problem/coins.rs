//! What is refused about coins.

use super::{Problem, ProblemCode};
use crate::{domain::coins::Uncountable, flows::adjust_coins};

impl From<adjust_coins::Refusal> for Problem {
    fn from(refusal: adjust_coins::Refusal) -> Self {
        const AMOUNT: &[&str] = &["input", "amount"];
        const KEY: &[&str] = &["input", "idempotencyKey"];
        match refusal {
            adjust_coins::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, &["input", "userId"]),
            adjust_coins::Refusal::Reason => Self::at(ProblemCode::InvalidInput, &["input", "reason"]),
            adjust_coins::Refusal::Key | adjust_coins::Refusal::KeyUsed => Self::at(ProblemCode::InvalidInput, KEY),
            adjust_coins::Refusal::Amount(Uncountable::NotEnough) => Self::at(ProblemCode::InsufficientCoins, AMOUNT),
            adjust_coins::Refusal::Amount(Uncountable::Nothing | Uncountable::TooMuch) => Self::at(ProblemCode::InvalidInput, AMOUNT),
        }
    }
}
