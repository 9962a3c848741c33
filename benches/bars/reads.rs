//! What it costs to know who asks: `me` on a warm session beside the cheapest operation there is, through the same entry.

use entity::users::Status;

use super::{
    figures::median,
    gateway::Backing,
    people::{self, Client},
    report::{Bar, Report, Row},
    wrk,
};

const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
const CONNECTIONS: u32 = 32;

pub async fn measure(backing: &Backing, report: &mut Report) {
    let place = backing.place().await;
    let gateway = place.start().await;
    people::add(&place.database().await, "reader", 1, Status::Active).await;
    let session = Client::of(&gateway).sign_in(&people::email("reader", 0), None).await;
    let token = Some(session.access_token.as_str());
    let (mut bare, mut me) = (Vec::new(), Vec::new());
    wrk::run(&gateway, "{ me { id email } }", token, "reader0@example.com", CONNECTIONS, 2).await;
    for _ in 0..ROUNDS {
        bare.push(wrk::run(&gateway, "{ __typename }", None, "Query", CONNECTIONS, SECONDS).await);
        me.push(wrk::run(&gateway, "{ me { id email } }", token, "reader0@example.com", CONNECTIONS, SECONDS).await);
    }
    let rate = |loads: &[wrk::Load]| median(loads.iter().map(|load| load.per_second));
    let p99 = median(me.iter().map(|load| load.p99));
    let ratio = median(me.iter().zip(&bare).map(|(me, bare)| me.per_second / bare.per_second * 100.0));
    report.add(Row {
        what: "signed-in `me { id email }` on a warm session, of `{ __typename }`".to_owned(),
        on: backing.name,
        bar: Bar::AtLeast(60.0, "%"),
        figure: ratio,
        remark: format!("{:.0} of {:.0} requests/s, p99 {p99:.1} ms", rate(&me), rate(&bare)),
    });
}
