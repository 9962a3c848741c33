//! Administrators who act at once: on one another, and on the same person.

use entity::{
    user_audit_log,
    users::{Column, Entity, Role, Status},
};
use futures::future::join_all;
use sea_orm::ColumnTrait;
use serde_json::json;

use super::{Deployment, everything};
use crate::{
    sign_in_by_code::account,
    support::{Administrator, Answer},
};

/// `DONE`, the code of the problem, or that of the error.
fn outcome(answer: &Answer) -> String {
    match answer.code() {
        Some(code) => code.to_owned(),
        None => super::outcome(answer),
    }
}

async fn administrators(deployment: &Deployment, round: usize, count: usize) -> Vec<Administrator> {
    let mut all = Vec::new();
    for n in 0..count {
        all.push(deployment.nth(n).administrator(&format!("root{round}-{n}@example.com")).await);
    }
    all
}

/// How many administrate.
async fn left(deployment: &Deployment) -> u64 {
    deployment.count::<Entity>(everything().add(Column::Role.eq(Role::Admin)).add(Column::Status.eq(Status::Active))).await
}

// C16: two who take the other's role at once, and whole circles of them: somebody stays, in every round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_who_demote_one_another_leave_one() {
    let deployment = Deployment::start().await;
    for round in 0..8 {
        let count = if round < 5 { 2 } else { 5 };
        let all = administrators(&deployment, round, count).await;
        // Nobody else is there.
        for id in others(&deployment, &all).await {
            all[0].try_set_role(&id, "USER").await.expect_done();
        }
        let tries = (0..count).map(|n| {
            let (admin, next) = (all[n].at(deployment.nth(n)), all[(n + 1) % count].user_id.clone());
            async move { admin.try_set_role(&next, "USER").await }
        });
        let outcomes: Vec<String> = join_all(tries).await.iter().map(outcome).collect();
        assert!(outcomes.iter().all(|code| ["DONE", "FORBIDDEN", "LAST_ADMIN"].contains(&code.as_str())), "{outcomes:?}");
        let done = outcomes.iter().filter(|code| *code == "DONE").count();
        assert!((1..count).contains(&done), "{outcomes:?}");
        assert_eq!(left(&deployment).await, u64::try_from(count - done).unwrap(), "{outcomes:?}");
    }
    deployment.first().expect_undelivered();
}

/// Administrators besides these.
async fn others(deployment: &Deployment, but: &[Administrator]) -> Vec<String> {
    use sea_orm::{EntityTrait as _, QueryFilter as _};
    let database = deployment.first().database().await;
    let all = Entity::find().filter(Column::Role.eq(Role::Admin)).all(&database).await.unwrap();
    database.close().await.unwrap();
    all.into_iter().map(|user| user.id.to_string()).filter(|id| but.iter().all(|admin| admin.user_id != *id)).collect()
}

// The same by every way that takes an administrator away, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_way_they_go_one_administrator_stays() {
    let deployment = Deployment::start().await;
    for round in 0..4 {
        let all = administrators(&deployment, round, 6).await;
        for id in others(&deployment, &all).await {
            all[0].try_set_role(&id, "USER").await.expect_done();
        }
        let tries = (0..6).map(|n| {
            let (admin, next) = (all[n].at(deployment.nth(n)), all[(n + 1) % 6].user_id.clone());
            async move {
                match n {
                    0 | 1 => admin.try_set_role(&next, "USER").await,
                    2 => admin.try_set_status(&next, "SUSPENDED").await,
                    3 => admin.try_set_status(&next, "BANNED").await,
                    4 => admin.try_delete(&next).await,
                    _ => admin.try_delete_account().await,
                }
            }
        });
        let outcomes: Vec<String> = join_all(tries).await.iter().map(outcome).collect();
        let known = ["DONE", "FORBIDDEN", "LAST_ADMIN", "UNAUTHENTICATED", "USER_NOT_FOUND"];
        assert!(outcomes.iter().all(|code| known.contains(&code.as_str())), "{outcomes:?}");
        let staying = everything().add(Column::Role.eq(Role::Admin)).add(Column::Status.eq(Status::Active));
        let staying = staying.add(Column::DeletionScheduledAt.is_null());
        assert!(deployment.count::<Entity>(staying).await >= 1, "{outcomes:?}");
    }
    deployment.first().expect_undelivered();
}

// Two who give two people the same address and the same name at once: no fault, and names stay unique.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_same_things_wait_for_one_another() {
    let deployment = Deployment::start().await;
    let admins = administrators(&deployment, 0, 2).await;
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(account(deployment.first(), &format!("ada{n}@example.com")).await);
    }
    for round in 0..5 {
        let tries = (0..16).map(|n| {
            let (admin, person) = (admins[n % 2].at(deployment.nth(n)), &people[n % 4]);
            let change = if n < 8 {
                json!({"username": format!("name{round}")})
            } else {
                json!({"phone": format!("+6681234{round:04}"), "email": format!("next{round}@example.com")})
            };
            async move { admin.try_update(&person.user_id, change).await }
        });
        let outcomes: Vec<String> = join_all(tries).await.iter().map(outcome).collect();
        assert!(outcomes.iter().all(|code| ["DONE", "USERNAME_TAKEN"].contains(&code.as_str())), "{outcomes:?}");
        let named = everything().add(Column::Username.eq(format!("name{round}")));
        assert_eq!(deployment.count::<Entity>(named).await, 1);
    }
    let updated = everything().add(user_audit_log::Column::EventType.eq("user_updated"));
    assert!(deployment.count::<user_audit_log::Entity>(updated).await > 0);
    deployment.first().expect_undelivered();
}

// H21: a sign-in beside the suspension gives nothing that outlives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_slips_in_while_they_are_suspended() {
    let deployment = Deployment::start_with(|config| {
        config.lockout.failures = 1_000;
        config.lockout.in_a_row = 10_000;
    })
    .await;
    let admin = deployment.first().administrator("root@example.com").await;
    let ada = account(deployment.first(), "ada@example.com").await;
    for _ in 0..6 {
        let visitors: Vec<_> = (0..8).map(|n| deployment.nth(n).app_user()).collect();
        let sign_ins = join_all(visitors.iter().map(|visitor| visitor.try_sign_in("ada@example.com", crate::support::PASSWORD)));
        let (status, sign_ins) = tokio::join!(admin.try_set_status(&ada.user_id, "SUSPENDED"), sign_ins);
        status.expect_done();
        for answer in &sign_ins {
            assert!(["DONE", "ACCOUNT_SUSPENDED", "CREDENTIALS_INVALID"].contains(&super::outcome(answer).as_str()), "{}", answer.body);
        }
        let live = everything()
            .add(entity::user_sessions::Column::UserId.eq(uuid::Uuid::parse_str(&ada.user_id).unwrap()))
            .add(entity::user_sessions::Column::Status.eq(entity::user_sessions::Status::Active));
        assert_eq!(deployment.count::<entity::user_sessions::Entity>(live).await, 0);
        admin.try_set_status(&ada.user_id, "ACTIVE").await.expect_done();
    }
    deployment.first().expect_undelivered();
}
