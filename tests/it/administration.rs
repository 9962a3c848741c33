//! Administrators and what they do to users and sessions.

mod deleting;
mod factors;
mod levels;
mod lists;
mod plans;
mod roles;
mod search;
mod sessions;
mod status;
mod updating;

use entity::{account_events, user_audit_log, users};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;
use uuid::Uuid;

use super::{
    clean_up::tidy,
    sign_in_by_code::{HOUR, MINUTE, account, account_without_password, without_buckets},
};
use crate::support::{Closed, Gateway, Member, PASSWORD};

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

fn id_of(member: &Member) -> Uuid {
    member.user_id.parse().unwrap()
}

fn ended() -> Closed {
    Closed { code: 4401, reason: "Unauthorized".to_owned() }
}

/// The row of an account, where there is one.
async fn row(gateway: &Gateway, id: Uuid) -> Option<users::Model> {
    users::Entity::find_by_id(id).one(&gateway.database().await).await.unwrap()
}

/// What the audit log has of an event type, oldest first.
async fn audited(gateway: &Gateway, event_type: &str) -> Vec<user_audit_log::Model> {
    let rows = user_audit_log::Entity::find().filter(user_audit_log::Column::EventType.eq(event_type));
    rows.order_by_asc(user_audit_log::Column::Seq).all(&gateway.database().await).await.unwrap()
}

/// What the event log says of an account, oldest first.
async fn told(gateway: &Gateway, user_id: Uuid) -> Vec<account_events::Kind> {
    let events = account_events::Entity::find().filter(account_events::Column::UserId.eq(user_id));
    let events = events.order_by_asc(account_events::Column::Seq).all(&gateway.database().await).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

/// The next message, by its subject or text.
async fn next_notice(gateway: &Gateway, contact: &str) -> String {
    let message = gateway.next_message(contact).await;
    message.subject.unwrap_or(message.text)
}

/// The codes of all problems.
fn problems(payload: &Value) -> Vec<String> {
    payload["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}
