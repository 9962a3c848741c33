//! Sign-up, by e-mail and by phone.

mod alike;
mod codes;
mod contacts;
mod journeys;
mod limits;
mod links;

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Challenge, Visitor};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Six digits that are not `code`.
fn other_than(code: &str) -> String {
    let last = code.chars().last().and_then(|digit| digit.to_digit(10)).unwrap();
    format!("{}{}", &code[..5], (last + 1) % 10)
}

async fn state_of(visitor: &Visitor, challenge: &Challenge) -> Value {
    visitor
        .graphql("query ($id: ID!) { challenge(id: $id) { state attemptsLeft expiresAt } }", json!({"id": challenge.id}))
        .await
        .expect_field()
}
