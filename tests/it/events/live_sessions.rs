//! What is kept in memory is believed only as long as it is known to be true.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use entity::{account_events::Kind, users};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::world::{until, worlds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_session_costs_no_round_trip() {
    for world in worlds().await {
        let user = world.user().await;
        let session = world.session(user).await;
        let instance = world.instance().await;
        let now = world.clock.now();
        let first = instance.live.get(session, now).await.unwrap().unwrap();
        let statements = instance.database.statements();
        for _ in 0..1000 {
            let again = instance.live.get(session, now).await.unwrap().unwrap();
            assert!(std::sync::Arc::ptr_eq(&first, &again));
        }
        assert_eq!((instance.live.reads(), instance.database.statements()), (1, statements));
        assert!(instance.live.get(world.entropy.uuid(now), now).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_drop_what_they_change() {
    for world in worlds().await {
        let user = world.user().await;
        let session = world.session(user).await;
        let (one, two) = (world.instance().await, world.instance().await);
        let now = world.clock.now();
        assert!(two.live.get(session, now).await.unwrap().is_some());
        users::Entity::update_many()
            .col_expr(users::Column::Role, Expr::value(users::Role::Admin))
            .filter(users::Column::Id.eq(user))
            .exec(world.database.write())
            .await
            .unwrap();
        let rows = world.write(&[world.event(Kind::RoleChanged, user, None)]).await;
        one.events.publish(&rows);
        assert_eq!(one.live.get(session, now).await.unwrap().unwrap().user.role, users::Role::Admin);
        // The other one was not told; its reader finds it.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(two.live.get(session, now).await.unwrap().unwrap().user.role, users::Role::Admin);
        assert_eq!(two.live.reads(), 2);

        users::Entity::update_many()
            .col_expr(users::Column::Status, Expr::value(users::Status::Suspended))
            .filter(users::Column::Id.eq(user))
            .exec(world.database.write())
            .await
            .unwrap();
        one.live.invalidate_user(user);
        assert!(one.live.get(session, now).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_fill_never_brings_a_revoked_session_back() {
    for world in worlds().await {
        let user = world.user().await;
        let instance = world.instance().await;
        let now = world.clock.now();
        for _ in 0..25 {
            let session = world.session(user).await;
            let stop = AtomicBool::new(false);
            // Changes that are announced at once keep the readers reading while the session is revoked.
            let reading = async || {
                while !stop.load(Ordering::SeqCst) {
                    instance.live.get(session, now).await.unwrap();
                    instance.live.invalidate(session);
                    tokio::task::yield_now().await;
                }
            };
            let revoking = async {
                let rows = world.revoke(user, session).await;
                instance.events.publish(&rows);
                for _ in 0..20 {
                    assert!(instance.live.get(session, now).await.unwrap().is_none(), "{:?}", world.backend());
                }
                stop.store(true, Ordering::SeqCst);
            };
            tokio::join!(reading(), reading(), reading(), revoking);
            assert!(instance.live.get(session, now).await.unwrap().is_none());
        }
        until("the log was read", || instance.events.freshness().is_current()).await;
    }
}
