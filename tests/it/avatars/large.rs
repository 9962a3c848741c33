//! Large pictures, and what they cost the process that takes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use image::ImageFormat;

use super::{
    files::{glass, many_pixels, many_tables, padded, photograph, picture, progressive},
    get, upload,
};
use crate::support::{Gateway, PASSWORD, Process};

// What phones take and programs write: photographs of 24 megapixels, 12 of a progressive one in as many bytes as a file may have, and of a PNG.
#[tokio::test]
async fn ordinary_pictures_are_taken() {
    // Before the gateway is there: unoptimized, making them takes longer than a connection may idle.
    let large = padded(progressive(4032, 3024), 5 * 1024 * 1024);
    let files = [photograph(6000, 4000), photograph(8160, 6120), large, glass(4000, 3000), photograph(700, 12_000)];
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.http.request_timeout = Duration::from_mins(1);
    })
    .await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    for (file, side) in files.into_iter().zip([512, 512, 512, 512, 350]) {
        let avatar = upload(&ada, &file).await.expect_done()["user"]["avatar"].clone();
        let (_, _, bytes) = get(&gateway, avatar["url"].as_str().unwrap()).await;
        assert_eq!(image::load_from_memory(&bytes).unwrap().width(), side);
    }
}

/// Memory of a process and of those that it started that no file stands behind, in KiB: what they have taken for themselves.
fn taken(process: u32) -> u64 {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let status = read(format!("/proc/{process}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let own: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children: Vec<u32> = threads
        .flat_map(|thread| {
            read(format!("{}/children", thread.path().display())).split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    own + children.into_iter().map(taken).sum::<u64>()
}

/// The most that [`taken`] says while it is watched.
struct Peak {
    watched: Arc<AtomicBool>,
    most: std::thread::JoinHandle<u64>,
}

impl Peak {
    fn watch(process: u32) -> Self {
        let watched = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&watched);
        let most = std::thread::spawn(move || {
            let mut most = 0;
            while still.load(Ordering::Relaxed) {
                most = most.max(taken(process));
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        Self { watched, most }
    }

    fn end(self) -> u64 {
        self.watched.store(false, Ordering::Relaxed);
        self.most.join().unwrap()
    }
}

// H17: many large pictures and bombs at once, sent by several people, take no more than 64 MiB of memory beyond what the idle process has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn pictures_in_parallel_take_a_bounded_amount_of_memory() {
    // Unoptimized, much takes seconds.
    let process = Process::start_with(&[("POSTERN_HTTP__REQUEST_TIMEOUT", "60s")]).await;
    let files = [
        padded(photograph(6000, 4000), 5 * 1024 * 1024),
        padded(glass(4000, 3000), 5 * 1024 * 1024),
        padded(progressive(4032, 3024), 5 * 1024 * 1024),
        padded(picture(2400, 2000, ImageFormat::WebP), 5 * 1024 * 1024),
        many_tables(),
        many_pixels(),
        vec![0xff; 6 * 1024 * 1024],
    ];
    let mut members = Vec::new();
    for number in 0..files.len() {
        let email = format!("u{number}@example.com");
        let visitor = process.app_user();
        let challenge = visitor.sign_up(&email, PASSWORD).await;
        let code = process.door().next_message(&email).await.code();
        members.push(visitor.confirm(&challenge, &code).await);
    }
    let (id, idle) = (process.id(), taken(process.id()));
    let peak = Peak::watch(id);
    let (mut done, mut refused) = (0, 0);
    for _ in 0..2 {
        let uploads = members.iter().zip(&files).map(|(member, file)| upload(member, file));
        for answer in futures::future::join_all(uploads).await {
            // Whoever finds no room is told when to come again.
            match answer.code().map(str::to_owned) {
                Some(code) => assert_eq!(code, "OVERLOADED"),
                None if answer.expect_field()["user"]["id"].is_string() => done += 1,
                None => refused += 1,
            }
        }
    }
    let peak = peak.end();
    println!("idle {idle} KiB, peak {peak} KiB, {done} pictures, {refused} refused");
    assert!(done > 0 && refused > 0 && peak > idle);
    assert!(peak < idle + 64 * 1024, "idle {idle} KiB, peak {peak} KiB");
}

// H10: whoever is not signed in cannot make the process keep what they send, in whatever form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn strangers_bodies_are_not_kept() {
    let process = Process::start().await;
    let visitor = process.app_user();
    let (id, idle) = (process.id(), taken(process.id()));
    let part = b"--boundary\r\nContent-Disposition: form-data; name=\"operations\"\r\nX: ".to_vec();
    let bodies = [vec![b'x'; 15 * 1024 * 1024], [part, vec![b'x'; 15 * 1024 * 1024]].concat()];
    let peak = Peak::watch(id);
    let sent = (0..20).map(|number| super::send(&visitor, None, bodies[number % 2].clone()));
    for answer in futures::future::join_all(sent).await {
        assert_eq!(answer.status, 413, "{}", answer.body);
    }
    let peak = peak.end();
    println!("idle {idle} KiB, peak {peak} KiB");
    assert!(peak < idle + 32 * 1024, "idle {idle} KiB, peak {peak} KiB");
}
