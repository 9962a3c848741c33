//! The development inbox over HTTP: what it shows, and to whom.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use entity::Channel;
use postern::{
    http::dev_inbox::{DevInbox, routes},
    storage::dev_inbox,
};
use serde_json::Value;
use tower::ServiceExt;

use super::setting::{CODE, House, houses};

fn router(house: &House) -> Router {
    routes(DevInbox { database: house.database.clone(), secret_box: house.secret_box.clone() })
}

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String, String) {
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:4000");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    (parts.status, format!("{:?}", parts.headers), String::from_utf8(body.to_vec()).expect("text"))
}

async fn json(router: &Router, path: &str) -> Vec<Value> {
    let (status, _, body) = get(router, path, &[]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

#[tokio::test]
async fn messages_are_shown_newest_first_and_by_recipient() {
    for house in houses().await {
        house.enqueue(house.sign_up_code("a@example.com")).await;
        house.courier().deliver_due().await.expect("delivered");
        house.clock.advance(Duration::from_secs(1));
        let mut sms = house.sign_up_code("+66812345678");
        sms.channel = Channel::Sms;
        house.enqueue(sms).await;
        house.courier().deliver_due().await.expect("delivered");
        let router = router(&house);

        let all = json(&router, "/dev/inbox.json").await;
        assert_eq!(all.len(), 2);
        assert_eq!((&all[0]["to"], &all[0]["channel"], &all[0]["subject"]), (&"+66812345678".into(), &"SMS".into(), &Value::Null));
        let mail = &all[1];
        let mut keys: Vec<_> = mail.as_object().expect("an object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["channel", "code", "html", "id", "link", "sentAt", "subject", "text", "to"]);
        assert_eq!((&mail["channel"], &mail["code"]), (&"EMAIL".into(), &CODE.into()));
        assert!(mail["sentAt"].as_str().is_some_and(|at| at.ends_with('Z')));
        for path in ["/dev/inbox.json?to=%2B66812345678", "/dev/inbox.json?to=+66812345678"] {
            assert_eq!(json(&router, path).await.len(), 1, "{path}");
        }
        assert_eq!(json(&router, "/dev/inbox.json?to=A@example.com").await.len(), 1);
        assert_eq!(json(&router, "/dev/inbox.json?to=nobody@example.com").await.len(), 0);
        assert_eq!(json(&router, "/dev/inbox.json?to=").await.len(), 2);

        let (status, headers, page) = get(&router, "/dev/inbox", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(headers.contains("script-src 'self'") && headers.contains("no-store") && !headers.contains("unsafe-inline"), "{headers}");
        assert!(page.contains(CODE) && page.contains("a@example.com") && page.contains("verify-email?token="));
        let (_, _, page) = get(&router, "/dev/inbox?to=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", &[]).await;
        assert!(!page.contains("<script>alert"));
        let id = mail["id"].as_str().expect("an id");
        let (status, headers, html) = get(&router, &format!("/dev/inbox/{id}"), &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains(CODE) && headers.contains("sandbox"));
        assert_eq!(get(&router, "/dev/inbox/nonsense", &[]).await.0, StatusCode::NOT_FOUND);
        for asset in ["/dev/inbox.css", "/dev/inbox.js"] {
            assert_eq!(get(&router, asset, &[]).await.0, StatusCode::OK);
        }
        house.end().await;
    }
}

#[tokio::test]
async fn only_this_machine_may_look() {
    let house = House::on_sqlite().await;
    house.enqueue(house.sign_up_code("a@example.com")).await;
    house.courier().deliver_due().await.expect("delivered");
    let router = router(&house);
    for path in ["/dev/inbox", "/dev/inbox.json", "/dev/inbox/x"] {
        for (name, value) in [
            ("host", "evil.test"),
            ("host", "evil.test:4000"),
            ("host", "localhost.evil.test"),
            ("host", ""),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "localhost"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("via", "1.1 proxy"),
        ] {
            let (status, headers, body) = get(&router, path, &[(name, value)]).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
            assert!(!body.contains(CODE) && headers.contains("no-store"));
        }
        assert_ne!(get(&router, path, &[("host", "[::1]:4000")]).await.0, StatusCode::FORBIDDEN);
    }
    let bare = Request::get("/dev/inbox.json").body(Body::empty()).expect("a request");
    assert_eq!(router.clone().oneshot(bare).await.expect("an answer").status(), StatusCode::FORBIDDEN);
    house.end().await;
}

#[tokio::test]
async fn the_newest_five_hundred_are_kept() {
    for house in houses().await {
        for number in 0..510_i64 {
            let row = entity::dev_inbox::Model {
                id: house.entropy.uuid(house.clock.now()),
                recipient: format!("a{number}@example.com"),
                content_sealed: Vec::new(),
                channel: Channel::Email,
                sent_at: house.clock.now(),
            };
            dev_inbox::insert(house.database.write(), vec![row.clone()]).await.expect("inserted");
            dev_inbox::insert(house.database.write(), vec![row]).await.expect("a second delivery is no error");
            house.clock.advance(Duration::from_millis(1));
        }
        dev_inbox::sweep(house.database.write()).await.expect("swept");
        let kept = dev_inbox::list(house.database.read(), None, 1000).await.expect("read");
        assert_eq!(kept.len(), 500);
        assert_eq!((kept[0].recipient.as_str(), kept[499].recipient.as_str()), ("a509@example.com", "a10@example.com"));
        house.end().await;
    }
}
