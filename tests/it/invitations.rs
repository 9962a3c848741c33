//! Accounts that administrators make, and the links by which their owners choose a password: an administrator never does.

mod accepting;
mod links;
mod making;

use std::time::Duration;

use entity::{user_audit_log, users};
use postern::flows::create_admin;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Answer, Gateway, Member, PASSWORD};

pub const DAY: Duration = Duration::from_hours(24);
/// Nobody else's, and strong enough.
const CHOSEN: &str = "violet-Lantern 58 harbour";

/// An administrator as the command line makes them, signed in by an app a moment ago.
pub async fn administrator(gateway: &Gateway) -> Member {
    administrator_named(gateway, "admin@example.com").await
}

pub async fn administrator_named(gateway: &Gateway, email: &str) -> Member {
    let input = create_admin::Input { email: email.to_owned(), password: PASSWORD.to_owned() };
    create_admin::run(gateway.app(), input).await.unwrap();
    let admin = gateway.app_user().sign_in(email, PASSWORD).await;
    gateway.next_message(email).await;
    admin
}

async fn create(by: &Member, input: Value) -> Answer {
    let query = "mutation ($input: CreateUserInput!) { createUser(input: $input) {
        user { id email emailVerifiedAt phone phoneVerifiedAt username displayName role status hasPassword metadata } problems { code path } } }";
    by.graphql(query, json!({"input": input})).await
}

async fn send_link(by: &Member, user_id: &str) -> Answer {
    let query = "mutation ($input: SendPasswordLinkInput!) { sendPasswordLink(input: $input) {
        user { id } destination problems { code path retryAfterSeconds } } }";
    by.graphql(query, json!({"input": {"userId": user_id}})).await
}

async fn row(gateway: &Gateway, id: &str) -> users::Model {
    users::Entity::find_by_id(id.parse::<Uuid>().unwrap()).one(&gateway.database().await).await.unwrap().unwrap()
}

/// The audit rows of a type, oldest first.
async fn audited(gateway: &Gateway, event_type: &str) -> Vec<user_audit_log::Model> {
    let rows =
        user_audit_log::Entity::find().filter(user_audit_log::Column::EventType.eq(event_type)).order_by_asc(user_audit_log::Column::Seq);
    rows.all(&gateway.database().await).await.unwrap()
}
