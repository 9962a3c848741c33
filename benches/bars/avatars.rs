//! What pictures and bombs cost the program that takes them, its processes counted with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use entity::users::Status;
use image::ImageFormat;
use serde_json::{Value, json};

use super::{
    figures::millis,
    files::{glass, many_pixels, many_tables, padded, photograph, picture, progressive},
    gateway::{Backing, Gateway},
    people::{self, Client, Session},
    report::{Bar, Report, Row},
};

const UPLOAD: &str = "mutation ($input: UploadAvatarInput!) { uploadAvatar(input: $input) { user { id } problems { code } } }";
/// Until what it took to start has gone.
const REST: Duration = Duration::from_secs(5);

pub async fn measure(backing: &Backing, report: &mut Report) {
    let place = backing.place().await;
    let gateway = Arc::new(place.start().await);
    people::add(&place.database().await, "person", 1, Status::Active).await;
    let client = Client::of(&gateway);
    let me = client.sign_in(&people::email("person", 0), None).await;
    tokio::time::sleep(REST).await;
    let whole = picture(600, 600, ImageFormat::Png);
    let truncated = &photograph(6000, 4000)[..20_000];
    let polyglot = [&whole[..], b"<script>alert(1)</script>"].concat();
    let cases: [(&str, Vec<u8>, Option<&str>); 9] = [
        ("a file of 6 MiB", padded(whole, 6 * 1024 * 1024), Some("FILE_TOO_LARGE")),
        ("a PNG of 30,000 × 30,000 pixels", many_pixels(), Some("FILE_TOO_LARGE")),
        ("a WebP of 327,680 tables", many_tables(), Some("FILE_TOO_LARGE")),
        ("a polyglot", polyglot, Some("FILE_TYPE_NOT_ALLOWED")),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(), Some("FILE_TYPE_NOT_ALLOWED")),
        ("a truncated file", truncated.to_vec(), Some("FILE_TYPE_NOT_ALLOWED")),
        ("a photograph of 24 megapixels", padded(photograph(6000, 4000), 5 * 1024 * 1024), None),
        ("a PNG of 12", padded(glass(4000, 3000), 5 * 1024 * 1024), None),
        ("a progressive one of 12", padded(progressive(4032, 3024), 5 * 1024 * 1024), None),
    ];
    for (name, file, code) in cases {
        let idle = gateway.taken_kib();
        let watch = Watch::begin(&gateway);
        let begun = Instant::now();
        let payload = upload(&client, &me, &file).await;
        let took = millis(begun.elapsed());
        let peak = watch.end();
        match code {
            Some(code) => assert_eq!(payload["problems"][0]["code"], code, "{name}: {payload}"),
            None => assert!(payload["user"]["id"].is_string(), "{name}: {payload}"),
        }
        report.add(Row {
            what: format!("memory beside idle, avatar: {name}"),
            on: backing.name,
            bar: Bar::AtMost(64.0, "MiB"),
            figure: (peak - idle).max(0.0) / 1024.0,
            remark: format!("{} in {took:.0} ms", code.unwrap_or("taken")),
        });
    }
}

/// The most memory that is taken meanwhile.
struct Watch {
    goes_on: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<f64>,
}

impl Watch {
    fn begin(gateway: &Arc<Gateway>) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let (watched, gateway) = (Arc::clone(&goes_on), Arc::clone(gateway));
        let thread = std::thread::spawn(move || {
            let mut peak = 0.0_f64;
            while watched.load(Ordering::Relaxed) {
                peak = peak.max(gateway.taken_kib());
                std::thread::sleep(Duration::from_millis(1));
            }
            peak
        });
        Self { goes_on, thread }
    }

    fn end(self) -> f64 {
        self.goes_on.store(false, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn upload(client: &Client, me: &Session, file: &[u8]) -> Value {
    let operations = json!({"query": UPLOAD, "variables": {"input": {"file": null}}}).to_string();
    let mut body = Vec::new();
    for (name, content) in [("operations", operations.as_bytes()), ("map", br#"{"0":["variables.input.file"]}"#), ("0", file)] {
        let file = if name == "0" { "; filename=\"me\"" } else { "" };
        body.extend_from_slice(format!("--boundary\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--boundary--\r\n");
    let request = client.http.post(&client.url).bearer_auth(&me.access_token).header("graphql-require-preflight", "1");
    let request = request.header("content-type", "multipart/form-data; boundary=boundary").body(body);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"]["uploadAvatar"].take()
}
