//! How soon the end of a session on one instance closes its socket on another one.

use std::time::Instant;

use entity::users::Status;

use super::{
    figures::{median, millis, percentile},
    gateway::Backing,
    people::{self, Client},
    report::{Bar, Report, Row},
    socket::Socket,
};

const TRIES: usize = 200;
const PEOPLE: usize = 10;

pub async fn measure(backing: &Backing, report: &mut Report) {
    let mut place = backing.place().await;
    // Behind one name, as with a load balancer: tokens of one hold at the other.
    place.set("POSTERN_HTTP__PUBLIC_URL", "http://localhost:4000");
    let (here, there) = (place.start().await, place.start().await);
    people::add(&place.database().await, "person", PEOPLE, Status::Active).await;
    let client = Client::of(&here);
    let mut owners = Vec::new();
    for number in 0..PEOPLE {
        owners.push(client.sign_in(&people::email("person", number), None).await);
    }
    let mut took = Vec::with_capacity(TRIES);
    for number in 0..TRIES {
        let owner = &owners[number % PEOPLE];
        let session = client.sign_in(&people::email("person", number % PEOPLE), Some(&owner.device_token)).await;
        let mut socket = Socket::open(&there, &session).await;
        let begun = Instant::now();
        let closing = tokio::spawn(async move {
            let code = socket.closed().await;
            (code, begun.elapsed())
        });
        client.revoke(owner, &session.id).await;
        let (code, elapsed) = closing.await.unwrap();
        assert_eq!(code, 4401);
        took.push(millis(elapsed));
    }
    report.add(Row {
        what: format!("revoked on one instance → socket closed on the other, p99 of {TRIES}"),
        on: backing.name,
        bar: Bar::Below(250.0, "ms"),
        figure: percentile(took.iter().copied(), 99.0),
        remark: format!("median {:.1} ms, from the request to revoke", median(took)),
    });
}
