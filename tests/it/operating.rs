//! Running it: commands, health, and a shutdown that lets everybody finish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where something is not as expected")]

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use postern::{
    http::{
        health::{self, Health, Need},
        server::Server,
    },
    supervise::Supervisor,
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const GRACE: Duration = Duration::from_secs(5);

async fn serve(router: Router, closing: CancellationToken) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address().unwrap();
    (address, tokio::spawn(server.serve(router, closing, GRACE)))
}

async fn get_path(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn readiness_tells_what_is_away() {
    let (database, redis) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let asked = Arc::new(AtomicU32::new(0));
    let closing = CancellationToken::new();
    let health = Health::new(Metrics::install(), closing.clone())
        .with("database", Need::Required, {
            let (database, asked) = (Arc::clone(&database), Arc::clone(&asked));
            move || {
                asked.fetch_add(1, Ordering::SeqCst);
                std::future::ready(database.load(Ordering::SeqCst))
            }
        })
        .with("redis", Need::Optional, {
            let redis = Arc::clone(&redis);
            move || std::future::ready(redis.load(Ordering::SeqCst))
        });
    let (address, _) = serve(health::routes(Arc::new(health)), CancellationToken::new()).await;
    let ready = async || {
        sleep(Duration::from_millis(260)).await; // longer than a report is fresh
        get_path(address, "/readyz").await
    };

    assert_eq!(ready().await, (200, r#"{"status":"ok","parts":{"database":"ok","redis":"ok"}}"#.to_owned()));
    redis.store(false, Ordering::SeqCst);
    assert_eq!(ready().await, (200, r#"{"status":"degraded","parts":{"database":"ok","redis":"unavailable"}}"#.to_owned()));
    database.store(false, Ordering::SeqCst);
    assert_eq!(ready().await, (503, r#"{"status":"unavailable","parts":{"database":"unavailable","redis":"unavailable"}}"#.to_owned()));
    assert_eq!(get_path(address, "/livez").await.0, 200, "the process is up all the same");
    redis.store(true, Ordering::SeqCst);
    database.store(true, Ordering::SeqCst);
    assert_eq!(ready().await.0, 200);

    sleep(Duration::from_millis(260)).await;
    let before = asked.load(Ordering::SeqCst);
    futures::future::join_all((0..50).map(|_| get_path(address, "/readyz"))).await;
    assert!(asked.load(Ordering::SeqCst) - before <= 10, "asking often must not load the database");

    closing.cancel();
    assert_eq!(get_path(address, "/readyz").await.0, 503, "balancers look elsewhere while it drains");
}

#[tokio::test]
async fn a_part_that_hangs_counts_as_away() {
    let health = Health::new(Metrics::install(), CancellationToken::new()).with("database", Need::Required, std::future::pending::<bool>);
    let (address, _) = serve(health::routes(Arc::new(health)), CancellationToken::new()).await;
    let started = Instant::now();
    assert_eq!(get_path(address, "/readyz").await.0, 503);
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn several_gateways_in_a_process_share_its_metrics_without_harm() {
    let (one, two) = (Metrics::install(), Metrics::install());
    let supervisor = Supervisor::new();
    one.keep_tidy(&supervisor);
    two.keep_tidy(&supervisor);
    let health = Arc::new(Health::new(two, CancellationToken::new()));
    let (address, _) = serve(health::routes(health), CancellationToken::new()).await;
    assert_eq!(get_path(address, "/metrics").await.0, 200);
    assert!(supervisor.stop_tasks(GRACE).await.is_empty());
}

#[tokio::test]
async fn answers_finish_and_nobody_new_comes_in() {
    let (release, released) = oneshot::channel::<()>();
    let released = Arc::new(tokio::sync::Mutex::new(Some(released)));
    let entered = Arc::new(tokio::sync::Notify::new());
    let in_handler = Arc::clone(&entered);
    let slow = move || {
        let (released, entered) = (Arc::clone(&released), Arc::clone(&in_handler));
        async move {
            entered.notify_one();
            let released = released.lock().await.take().unwrap();
            released.await.unwrap();
            "finished"
        }
    };
    let closing = CancellationToken::new();
    let (address, serving) = serve(Router::new().route("/slow", get(slow)), closing.clone()).await;
    let answer = tokio::spawn(get_path(address, "/slow"));
    entered.notified().await;
    let idle = TcpStream::connect(address).await.unwrap();

    closing.cancel();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!serving.is_finished());
    release.send(()).unwrap();
    assert_eq!(answer.await.unwrap(), (200, "finished".to_owned()));
    timeout(GRACE, serving).await.expect("an idle connection must not hold the shutdown").unwrap();
    drop(idle);
}

/// The binary with nothing of this process's settings in its environment.
fn postern(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(std::env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let mut command = postern(arguments, variables);
    let Output { status, stdout, stderr } = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn settings_are_checked_and_shown_from_the_command_line() {
    let (good, said, _) = output(&["config", "check"], &[]).await;
    assert!(good && said.contains("good"), "{said}");

    // Also what only its user can judge: told by both, with its name, and before there is any data.
    for (name, wrong, told) in [
        ("POSTERN_MAIL__FROM", "Example, Inc <auth@example.com>", "mail.from: "),
        ("POSTERN_MAIL__URL", "smtp://u:hunter2@mail.example.com/x", "mail.url: "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let right = [("POSTERN_MAIL__URL", "smtp://localhost"), ("POSTERN_MAIL__FROM", "auth@example.com")];
        let mut variables: Vec<_> = right.into_iter().filter(|(other, _)| *other != name).chain([(name, wrong)]).collect();
        variables.push(("POSTERN_DATA_DIR", data.to_str().unwrap()));
        for command in [&["config", "check"][..], &["serve"]] {
            let (good, _, complaint) = output(command, &variables).await;
            assert!(!good && complaint.contains(told) && !complaint.contains("hunter2"), "{command:?}: {complaint}");
            assert!(!data.join("postern.db").exists(), "{command:?}");
        }
    }

    let (good, _, complaint) = output(&["serve"], &[("POSTERN_MODE", "production"), ("POSTERN_HTTP__LISTN", "x")]).await;
    assert!(!good && complaint.lines().count() == 3, "{complaint}");

    let secret = "s3cret-s3cret-s3cret-s3cret-0123456789";
    let (good, said, _) = output(&["config", "show"], &[("POSTERN_SECRET", secret), ("POSTERN_CODES__TTL", "5min")]).await;
    assert!(good && said.contains("codes.ttl = 5min\n") && said.contains("codes.attempts = 3  (default)\n"), "{said}");
    assert!(said.contains("secret = ***\n") && !said.contains("s3cret"), "{said}");

    let (good, said, _) = output(&["config", "reference"], &[]).await;
    assert!(good && said == postern::config::reference(), "{said}");

    let (good, said, _) = output(&["--help"], &[]).await;
    assert!(good && ["serve", "config", "users", "schema", "health"].iter().all(|command| said.contains(command)), "{said}");
}

/// A running gateway that is gone at the end of the test, however that ends.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn it_serves_says_what_to_open_and_ends_on_sigterm() {
    let folder: PathBuf = std::env::temp_dir().join(format!("postern-serve-{}", std::process::id()));
    let data = folder.to_str().unwrap().to_owned();
    let mut gateway = Running(postern(&[], &[("POSTERN_DATA_DIR", &data), ("POSTERN_HTTP__LISTEN", "127.0.0.1:0")]).spawn().unwrap());
    let stdout = gateway.0.stdout.take().unwrap();
    let said = spawn_blocking(|| BufReader::new(stdout).lines().take(5).collect::<Result<Vec<_>, _>>().unwrap().join("\n")).await.unwrap();
    let port: u16 = said.lines().next().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    assert!(said.contains(&format!("http://localhost:{port}/graphql")) && said.contains("/dev/inbox"), "{said}");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(get_path(address, "/livez").await.0, 200);

    let listen = address.to_string();
    let (good, said, complaint) = output(&["health"], &[("POSTERN_HTTP__LISTEN", &listen)]).await;
    assert!(good && said.contains(r#""status":"ok""#), "{said}{complaint}");
    let (good, _, complaint) = output(&["serve"], &[("POSTERN_DATA_DIR", &data), ("POSTERN_HTTP__LISTEN", &listen)]).await;
    assert!(!good && complaint.contains("cannot listen on"), "{complaint}");

    gateway.signal("-TERM");
    let status = spawn_blocking(move || gateway.0.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
    // All is in the one file: who copies it has everything.
    assert!(folder.join("postern.db").is_file() && !folder.join("postern.db-wal").exists());
    let (good, _, complaint) = output(&["health"], &[("POSTERN_HTTP__LISTEN", &listen)]).await;
    assert!(!good && complaint.contains("no answer"), "{complaint}");
    std::fs::remove_dir_all(folder).ok();
}
