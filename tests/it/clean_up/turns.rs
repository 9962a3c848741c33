//! Whose turn it is.

use std::{sync::Arc, time::Duration};

use entity::leases;
use postern::jobs::clean_up;
use sea_orm::EntityTrait;
use tokio_util::sync::CancellationToken;

use super::{tidy, try_tidy};
use crate::support::{Gateway, until_some};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_instance_at_a_time_has_its_turn() {
    let gateway = Gateway::start().await;
    let beside = gateway.start_beside().await;
    for round in 0..10 {
        let turns = [&gateway, &beside].map(|gateway| {
            let app = Arc::clone(gateway.app());
            let holder = format!("{round} at {}", gateway.address);
            tokio::spawn(async move { clean_up::turn(&app, &holder, &CancellationToken::new()).await.unwrap() })
        });
        let mut had = 0;
        for turn in turns {
            had += usize::from(turn.await.unwrap().is_some());
        }
        assert_eq!(had, 1, "round {round}");
        // The others do not do the same again before the next turn is due.
        assert!(try_tidy(&beside, "a third one").await.is_none());
        gateway.advance(gateway.config.clean_up.every);
    }
}

// What kill -9 leaves behind is a lease that nobody renews: another one goes on when it has run out.
#[tokio::test]
async fn a_lease_that_nobody_renews_runs_out() {
    let gateway = Gateway::start_with(|config| config.clean_up.every = Duration::from_hours(1)).await;
    let now = gateway.clock.now();
    let lease = leases::Model {
        job: "clean up".to_owned(),
        holder: "killed".to_owned(),
        until: now + Duration::from_secs(30),
        position: None,
        updated_at: now,
    };
    leases::Entity::insert(leases::ActiveModel::from(lease)).exec_without_returning(&gateway.database().await).await.unwrap();
    assert!(try_tidy(&gateway, "another").await.is_none());
    gateway.advance(Duration::from_secs(30));
    assert!(try_tidy(&gateway, "another").await.is_some());
}

// One that is told to stop leaves the rest to the next turn, and gives its lease back.
#[tokio::test]
async fn a_turn_stops_when_the_program_does() {
    let gateway = Gateway::start_with(|config| config.clean_up.every = Duration::from_millis(20)).await;
    let database = gateway.database().await;
    let holder = async || leases::Entity::find_by_id("clean up").one(&database).await.unwrap();
    until_some("somebody tidies up", Duration::from_secs(5), holder).await;
    let gateway = gateway.restart().await;
    gateway.advance(Duration::from_millis(1));
    // Whoever comes next need not wait for the lease to run out.
    tidy_soon(&gateway).await;
}

async fn tidy_soon(gateway: &Gateway) {
    tidy(gateway).await;
}
