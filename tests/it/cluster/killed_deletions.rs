//! The real program killed in the middle of deletions.

use std::collections::HashMap;

use entity::{account_events, leases, messages, user_audit_log, user_sessions, users};
use postern::clock::{Clock, Timestamp};
use sea_orm::{ColumnTrait, Database, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use crate::{
    ephemeral::redis_process::eventually,
    support::{PASSWORD, Process},
};

const ACCOUNTS: usize = 400;
const ROUNDS: u64 = 3;
const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// Accounts that asked to be deleted long ago, each with a session that is over.
async fn fill(database: &DatabaseConnection, template: &users::Model, session: &user_sessions::Model) {
    use sea_orm::ActiveModelTrait as _;
    let now = Clock::system().now();
    let ids: Vec<Uuid> = (0..ACCOUNTS).map(|_| postern::entropy::Entropy::system().uuid(now)).collect();
    for (part, ids) in ids.chunks(50).enumerate() {
        let accounts = ids.iter().enumerate().map(|(number, id)| {
            let user = users::Model {
                id: *id,
                email: Some(format!("leaving{}@example.com", part * 50 + number)),
                deletion_scheduled_at: Some(now - DAY),
                ..template.clone()
            };
            users::ActiveModel::from(user).reset_all()
        });
        users::Entity::insert_many(accounts).exec_without_returning(database).await.unwrap();
        let sessions = ids.iter().map(|id| {
            let over = user_sessions::Model {
                id: postern::entropy::Entropy::system().uuid(now),
                user_id: *id,
                known_device_id: None,
                expires_at: now + DAY,
                ..session.clone()
            };
            user_sessions::ActiveModel::from(over).reset_all()
        });
        user_sessions::Entity::insert_many(sessions).exec_without_returning(database).await.unwrap();
    }
}

/// Whoever is gone is gone wholly, and told once; whoever is still there is there wholly.
async fn assert_whole(database: &DatabaseConnection) -> u64 {
    let left = users::Entity::find().filter(users::Column::DeletionScheduledAt.is_not_null()).all(database).await.unwrap();
    let mut sessions: HashMap<Uuid, usize> = HashMap::new();
    for session in user_sessions::Entity::find().all(database).await.unwrap() {
        *sessions.entry(session.user_id).or_default() += 1;
    }
    assert!(left.iter().all(|user| sessions.get(&user.id) == Some(&1)), "an account lost its session before it went");
    let deleted = account_events::Entity::find().filter(account_events::Column::Kind.eq(account_events::Kind::Deleted));
    let deleted = deleted.all(database).await.unwrap();
    let mut told: Vec<Uuid> = deleted.iter().map(|event| event.user_id).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!((deleted.len(), told.len() + left.len()), (told.len(), ACCOUNTS));
    assert!(left.iter().all(|user| !told.contains(&user.id)));
    let revoked = account_events::Entity::find().filter(account_events::Column::Kind.eq(account_events::Kind::SessionRevoked));
    assert_eq!(revoked.count(database).await.unwrap(), told.len() as u64);
    let audited = user_audit_log::Entity::find().filter(user_audit_log::Column::EventType.eq("account_deleted"));
    assert_eq!(audited.count(database).await.unwrap(), told.len() as u64);
    told.len() as u64
}

// H26: no account is deleted by halves, none is told twice, and all go in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_deletions_nothing_is_half_done() {
    let mut process = Process::start_with(&[("POSTERN_CLEAN_UP__EVERY", "100ms")]).await;
    process.app_user().becomes_member("stays@example.com").await;
    let database = Database::connect(&process.database_url).await.unwrap();
    let template = users::Entity::find().one(&database).await.unwrap().unwrap();
    let session = user_sessions::Entity::find().one(&database).await.unwrap().unwrap();
    // Somebody else has the turn while the table is filled.
    let busy = leases::Entity::update_many()
        .col_expr(leases::Column::Holder, Expr::value("the test"))
        .col_expr(leases::Column::Until, Expr::value(Clock::system().now() + DAY));
    eventually("somebody tidies up", async || busy.clone().exec(&database).await.unwrap().rows_affected == 1).await;
    fill(&database, &template, &session).await;
    let gone = async || {
        account_events::Entity::find()
            .filter(account_events::Column::Kind.eq(account_events::Kind::Deleted))
            .count(&database)
            .await
            .unwrap()
    };
    for round in 1..=ROUNDS {
        // As when the lease of the one that was killed has run out.
        leases::Entity::update_many()
            .col_expr(leases::Column::Until, Expr::value(Timestamp::from_millis(0)))
            .exec(&database)
            .await
            .unwrap();
        let some = ACCOUNTS as u64 * round / (ROUNDS + 1);
        eventually("some are deleted", async || gone().await >= some).await;
        process.kill();
        let so_far = assert_whole(&database).await;
        assert!(so_far >= some);
        process = process.restart().await;
    }
    leases::Entity::update_many().col_expr(leases::Column::Until, Expr::value(Timestamp::from_millis(0))).exec(&database).await.unwrap();
    eventually("all are deleted", async || gone().await == ACCOUNTS as u64).await;
    assert_eq!(assert_whole(&database).await, ACCOUNTS as u64);
    process.app_user().sign_in("stays@example.com", PASSWORD).await;
    // Every one of them gets the message about it, once, and nothing of it stays.
    // Those that were on their way at a kill wait for the end of their lease; here too it has run out.
    let waiting = messages::Entity::update_many().col_expr(messages::Column::NextAttemptAt, Expr::value(Timestamp::from_millis(0)));
    waiting.filter(messages::Column::State.eq(messages::State::Pending)).exec(&database).await.unwrap();
    let farewells = messages::Entity::find().filter(messages::Column::Template.eq("account_deleted"));
    eventually("no farewell is left", async || farewells.clone().count(&database).await.unwrap() == 0).await;
    database.close().await.unwrap();
}
