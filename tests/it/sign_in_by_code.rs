//! Sign-in by a code or a link that was sent to a contact, and what guessing at codes costs.

mod budgets;
mod cross_use;
mod journeys;
mod likeness;
mod links;
mod phones;

use std::time::Duration;

use entity::users;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Challenge, Gateway, Member, PASSWORD, Visitor};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);

/// Guessing takes more tries than the leaky buckets let through.
pub async fn without_buckets() -> Gateway {
    Gateway::start_with(|config| config.rate_limits.enabled = false).await
}

/// A new account, whose welcome was read.
pub async fn account(gateway: &Gateway, email: &str) -> Member {
    let member = gateway.visitor().becomes_member(email).await;
    gateway.next_message(email).await;
    member
}

/// A new account without a password, by e-mail or by phone.
pub async fn account_without_password(gateway: &Gateway, contact: &str) -> Member {
    let visitor = gateway.visitor();
    let kind = if contact.contains('@') { "email" } else { "phone" };
    let challenge = visitor.try_sign_up(json!({"contact": {kind: contact}})).await.expect_done().into();
    let member = visitor.confirm(&challenge, &gateway.next_message(contact).await.code()).await;
    gateway.next_message(contact).await;
    member
}

/// An account as an import makes it: the contact was never proved, and the password is [`PASSWORD`].
pub async fn imported(gateway: &Gateway, contact: &str) -> users::Model {
    let now = gateway.clock.now();
    let hash = gateway.app().passwords.hash(postern::domain::password::Password::parse(PASSWORD, 1, 128).unwrap()).await.unwrap();
    let by_email = contact.contains('@');
    let user = users::Model {
        email: by_email.then(|| contact.to_owned()),
        phone: (!by_email).then(|| contact.to_owned()),
        password_hash: Some(hash),
        ..users::Model::new(gateway.app().entropy.uuid(now), now)
    };
    let row = users::ActiveModel::from(user.clone()).reset_all();
    users::Entity::insert(row).exec_without_returning(&gateway.database().await).await.unwrap();
    user
}

pub async fn set_status(gateway: &Gateway, member: &Member, status: users::Status) {
    let id: Uuid = member.user_id.parse().unwrap();
    let change = users::ActiveModel { id: Set(id), status: Set(status), ..Default::default() };
    users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
}

/// Six digits that are not `code`.
pub fn other_than(code: &str) -> String {
    let last = code.chars().last().and_then(|digit| digit.to_digit(10)).unwrap();
    format!("{}{}", &code[..5], (last + 1) % 10)
}

pub async fn state_of(visitor: &Visitor, challenge: &Challenge) -> Value {
    visitor.graphql("query ($id: ID!) { challenge(id: $id) { state attemptsLeft } }", json!({"id": challenge.id})).await.expect_field()
}

/// Spends what strangers may guess at the codes of a contact in a day, with codes that sign in.
pub async fn spend_budget(gateway: &Gateway, email: &str) {
    for _ in 0..4 {
        let stranger = gateway.visitor();
        let challenge = stranger.request_sign_in_code(email).await;
        for _ in 0..3 {
            // A letter can never be in a code.
            stranger.try_sign_in_with_code(&challenge, "00000x").await;
        }
    }
    let stranger = gateway.visitor();
    let challenge = stranger.request_sign_in_code(email).await;
    stranger.try_sign_in_with_code(&challenge, "000000").await.expect_problem("TOO_MANY_ATTEMPTS");
}
