//! The GraphQL multipart request specification, for the one operation that takes a file.

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{MAP, UPLOAD, files::picture, multipart, operations, send, upload};
use crate::support::{Answer, Gateway, Visitor};

async fn raw(visitor: &Visitor, content_type: &str, preflight: bool, token: &str, body: Vec<u8>) -> Answer {
    let mut request = visitor.request(Method::POST, "/graphql").header("content-type", content_type).bearer_auth(token).body(body);
    if preflight {
        request = request.header("graphql-require-preflight", "1");
    }
    Answer::of(request.send().await.unwrap()).await
}

// H10, H17: another site cannot make a browser send it, and nothing but `uploadAvatar` comes this way.
#[tokio::test]
async fn multipart_is_for_one_operation_and_needs_its_header() {
    let gateway = Gateway::start().await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    let token = ada.tokens().access;
    let file = picture(20, 20, image::ImageFormat::Png);
    let good = multipart(&[("operations", &operations(UPLOAD)), ("map", MAP), ("0", &file)]);
    let form = "multipart/form-data; boundary=boundary";
    assert_eq!(raw(&ada.visitor, form, false, &token, good.clone()).await.status, 415);
    assert_eq!(raw(&ada.visitor, "multipart/form-data", true, &token, good.clone()).await.status, 415);
    assert_eq!(raw(&ada.visitor, "multipart/mixed; boundary=boundary", true, &token, good.clone()).await.status, 415);
    let of_another = json!({"query": "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }",
        "variables": {"input": {"username": null}}});
    let other =
        multipart(&[("operations", of_another.to_string().as_bytes()), ("map", br#"{"0":["variables.input.username"]}"#), ("0", &file)]);
    assert_eq!(raw(&ada.visitor, form, true, &token, other).await.status, 415);
    assert_eq!(raw(&ada.visitor, form, true, &token, good).await.status, 200);
    // A text in plain JSON stands for no file.
    for text in [json!("0"), json!(""), json!({"a": 1}), json!(null)] {
        ada.graphql(UPLOAD, json!({"input": {"file": text}})).await.expect_error("BAD_REQUEST");
    }
}

#[tokio::test]
async fn parts_come_in_their_order_and_there_are_no_others() {
    let gateway = Gateway::start().await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    let token = ada.tokens().access;
    let file = picture(20, 20, image::ImageFormat::Png);
    let asked = operations(UPLOAD);
    let bodies: [Vec<u8>; 14] = [
        multipart(&[("map", MAP), ("operations", &asked), ("0", &file)]),
        multipart(&[("operations", &asked), ("0", &file), ("map", MAP)]),
        multipart(&[("operations", &asked), ("map", MAP)]),
        multipart(&[("operations", &asked), ("map", MAP), ("1", &file)]),
        multipart(&[("operations", &asked), ("map", MAP), ("0", &file), ("1", &file)]),
        multipart(&[("operations", &asked), ("map", br#"{"0":["variables.input.file"],"1":["variables.input.file"]}"#), ("0", &file)]),
        multipart(&[("operations", &asked), ("map", br#"{"0":["variables.input.file","variables.input.file"]}"#), ("0", &file)]),
        multipart(&[("operations", &asked), ("map", br#"{"0":["variables.input"]}"#), ("0", &file)]),
        multipart(&[("operations", &asked), ("map", br#"{"0":["query"]}"#), ("0", &file)]),
        multipart(&[("operations", &asked), ("map", b"{}"), ("0", &file)]),
        multipart(&[("operations", &asked), ("map", b"x"), ("0", &file)]),
        multipart(&[("operations", b"[]"), ("map", MAP), ("0", &file)]),
        multipart(&[("operations", &asked), ("map", MAP), ("0", &file)]).without_end(20),
        Vec::new(),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let answer = send(&ada.visitor, Some(&token), body).await;
        assert_eq!(answer.status, 400, "{number}: {}", answer.body);
        answer.expect_error("BAD_REQUEST");
    }
    let long = multipart(&[("operations", &vec![b' '; 70_000]), ("map", MAP), ("0", &file)]);
    assert_eq!(send(&ada.visitor, Some(&token), long).await.status, 413);
    // What announces more than is ever read is refused by its head.
    let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ngraphql-require-preflight: 1\r\n\
                content-type: multipart/form-data; boundary=boundary\r\ncontent-length: 17825792\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

trait WithoutEnd {
    fn without_end(self, bytes: usize) -> Self;
}

impl WithoutEnd for Vec<u8> {
    /// Without its end.
    fn without_end(mut self, bytes: usize) -> Self {
        self.truncate(self.len() - bytes);
        self
    }
}

// Who may not have a picture is told before the file is read.
#[tokio::test]
async fn only_who_is_signed_in_sends_a_file() {
    let gateway = Gateway::start().await;
    let file = picture(20, 20, image::ImageFormat::Png);
    let body = multipart(&[("operations", &operations(UPLOAD)), ("map", MAP), ("0", &file)]);
    send(&gateway.visitor(), None, body.clone()).await.expect_error("UNAUTHENTICATED");
    send(&gateway.visitor(), Some("not a token"), body).await.expect_error("UNAUTHENTICATED");
    assert!(!gateway.config.avatars.folder.exists());
}

// H17: who sends slowly is given up after a while, and until then holds up nobody but themselves.
#[tokio::test]
async fn who_sends_slowly_is_given_up_and_holds_up_nobody_else() {
    let gateway = Gateway::start_with(|config| {
        config.http.body_timeout = std::time::Duration::from_secs(3);
        config.rate_limits.enabled = false;
    })
    .await;
    let (ada, bob) =
        (gateway.app_user().becomes_member("ada@example.com").await, gateway.app_user().becomes_member("bob@example.com").await);
    let file = picture(20, 20, image::ImageFormat::Png);
    let body = multipart(&[("operations", &operations(UPLOAD)), ("map", MAP), ("0", &file)]).without_end(30);
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ngraphql-require-preflight: 1\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=boundary\r\ncontent-length: 100000\r\n\r\n",
        ada.tokens().access
    );
    let open = async || {
        let mut slow = TcpStream::connect(&gateway.address).await.unwrap();
        slow.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        slow
    };
    let mut slow = open().await;
    // Once the slow one is let in, there is no second one of the same person; others come and go.
    let begun = std::time::Instant::now();
    while upload(&ada, &file).await.code() != Some("RATE_LIMITED") {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "the slow one is let in");
        if slow.try_read(&mut [0; 12]).is_ok() {
            // It came while a quick one was there.
            slow = open().await;
        }
    }
    upload(&bob, &file).await.expect_done();
    let mut status = [0; 12];
    slow.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    upload(&ada, &file).await.expect_done();
}
