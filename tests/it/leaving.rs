//! Leaving: the days of grace, a change of mind, the end of everything, and what a person can take along.

mod dump;
mod end;
mod export;
mod grace;

use std::time::Duration;

use entity::users;
use sea_orm::{ActiveValue::Set, EntityTrait};
use uuid::Uuid;

use super::{
    clean_up::tidy,
    sign_in_by_code::{MINUTE, account, account_without_password, set_status, without_buckets},
};
use crate::support::{Gateway, Member};

const DAY: Duration = Duration::from_hours(24);

fn id_of(member: &Member) -> Uuid {
    member.user_id.parse().unwrap()
}

/// Makes somebody an administrator, past all flows.
async fn promote(gateway: &Gateway, member: &Member) {
    let change = users::ActiveModel { id: Set(id_of(member)), role: Set(users::Role::Admin), ..Default::default() };
    users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
}

/// The account's row, where there is one.
async fn row(gateway: &Gateway, member: &Member) -> Option<users::Model> {
    users::Entity::find_by_id(id_of(member)).one(&gateway.database().await).await.unwrap()
}
