//! What pictures cost the process that takes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use image::ImageFormat;

use super::{picture, upload};
use crate::support::{PASSWORD, Process};

/// Memory of a process that no file stands behind, in KiB: what it has taken for itself.
fn taken(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

// H17: many large pictures at once, sent by several people, take no more than 64 MiB of memory beyond what the idle process has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn pictures_in_parallel_take_a_bounded_amount_of_memory() {
    // Unoptimized, a decoder takes seconds.
    let process = Process::start_with(&[("POSTERN_HTTP__REQUEST_TIMEOUT", "60s")]).await;
    let mut members = Vec::new();
    for number in 0..6 {
        let email = format!("u{number}@example.com");
        let visitor = process.app_user();
        let challenge = visitor.sign_up(&email, PASSWORD).await;
        let code = process.door().next_message(&email).await.code();
        members.push(visitor.confirm(&challenge, &code).await);
    }
    // The largest photograph that is taken, and files of as many bytes as are taken.
    let photograph = picture(4000, 3000, ImageFormat::Jpeg);
    let padded = |mut file: Vec<u8>| {
        file.resize(5 * 1024 * 1024, 0);
        file
    };
    let files = [padded(photograph), padded(picture(3000, 3000, ImageFormat::Png)), vec![0xff; 6 * 1024 * 1024]];
    let (id, idle) = (process.id(), taken(process.id()));
    let watched = Arc::new(AtomicBool::new(true));
    let watch = Arc::clone(&watched);
    let peak = std::thread::spawn(move || {
        let mut peak = 0;
        while watch.load(Ordering::Relaxed) {
            peak = peak.max(taken(id));
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    let mut done = 0;
    for _ in 0..2 {
        let uploads = members.iter().flat_map(|member| files.iter().map(move |file| upload(member, file)));
        for answer in futures::future::join_all(uploads).await {
            // Whoever finds no room is told when to come again.
            match answer.code() {
                None => done += usize::from(answer.expect_field()["user"]["id"].is_string()),
                Some(code) => assert_eq!(code, "OVERLOADED"),
            }
        }
    }
    watched.store(false, Ordering::Relaxed);
    let peak = peak.join().unwrap();
    println!("idle {idle} KiB, peak {peak} KiB, {done} pictures");
    assert!(done > 0 && peak > idle);
    assert!(peak < idle + 64 * 1024, "idle {idle} KiB, peak {peak} KiB");
}
