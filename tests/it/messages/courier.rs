//! The courier: once, in time, and never in a request's way.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use entity::Channel;
use entity::messages::State;
use postern::{
    flows::enqueue_message,
    jobs::deliver_messages::{Inbox, Pace, Sinks},
    outbound::message::{Delivery, MessageSecret, Template},
    storage::{
        batch::Batch,
        messages::{self, Lease, Outcome, Which},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    fake_smtp::{FakeSmtp, Mood, free_port},
    setting::{CODE, House, LINK_TOKEN, SOON, houses, mailer, secret_box_of},
};
use crate::support::until;

const SEND: Duration = Duration::from_secs(5);

fn by_mail(port: u16, timeout: Duration) -> Sinks {
    Sinks::with_mail(mailer(port, timeout), Inbox::Open)
}

#[tokio::test]
async fn a_committed_message_arrives_and_one_that_rolled_back_does_not() {
    for house in houses().await {
        let shutdown = CancellationToken::new();
        // A tick that never comes: the bell alone must do.
        let pace = Pace { tick: Duration::from_hours(1), ..Pace::default() };
        let running = tokio::spawn(house.courier_to(Sinks::dev_inbox(), pace).run(shutdown.clone()));

        let transaction = house.database.begin().await.expect("a transaction");
        let lost = house.sign_up_code("lost@example.com");
        let mut batch = Batch::default();
        enqueue_message::run(&mut batch, &house.secret_box, &house.entropy, lost);
        batch.run(&transaction).await.expect("enqueued");
        transaction.rollback().await.expect("rolled back");
        let id = house.enqueue(house.sign_up_code("a@example.com")).await;
        house.bell.ring();

        until("the message arrives", SOON, async || house.row(id).await.state == State::Sent).await;
        let inbox = house.inbox().await;
        assert_eq!(inbox.len(), 1);
        let message = &inbox[0];
        assert_eq!((message.id, message.recipient.as_str(), message.channel), (id, "a@example.com", Channel::Email));
        assert_eq!(message.content.code.as_deref(), Some(CODE));
        let link = format!("http://localhost:4000/verify-email?token={LINK_TOKEN}&challenge=00000000-0000-0000-0000-000000000001");
        assert_eq!(message.content.link.as_deref(), Some(link.as_str()));
        assert!(message.content.text.contains(CODE) && message.content.text.contains(&link));
        let row = house.row(id).await;
        assert_eq!((row.secret_sealed, row.sent_at, row.attempts), (None, Some(house.clock.now()), 1));
        shutdown.cancel();
        running.await.expect("a clean end");
        house.end().await;
    }
}

#[tokio::test]
async fn codes_and_link_tokens_are_nowhere_in_clear() {
    for house in houses().await {
        house.enqueue(house.sign_up_code("a@example.com")).await;
        for _ in 0..2 {
            let stored = house.everything_stored().await;
            assert!(!stored.contains(CODE) && !stored.contains(LINK_TOKEN));
            house.courier().deliver_due().await.expect("delivered");
        }
        assert_eq!(house.inbox().await.len(), 1);
        house.end().await;
    }
}

#[tokio::test]
async fn a_decoy_looks_like_a_message_and_reaches_nobody() {
    for house in houses().await {
        let server = FakeSmtp::start(Mood::Well).await;
        let real = house.enqueue(house.sign_up_code("a@example.com")).await;
        let mut decoy = house.sign_up_code("b@example.com");
        decoy.delivery = Delivery::Decoy;
        let decoy = house.enqueue(decoy).await;
        let (mut left, mut right) = (house.row(real).await, house.row(decoy).await);
        assert_eq!(left.secret_sealed.take().map(|sealed| sealed.len()), right.secret_sealed.take().map(|sealed| sealed.len() - 1));
        (right.id, right.recipient) = (left.id, left.recipient.clone());
        assert_eq!(left, right);

        house.courier_to(by_mail(server.port, SEND), Pace::default()).deliver_due().await.expect("delivered");
        assert_eq!(server.count(), 1);
        let row = house.row(decoy).await;
        assert_eq!((row.state, row.secret_sealed, row.sent_at), (State::Discarded, None, None));
        house.end().await;
    }
}

#[tokio::test]
async fn two_instances_deliver_each_message_once() {
    for house in houses().await {
        let server = FakeSmtp::start(Mood::Well).await;
        for number in 0..60 {
            house.enqueue(house.sign_up_code(&format!("a{number}@example.com"))).await;
        }
        let [one, two] = [(); 2].map(|()| house.courier_to(by_mail(server.port, SEND), Pace::default()));
        let (one, two) = tokio::join!(one.deliver_due(), two.deliver_due());
        assert_eq!(one.expect("delivered") + two.expect("delivered"), 60);
        assert_eq!(server.count(), 60);
        assert!(house.rows().await.iter().all(|row| row.state == State::Sent && row.attempts == 1 && row.secret_sealed.is_none()));
        house.end().await;
    }
}

#[tokio::test]
async fn a_server_that_is_down_delays_and_loses_nothing() {
    for house in houses().await {
        let port = free_port().await;
        let courier = house.courier_to(by_mail(port, SEND), Pace::default());
        for number in 0..40 {
            house.enqueue(house.sign_up_code(&format!("a{number}@example.com"))).await;
        }
        assert_eq!(courier.deliver_due().await.expect("attempted"), 40);
        let rows = house.rows().await;
        assert!(rows.iter().all(|row| row.state == State::Pending && row.secret_sealed.is_some() && row.last_error.is_some()));
        assert!(rows.iter().all(|row| row.next_attempt_at > house.clock.now()));
        assert!(rows.iter().map(|row| row.next_attempt_at).collect::<HashSet<_>>().len() > 20, "they do not come back together");
        for _ in 0..20 {
            house.clock.advance(Duration::from_secs(30));
            courier.deliver_due().await.expect("attempted");
        }
        assert!(house.rows().await.iter().all(|row| row.state == State::Pending && row.attempts < 15));

        let server = FakeSmtp::start_on(port, Mood::Well).await;
        house.clock.advance(Duration::from_mins(2));
        courier.deliver_due().await.expect("delivered");
        assert_eq!(server.count(), 40);
        let mails = server.mails.lock().expect("a lock").clone();
        for row in house.rows().await {
            assert_eq!(row.state, State::Sent);
            assert!(mails.iter().any(|mail| mail.contains(&format!("Message-ID: <{}@postern.test>", row.id))));
        }
        house.end().await;
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_holds_nobody_for_long() {
    for mood in [Mood::Silent, Mood::SilentAtTheEnd] {
        let house = House::on_sqlite().await;
        let server = FakeSmtp::start(mood).await;
        let courier = house.courier_to(by_mail(server.port, Duration::from_millis(200)), Pace::default());
        let id = house.enqueue(house.sign_up_code("a@example.com")).await;
        let begun = Instant::now();
        courier.deliver_due().await.expect("attempted");
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert_eq!(house.row(id).await.state, State::Pending);

        // What is tried again must not find the dialogue of the first attempt.
        let better = FakeSmtp::start(Mood::Well).await;
        house.clock.advance(Duration::from_secs(10));
        house.courier_to(by_mail(better.port, SEND), Pace::default()).deliver_due().await.expect("delivered");
        assert_eq!((house.row(id).await.state, better.count()), (State::Sent, 1));
        house.end().await;
    }
}

#[tokio::test]
async fn the_server_decides_whether_to_try_again() {
    for (answer, state, told) in [
        // Filters quote what they refuse: none of it may stand in the log or the database.
        ("550 5.7.1 Your code: 123456 https://h/verify-email?token=abc for <a@example.com>", State::Dead, "the server answered 550 5.7.1"),
        ("553 no such name", State::Dead, "the server answered 553"),
        ("451 4.7.1 greylisted by 192.0.2.1", State::Pending, "the server answered 451 4.7.1"),
        ("530 authenticate first", State::Pending, "the server answered 530"),
    ] {
        let house = House::on_sqlite().await;
        let server = FakeSmtp::start(Mood::Rcpt(answer)).await;
        let id = house.enqueue(house.sign_up_code("a@example.com")).await;
        house.courier_to(by_mail(server.port, SEND), Pace::default()).deliver_due().await.expect("attempted");
        let row = house.row(id).await;
        assert_eq!(row.state, state, "{answer}: {:?}", row.last_error);
        assert_eq!(row.secret_sealed.is_some(), state == State::Pending);
        assert_eq!(row.last_error.as_deref(), Some(told));
        house.end().await;
    }
}

/// Longer than anybody here waits.
const FOR_EVER: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_recipient_that_the_server_is_long_about_holds_nobody_up() {
    let house = House::on_sqlite().await;
    let server = FakeSmtp::start(Mood::SilentAbout("slow")).await;
    // More than are attempted at a time, and all of them attempted before.
    for number in 0..2 * Pace::default().concurrency {
        house.enqueue(house.sign_up_code(&format!("slow{number}@example.com"))).await;
    }
    house.courier_to(by_mail(server.port, Duration::from_millis(100)), Pace::default()).deliver_due().await.expect("attempted");
    house.clock.advance(Duration::from_mins(5));
    let courier = house.courier_to(by_mail(server.port, FOR_EVER), Pace::default());
    let running = tokio::spawn(courier.run(CancellationToken::new()));
    let again = async || house.rows().await.iter().filter(|row| row.attempts == 2).count();
    until("half of the room is full of them", SOON, async || again().await == Pace::default().concurrency / 2).await;
    house.enqueue(house.sign_up_code("ann@example.com")).await;
    house.enqueue(house.sign_up_code("bob@example.com")).await;
    until("others are served", SOON, async || server.count() == 2).await;
    assert_eq!(again().await, Pace::default().concurrency / 2);
    running.abort();
    house.end().await;
}

#[tokio::test]
async fn whoever_waits_for_a_slow_server_is_not_cut_off_in_the_middle() {
    let house = House::on_sqlite().await;
    let server = FakeSmtp::start(Mood::Slow(Duration::from_millis(400))).await;
    for number in 0..6 {
        house.enqueue(house.sign_up_code(&format!("n{number}@example.com"))).await;
    }
    // One after the other they take far longer than one of them may.
    let delivered = house.courier_to(by_mail(server.port, Duration::from_secs(1)), Pace::default()).deliver_due().await.expect("attempted");
    assert_eq!((delivered, server.count()), (6, 6));
    assert!(house.rows().await.iter().all(|row| row.state == State::Sent && row.attempts == 1));
    house.end().await;
}

#[tokio::test]
async fn an_expired_message_is_not_sent_and_one_is_dead_after_a_day() {
    for house in houses().await {
        let port = free_port().await;
        let courier = house.courier_to(by_mail(port, SEND), Pace::default());
        let mut short = house.sign_up_code("short@example.com");
        short.expires_at = house.clock.now() + Duration::from_mins(10);
        let short = house.enqueue(short).await;
        let long = house.enqueue(house.sign_up_code("long@example.com")).await;
        courier.deliver_due().await.expect("attempted");

        let server = FakeSmtp::start_on(port, Mood::Well).await;
        house.clock.advance(Duration::from_mins(10));
        courier.deliver_due().await.expect("delivered");
        let row = house.row(short).await;
        assert_eq!((row.state, row.secret_sealed, row.sent_at), (State::Expired, None, None));
        assert_eq!((house.row(long).await.state, server.count()), (State::Sent, 1));

        let courier = house.courier_to(by_mail(free_port().await, SEND), Pace::default());
        let late = house.enqueue(house.sign_up_code("late@example.com")).await;
        for _ in 0..26 {
            house.clock.advance(Duration::from_hours(1));
            courier.deliver_due().await.expect("attempted");
        }
        let row = house.row(late).await;
        assert_eq!((row.state, row.secret_sealed, row.sent_at), (State::Dead, None, None));
        assert!(row.last_error.is_some());
        house.end().await;
    }
}

#[tokio::test]
async fn a_killed_instances_message_is_taken_over() {
    for house in houses().await {
        let id = house.enqueue(house.sign_up_code("a@example.com")).await;
        let now = house.clock.now();
        let leased = messages::lease_due(house.database.write(), Which::New, now, now + Duration::from_mins(1), 10).await.expect("leased");
        let lease = Lease::of(&leased[0]);
        assert_eq!((leased.len(), lease), (1, Lease { id, attempt: 1 }));
        assert_eq!(house.courier().deliver_due().await.expect("nothing"), 0, "it is somebody else's");

        house.clock.advance(Duration::from_mins(1));
        assert_eq!(house.courier().deliver_due().await.expect("delivered"), 1);
        let late = Outcome::Postponed { until: house.clock.now(), error: "too late".to_owned() };
        assert!(!messages::settle(house.database.write(), lease, late, house.clock.now()).await.expect("settled"));
        assert_eq!(messages::settle_sent(house.database.write(), &[lease], house.clock.now()).await.expect("settled"), 0);
        let row = house.row(id).await;
        assert_eq!((row.state, row.attempts, row.last_error), (State::Sent, 2, None));
        assert_eq!(house.inbox().await.len(), 1);
        house.end().await;
    }
}

#[tokio::test]
async fn shutdown_delivers_what_is_due_and_waits_for_nothing_else() {
    let house = House::on_sqlite().await;
    let shutdown = CancellationToken::new();
    for number in 0..20 {
        house.enqueue(house.sign_up_code(&format!("a{number}@example.com"))).await;
    }
    shutdown.cancel();
    house.courier().run(shutdown.clone()).await;
    assert_eq!(house.inbox().await.len(), 20);

    let silent = FakeSmtp::start(Mood::Silent).await;
    let id = house.enqueue(house.sign_up_code("b@example.com")).await;
    let pace = Pace { flush: Duration::from_millis(200), ..Pace::default() };
    let begun = Instant::now();
    house.courier_to(by_mail(silent.port, Duration::from_secs(20)), pace).run(shutdown).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(house.row(id).await.state, State::Pending);
    house.end().await;
}

#[tokio::test]
async fn text_messages_go_to_the_inbox_in_development_and_nowhere_in_production() {
    for (inbox, state) in [(Inbox::Open, State::Sent), (Inbox::Closed, State::Dead)] {
        let house = House::on_sqlite().await;
        let server = FakeSmtp::start(Mood::Well).await;
        let mut message = house.sign_up_code("+66812345678");
        message.channel = Channel::Sms;
        message.locale = "th-TH".to_owned();
        let id = house.enqueue(message).await;
        house.courier_to(Sinks::with_mail(mailer(server.port, SEND), inbox), Pace::default()).deliver_due().await.expect("attempted");
        let row = house.row(id).await;
        assert_eq!((row.state, row.secret_sealed, server.count()), (state, None, 0));
        let received = house.inbox().await;
        assert_eq!(received.len(), usize::from(state == State::Sent));
        for message in received {
            assert_eq!((message.content.subject, message.content.html, message.content.link), (None, None, None));
            assert!(message.content.text.starts_with(CODE) && message.content.text.contains("รหัส"));
        }
        house.end().await;
    }
}

#[tokio::test]
async fn what_this_instance_cannot_read_waits_for_one_that_can() {
    let house = House::on_sqlite().await;
    let id = house.enqueue(house.sign_up_code("a@example.com")).await;
    let mut stranger = House::on_sqlite().await;
    stranger.secret_box = secret_box_of("another secret, as long as it has to be");
    stranger.database = house.database.clone();
    stranger.courier().deliver_due().await.expect("attempted");
    assert_eq!(house.row(id).await.state, State::Pending);
    house.clock.advance(Duration::from_secs(10));
    house.courier().deliver_due().await.expect("delivered");
    assert_eq!(house.row(id).await.state, State::Sent);
    stranger.end().await;
}

#[tokio::test]
async fn the_courier_survives_a_database_that_is_away() {
    let house = House::on_sqlite().await;
    let shutdown = CancellationToken::new();
    let pace = Pace { tick: Duration::from_millis(10), flush: Duration::from_millis(100), ..Pace::default() };
    let running = tokio::spawn(house.courier_to(Sinks::dev_inbox(), pace).run(shutdown.clone()));
    sea_orm::ConnectionTrait::execute_unprepared(house.database.write(), "ALTER TABLE messages RENAME TO elsewhere")
        .await
        .expect("renamed");
    tokio::time::sleep(Duration::from_millis(100)).await;
    sea_orm::ConnectionTrait::execute_unprepared(house.database.write(), "ALTER TABLE elsewhere RENAME TO messages")
        .await
        .expect("renamed");
    let mut message = house.sign_up_code("a@example.com");
    message.template = Template::AccountCreated {};
    message.secret = MessageSecret::none();
    let id = house.enqueue(message).await;
    until("it goes on", SOON, async || house.row(id).await.state == State::Sent).await;
    shutdown.cancel();
    running.await.expect("a clean end");
    house.end().await;
}
