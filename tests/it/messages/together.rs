//! Messages that are leased together.

use std::{collections::HashSet, time::Duration};

use entity::messages::State;
use postern::{
    jobs::deliver_messages::{Pace, Sinks},
    outbound::message::{Delivery, MessageSecret},
};
use tokio_util::sync::CancellationToken;

use super::setting::{House, SOON, houses};
use crate::support::until;

// Where sign-ups come one after the other, a look for each would cost more than the messages do.
#[tokio::test]
async fn messages_that_come_close_together_are_sent_together() {
    for house in houses().await {
        let shutdown = CancellationToken::new();
        let breath = Duration::from_millis(500);
        let pace = Pace { tick: Duration::from_hours(1), concurrency: 64, busy_from: 2, breath, ..Pace::default() };
        let running = tokio::spawn(house.courier_to(Sinks::dev_inbox(), pace).run(shutdown.clone()));
        for number in 0..30 {
            house.enqueue(house.sign_up_code(&format!("a{number}@example.com"))).await;
            house.clock.advance(Duration::from_millis(1));
            house.bell.ring();
        }
        until("all arrive", SOON, async || house.rows().await.iter().all(|row| row.state == State::Sent)).await;
        let moments: HashSet<_> = house.rows().await.into_iter().map(|row| row.sent_at).collect();
        assert!(moments.len() < 10, "{moments:?}");
        assert_eq!(house.inbox().await.len(), 30);
        shutdown.cancel();
        running.await.expect("a clean end");
        house.end().await;
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_until_more_has_come() {
    let house = House::on_sqlite().await;
    let shutdown = CancellationToken::new();
    let pace = Pace { tick: Duration::from_hours(1), busy_from: 0, breath: Duration::from_hours(1), ..Pace::default() };
    let running = tokio::spawn(house.courier_to(Sinks::dev_inbox(), pace).run(shutdown.clone()));
    let first = house.enqueue(house.sign_up_code("a@example.com")).await;
    house.bell.ring();
    until("the first one arrives at once", SOON, async || house.row(first).await.state == State::Sent).await;
    let second = house.enqueue(house.sign_up_code("b@example.com")).await;
    house.bell.ring();
    shutdown.cancel();
    running.await.expect("a clean end");
    assert_eq!(house.row(second).await.state, State::Sent);
    house.end().await;
}

#[tokio::test]
async fn what_cannot_be_sent_holds_nothing_back_that_was_leased_with_it() {
    for house in houses().await {
        let good = house.enqueue(house.sign_up_code("a@example.com")).await;
        let mut late = house.sign_up_code("b@example.com");
        late.expires_at = house.clock.now();
        let late = house.enqueue(late).await;
        let mut decoy = house.sign_up_code("c@example.com");
        decoy.delivery = Delivery::Decoy;
        let decoy = house.enqueue(decoy).await;
        let mut unread = house.sign_up_code("d@example.com");
        unread.secret = MessageSecret::none();
        let other = house.enqueue(unread).await;
        sea_orm::ConnectionTrait::execute_unprepared(
            house.database.write(),
            "UPDATE messages SET template = 'of_another_version' WHERE recipient = 'd@example.com'",
        )
        .await
        .expect("changed");
        assert_eq!(house.courier().deliver_due().await.expect("attempted"), 4);
        let mut states = Vec::new();
        for id in [good, late, decoy, other] {
            states.push(house.row(id).await.state);
        }
        assert_eq!(states, [State::Sent, State::Expired, State::Discarded, State::Pending]);
        let received: Vec<_> = house.inbox().await.into_iter().map(|message| message.recipient).collect();
        assert_eq!(received, ["a@example.com"]);
        house.end().await;
    }
}
