//! The previews of all messages, in development.

use axum::http::StatusCode;
use postern::outbound::samples::one_of_each;
use reqwest::Method;

use crate::support::{Gateway, Visitor};

async fn get(visitor: &Visitor, path: &str) -> (StatusCode, String) {
    // As a browser on this machine does, without a proxy.
    let door = visitor.door();
    let response = door.client.request(Method::GET, format!("http://{}{path}", door.address)).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn every_message_is_shown_in_every_language_and_to_this_machine_alone() {
    let gateway = Gateway::start_with(|config| "Bücher & <b>Co</b>".clone_into(&mut config.messages.product_name)).await;
    let visitor = gateway.visitor();
    let (status, page) = get(&visitor, "/dev/messages").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<b>Co"), "names are escaped");
    for template in one_of_each() {
        for locale in ["en", "th"] {
            let path = format!("/dev/messages/{locale}/{}", template.name());
            assert!(page.contains(&format!("src=\"{path}\"")), "{path}");
            let (status, mail) = get(&visitor, &path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert!(mail.contains(&format!("<html lang=\"{locale}\">")) && mail.contains("Bücher &amp; &lt;b&gt;Co"), "{mail}");
        }
    }
    for path in ["/dev/messages/xx/new_device", "/dev/messages/en/nothing", "/dev/messages/en/..%2fcommon"] {
        assert_eq!(get(&visitor, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // The visitor's own requests come through a proxy, as all of them do in these tests.
    for path in ["/dev/messages", "/dev/messages/en/new_device"] {
        assert_eq!(visitor.request(Method::GET, path).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    let (_, inbox) = get(&visitor, "/dev/inbox").await;
    assert!(inbox.contains("href=\"/dev/messages\""));
}
