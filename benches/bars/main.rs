//! What the program promises about speed, measured on the program itself: `scripts/bench` runs this.
//!
//! Every figure that is compared with another one comes from the same run, in turns, so that the machine's moods fall on both.
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot be made ends with its reason; counts are small"
)]

#[path = "../../tests/it/support/authenticator.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod authenticator;
mod avatars;
mod figures;
#[path = "../../tests/it/avatars/files.rs"]
mod files;
mod footprint;
mod gateway;
mod large;
mod passkeys;
mod people;
mod reads;
mod report;
mod revocation;
mod sign_ins;
mod socket;
mod subscribers;
mod timing;
mod wrk;

use std::{path::Path, process::ExitCode};

use self::{gateway::Backing, report::Report};

// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTS: [&str; 9] = ["start", "reads", "sign-ins", "passkeys", "revocation", "subscribers", "timing", "avatars", "large"];

fn main() -> ExitCode {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(&name.as_str())) {
        println!("no part is called {unknown}; there are: {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(measure(&named));
    println!("\n{}", report.table());
    if named.is_empty() && report.is_complete() {
        report.write(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md")));
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(named: &[String]) -> Report {
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let mut report = Report::default();
    let backings = Backing::given();
    for backing in &backings {
        if wanted("start") {
            footprint::measure(backing, &mut report).await;
        }
        if wanted("reads") {
            reads::measure(backing, &mut report).await;
        }
        if wanted("sign-ins") {
            sign_ins::measure(backing, &mut report).await;
        }
        if wanted("passkeys") {
            passkeys::measure(backing, &mut report).await;
        }
        if wanted("subscribers") {
            subscribers::measure(backing, &mut report).await;
        }
        if wanted("timing") {
            timing::measure(backing, &mut report).await;
        }
        if wanted("avatars") {
            avatars::measure(backing, &mut report).await;
        }
    }
    for backing in backings.iter().filter(|backing| backing.is_shared()) {
        if wanted("revocation") {
            revocation::measure(backing, &mut report).await;
        }
        if wanted("large") {
            large::measure(backing, &mut report).await;
        }
    }
    report
}
