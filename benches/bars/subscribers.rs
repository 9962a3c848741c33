//! How soon many subscribers have an event each, and what a socket weighs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::users::Status;
use futures::{StreamExt, stream};

use super::{
    figures::millis,
    gateway::Backing,
    people::{self, Client},
    report::{Bar, Report, Row},
    socket::Socket,
};

const PEOPLE: usize = 100;
/// As many as one user may have.
const SOCKETS_EACH: usize = 20;
const SUBSCRIBERS: usize = PEOPLE * SOCKETS_EACH;
/// At once: an address may have only so many that belong to nobody yet.
const OPENING: usize = 50;
const SETTLE: Duration = Duration::from_secs(12);

pub async fn measure(backing: &Backing, report: &mut Report) {
    let place = backing.place().await;
    let gateway = Arc::new(place.start().await);
    people::add(&place.database().await, "person", PEOPLE, Status::Active).await;
    let client = Client::of(&gateway);
    let (mut owners, mut others) = (Vec::new(), Vec::new());
    for number in 0..PEOPLE {
        let owner = client.sign_in(&people::email("person", number), None).await;
        others.push(client.sign_in(&people::email("person", number), Some(&owner.device_token)).await);
        owners.push(owner);
    }
    // The password threads give their memory back after a while without work.
    tokio::time::sleep(SETTLE).await;
    let before = gateway.memory_kib();
    let sockets: Vec<Socket> = stream::iter(0..SUBSCRIBERS)
        .map(|number| {
            let (gateway, owner) = (Arc::clone(&gateway), owners[number % PEOPLE].clone());
            async move { Socket::open(&gateway, &owner).await }
        })
        .buffer_unordered(OPENING)
        .collect()
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let each = (gateway.memory_kib() - before) / SUBSCRIBERS as f64;

    let begun = Instant::now();
    let told: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            tokio::spawn(async move {
                let event = socket.next().await.unwrap();
                assert_eq!(event["payload"]["data"]["sessionEvents"]["kind"], "REVOKED", "{event}");
                // Kept open until all have theirs.
                (begun.elapsed(), socket)
            })
        })
        .collect();
    // Each person ends another session of theirs: one event for each of their sockets.
    let revoked = stream::iter(owners.iter().zip(&others)).for_each_concurrent(16, |(owner, other)| client.revoke(owner, &other.id));
    let (told, ()) = tokio::join!(futures::future::join_all(told), revoked);
    let last = told.iter().map(|told| told.as_ref().unwrap().0).max().unwrap();
    report.add(Row {
        what: format!("{SUBSCRIBERS} subscribers have one event each, the last one"),
        on: backing.name,
        bar: Bar::Below(1000.0, "ms"),
        figure: millis(last),
        remark: format!("from the first of the {PEOPLE} mutations that cause them"),
    });
    report.add(Row {
        what: "memory of a subscribed socket".to_owned(),
        on: backing.name,
        bar: Bar::AtMost(40.0, "KiB"),
        figure: each,
        remark: format!("resident memory before and with {SUBSCRIBERS}"),
    });
}
