//! How soon a new deployment answers, and what it takes while nobody asks.

use std::time::Duration;

use super::{
    figures::{median, millis},
    gateway::Backing,
    report::{Bar, Report, Row},
};

const STARTS: usize = 5;
const IDLE: Duration = Duration::from_secs(12);

pub async fn measure(backing: &Backing, report: &mut Report) {
    let mut took = Vec::with_capacity(STARTS);
    for _ in 1..STARTS {
        let place = backing.place().await;
        took.push(millis(place.start().await.started_in));
    }
    let place = backing.place().await;
    let gateway = place.start().await;
    took.push(millis(gateway.started_in));
    report.add(Row {
        what: "fresh start (nothing there yet) to the first answer".to_owned(),
        on: backing.name,
        bar: Bar::Below(500.0, "ms"),
        figure: median(took.iter().copied()),
        remark: format!("median of {STARTS}, the slowest {:.0} ms", took.iter().copied().fold(0.0, f64::max)),
    });
    tokio::time::sleep(IDLE).await;
    report.add(Row {
        what: "resident memory, idle".to_owned(),
        on: backing.name,
        bar: Bar::Below(40.0, "MiB"),
        figure: gateway.memory_kib() / 1024.0,
        remark: format!("{} s after the start", IDLE.as_secs()),
    });
}
