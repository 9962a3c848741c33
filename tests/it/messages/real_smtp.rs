//! The courier against a mail server that others wrote, with TLS and credentials.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use entity::messages::State;
use postern::{
    jobs::deliver_messages::{Inbox, Pace, Sinks},
    outbound::smtp::Mailer,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use super::setting::House;

struct RealSmtp {
    port: u64,
    lines: UnboundedReceiver<String>,
    process: Child,
}

impl Drop for RealSmtp {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl RealSmtp {
    /// `None` where Node or the package is not installed: `npm ci --prefix tests/node`.
    async fn start(settings: &Value) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
        if !folder.join("node_modules/smtp-server").is_dir() {
            println!("smtp-server is not installed below tests/node: skipped");
            return None;
        }
        let mut process = Command::new("node")
            .arg(folder.join("smtp_server.mjs"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| println!("node does not start ({error}): skipped"))
            .ok()?;
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (sender, mut lines) = unbounded_channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let Some(port) = timeout(Duration::from_secs(20), lines.recv()).await.expect("in time") else {
            println!("the mail server does not start, perhaps for want of openssl: skipped");
            return None;
        };
        let port = serde_json::from_str::<Value>(&port).expect("JSON")["port"].as_u64().expect("a port");
        Some(Self { port, lines, process })
    }

    fn sinks(&self, scheme: &str, credentials: &str) -> Sinks {
        let url = SecretString::from(format!("{scheme}://{credentials}127.0.0.1:{}", self.port));
        let mailer = Mailer::new(&url, "Postern <no-reply@postern.test>", Duration::from_secs(10)).expect("a mailer");
        Sinks::with_mail(mailer, Inbox::Open)
    }

    async fn next_mail(&mut self) -> Value {
        next(&mut self.lines).await
    }
}

async fn next(lines: &mut UnboundedReceiver<String>) -> Value {
    let line = timeout(Duration::from_secs(20), lines.recv()).await.expect("in time").expect("a line");
    serde_json::from_str(&line).expect("JSON")
}

#[tokio::test]
async fn mails_arrive_over_starttls_with_credentials_and_share_a_connection() {
    let settings = json!({ "user": "postern", "password": "p@ss:wörd" });
    let Some(mut server) = RealSmtp::start(&settings).await else { return };
    let house = House::on_sqlite().await;
    let courier = house.courier_to(server.sinks("smtp", "postern:p%40ss%3Aw%C3%B6rd@"), Pace::default());
    let mut connections = Vec::new();
    for locale in ["en", "th"] {
        let mut message = house.sign_up_code("a@example.com");
        message.locale = locale.to_owned();
        let id = house.enqueue(message).await;
        courier.deliver_due().await.expect("delivered");
        let row = house.row(id).await;
        assert_eq!(row.state, State::Sent, "{:?}", row.last_error);
        let mail = server.next_mail().await;
        assert_eq!((&mail["secure"], &mail["user"]), (&json!(true), &json!("postern")));
        assert_eq!((&mail["from"], &mail["to"]), (&json!("no-reply@postern.test"), &json!(["a@example.com"])));
        let raw = mail["raw"].as_str().expect("text");
        for part in [
            &format!("Message-ID: <{id}@postern.test>\r\n"),
            "Auto-Submitted: auto-generated\r\n",
            "multipart/alternative",
            "text/html",
            "Date: ",
        ] {
            assert!(raw.contains(part), "{part} in {raw}");
        }
        assert!(raw.is_ascii(), "every server takes it");
        connections.push(mail["connection"].clone());
    }
    assert_eq!(connections[0], connections[1]);
    house.end().await;
}

#[tokio::test]
async fn mails_arrive_over_tls_from_the_first_byte() {
    let Some(mut server) = RealSmtp::start(&json!({ "secure": true })).await else { return };
    let house = House::on_sqlite().await;
    let courier = house.courier_to(server.sinks("smtps", ""), Pace::default());
    for number in 0..20 {
        house.enqueue(house.sign_up_code(&format!("a{number}@example.com"))).await;
    }
    let [nobody, busy] = ["nobody@example.com", "busy@example.com"].map(|to| house.sign_up_code(to));
    let (nobody, busy) = (house.enqueue(nobody).await, house.enqueue(busy).await);
    courier.deliver_due().await.expect("delivered");
    let mut recipients = std::collections::HashSet::new();
    for _ in 0..20 {
        let mail = server.next_mail().await;
        assert_eq!(mail["secure"], json!(true));
        recipients.insert(mail["to"].to_string());
    }
    assert_eq!(recipients.len(), 20);
    assert_eq!((house.row(nobody).await.state, house.row(busy).await.state), (State::Dead, State::Pending));
    house.end().await;
}

#[tokio::test]
async fn wrong_credentials_are_tried_again_and_never_told() {
    let Some(server) = RealSmtp::start(&json!({ "user": "postern", "password": "right" })).await else { return };
    let house = House::on_sqlite().await;
    let id = house.enqueue(house.sign_up_code("a@example.com")).await;
    house.courier_to(server.sinks("smtp", "postern:hunter2@"), Pace::default()).deliver_due().await.expect("attempted");
    let row = house.row(id).await;
    assert_eq!(row.state, State::Pending);
    assert!(row.last_error.is_some_and(|error| error.contains("535") && !error.contains("hunter2")));
    house.end().await;
}
