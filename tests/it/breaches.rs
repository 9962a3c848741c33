//! Passwords that are known from breaches.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::get,
};
use serde_json::json;
use sha1::{Digest, Sha1};

use super::support::{Gateway, PASSWORD};

/// Strong by every rule, and known all the same.
const BREACHED: &str = "velvet-Otter 93 marmalade";
const OTHER: &str = "quiet-Lantern 58 harvest";

fn digits(password: &str) -> String {
    hex::encode_upper(Sha1::digest(password))
}

/// What a service answers, and what it was asked.
#[derive(Clone, Default)]
struct Fake {
    body: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<(String, bool)>>>,
    wait: Duration,
}

async fn range(State(fake): State<Fake>, Path(prefix): Path<String>, headers: HeaderMap) -> String {
    let padded = headers.get("add-padding").is_some_and(|value| value == "true");
    fake.asked.lock().unwrap().push((prefix, padded));
    tokio::time::sleep(fake.wait).await;
    fake.body.lock().unwrap().clone()
}

async fn serve(fake: Fake) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/range/{prefix}", get(range)).with_state(fake);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

async fn asking(address: SocketAddr) -> Gateway {
    Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.passwords.breached_api = true;
        config.passwords.breached_api_url = format!("http://{address}/range/").parse().unwrap();
        config.passwords.breached_api_timeout = Duration::from_millis(300);
    })
    .await
}

// A4: on every way to a password.
#[tokio::test]
async fn what_the_list_has_is_refused_at_sign_up_change_reset_and_first_password() {
    let folder = std::env::temp_dir()
        .join(format!("postern-breached-{}", postern::entropy::Entropy::system().uuid(postern::clock::Clock::system().now())));
    let mut hashes: Vec<_> = (0..500).map(|number| digits(&number.to_string())).chain([digits(BREACHED)]).collect();
    hashes.sort();
    let lines = hashes.iter().fold(String::new(), |lines, hash| lines + hash + ":3\r\n");
    std::fs::write(&folder, lines).unwrap();
    let list = folder.clone();
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.passwords.breached_list = Some(list);
    })
    .await;
    let visitor = gateway.visitor();
    let input = json!({"contact": {"email": "ada@example.com"}, "password": BREACHED});
    let problem = visitor.try_sign_up(input).await.expect_problem("PASSWORD_BREACHED");
    assert_eq!(problem["path"], json!(["input", "password"]));
    let ada = visitor.becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    ada.try_change_password(PASSWORD, BREACHED).await.expect_problem("PASSWORD_BREACHED");
    visitor.request_password_reset("ada@example.com").await;
    let link = gateway.next_message("ada@example.com").await.link_token();
    visitor.try_reset_by_link(&link, BREACHED).await.expect_problem("PASSWORD_BREACHED");
    visitor.try_reset_by_link(&link, OTHER).await.expect_done();
    let bob = {
        let challenge = visitor.try_sign_up(json!({"contact": {"email": "bob@example.com"}})).await.expect_done().into();
        let code = gateway.next_message("bob@example.com").await.code();
        visitor.confirm(&challenge, &code).await
    };
    bob.try_set_password(BREACHED).await.expect_problem("PASSWORD_BREACHED");
    bob.try_set_password(OTHER).await.expect_done();
    std::fs::remove_file(folder).unwrap();
}

#[tokio::test]
async fn the_service_learns_five_digits_and_is_believed() {
    let fake = Fake::default();
    let gateway = asking(serve(fake.clone()).await).await;
    let hash = digits(BREACHED);
    *fake.body.lock().unwrap() = format!("{}:0\r\n{}:12\r\n", &digits(OTHER)[5..], &hash[5..]);
    let sign_up =
        async |password: &str| gateway.visitor().try_sign_up(json!({"contact": {"email": "ada@example.com"}, "password": password})).await;
    sign_up(BREACHED).await.expect_problem("PASSWORD_BREACHED");
    // A count of 0 only pads the answer.
    sign_up(OTHER).await.expect_done();
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked, [(hash[..5].to_owned(), true), (digits(OTHER)[..5].to_owned(), true)]);
    assert!(!asked.iter().any(|(prefix, _)| prefix.len() > 5));
}

#[tokio::test]
async fn a_service_that_is_slow_or_away_keeps_nobody_from_a_password() {
    let slow = Fake { wait: Duration::from_secs(20), ..Fake::default() };
    *slow.body.lock().unwrap() = format!("{}:12\r\n", &digits(BREACHED)[5..]);
    let gateway = asking(serve(slow).await).await;
    let began = Instant::now();
    gateway.visitor().sign_up("ada@example.com", BREACHED).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    let nowhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    asking(nowhere).await.visitor().sign_up("ada@example.com", BREACHED).await;
    let endless = Fake::default();
    *endless.body.lock().unwrap() = "0".repeat(2 * 1024 * 1024);
    asking(serve(endless).await).await.visitor().sign_up("ada@example.com", BREACHED).await;
}
