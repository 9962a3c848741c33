//! Pictures of people: sent, kept, served, taken away.

mod bucket;
mod files;
mod large;
mod serving;
mod transport;

use std::time::Duration;

use image::ImageFormat;
use postern::jobs::sweep_avatars::sweep;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use self::files::{many_pixels, many_tables, padded, picture, progressive};
use super::support::{Answer, Gateway, Member, Visitor};

pub const UPLOAD: &str = "mutation ($input: UploadAvatarInput!) { uploadAvatar(input: $input) {
    user { id avatar { url size mimeType } } problems { code path } } }";
const REMOVE: &str = "mutation { removeAvatar { user { avatar { url } } problems { code } } }";

/// A body of parts, as browsers write them.
pub fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let file = if name.len() == 1 { "; filename=\"me.png\"\r\nContent-Type: image/png" } else { "" };
        body.extend_from_slice(format!("--boundary\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--boundary--\r\n");
    body
}

pub fn operations(query: &str) -> Vec<u8> {
    json!({"query": query, "variables": {"input": {"file": null}}}).to_string().into_bytes()
}

pub const MAP: &[u8] = br#"{"0":["variables.input.file"]}"#;

pub async fn send(visitor: &Visitor, token: Option<&str>, body: Vec<u8>) -> Answer {
    let mut request = visitor
        .request(Method::POST, "/graphql")
        .header("graphql-require-preflight", "1")
        .header("content-type", "multipart/form-data; boundary=boundary")
        .header("accept", "application/graphql-response+json")
        .body(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Answer::of(request.send().await.unwrap()).await
}

pub async fn upload(member: &Member, file: &[u8]) -> Answer {
    let token = (!member.visitor.is_browser()).then(|| member.tokens().access);
    send(&member.visitor, token.as_deref(), multipart(&[("operations", &operations(UPLOAD)), ("map", MAP), ("0", file)])).await
}

async fn get(gateway: &Gateway, url: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let path = url.strip_prefix(&gateway.origin).unwrap_or(url);
    let response = gateway.visitor().request(Method::GET, path).send().await.unwrap();
    (response.status(), response.headers().clone(), response.bytes().await.unwrap().to_vec())
}

fn kept(gateway: &Gateway) -> usize {
    std::fs::read_dir(&gateway.config.avatars.folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_picture_is_written_anew_served_for_ever_replaced_and_removed() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    assert_eq!(ada.graphql("{ me { avatar { url } } }", json!({})).await.expect_field()["avatar"], Value::Null);
    let avatar = upload(&ada, &picture(800, 600, ImageFormat::Png)).await.expect_done()["user"]["avatar"].clone();
    assert_eq!(avatar["mimeType"], "image/jpeg");
    let url = avatar["url"].as_str().unwrap().to_owned();
    let (status, headers, bytes) = get(&gateway, &url).await;
    assert_eq!((status, bytes.len() as u64), (StatusCode::OK, avatar["size"].as_u64().unwrap()));
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 512);
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let same = gateway.visitor().request(Method::GET, url.strip_prefix(&gateway.origin).unwrap());
    assert_eq!(same.header("if-none-match", headers["etag"].clone()).send().await.unwrap().status(), StatusCode::NOT_MODIFIED);

    let second = upload(&ada, &picture(64, 64, ImageFormat::WebP)).await.expect_done()["user"]["avatar"]["url"].clone();
    assert_ne!(second, json!(url));
    assert_eq!(get(&gateway, &url).await.0, StatusCode::NOT_FOUND, "the old one is gone");
    assert_eq!(ada.graphql("{ me { avatar { url } } }", json!({})).await.expect_field()["avatar"]["url"], second);
    assert_eq!(ada.graphql(REMOVE, json!({})).await.expect_done()["user"]["avatar"], Value::Null);
    ada.graphql(REMOVE, json!({})).await.expect_done();
    assert_eq!(get(&gateway, second.as_str().unwrap()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(kept(&gateway), 0);
    for wrong in ["/avatars/x", "/avatars/..%2f..%2fpostern.db", "/avatars/00000000000000000000000000000000.svg"] {
        assert_eq!(get(&gateway, wrong).await.0, StatusCode::NOT_FOUND, "{wrong}");
    }
}

// H17: what is no picture, too much of one, a broken one, or something else too is refused as a problem of the file.
#[tokio::test]
async fn hostile_files_are_refused() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    let whole = picture(300, 300, ImageFormat::Png);
    let script = b"<html><script>alert(1)</script></html>".to_vec();
    let mut cases = vec![
        ("six megabytes", padded(whole.clone(), 6 * 1024 * 1024), "FILE_TOO_LARGE"),
        ("a bomb of pixels", many_pixels(), "FILE_TOO_LARGE"),
        ("a bomb of tables", many_tables(), "FILE_TOO_LARGE"),
        ("coefficients", progressive(8000, 6000), "FILE_TOO_LARGE"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(), "FILE_TYPE_NOT_ALLOWED"),
        ("a script", b"GIF89a/*".iter().chain(b"*/=1;alert(1)").copied().collect(), "FILE_TYPE_NOT_ALLOWED"),
        ("nothing", Vec::new(), "FILE_TYPE_NOT_ALLOWED"),
        ("HTML", script.clone(), "FILE_TYPE_NOT_ALLOWED"),
    ];
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let whole = picture(300, 300, format);
        cases.push(("a truncated file", whole[..whole.len() / 2].to_vec(), "FILE_TYPE_NOT_ALLOWED"));
        cases.push(("a polyglot", [whole, script.clone()].concat(), "FILE_TYPE_NOT_ALLOWED"));
    }
    for (name, file, code) in cases {
        let problem = upload(&ada, &file).await.expect_problem(code);
        assert_eq!(problem["path"], json!(["input", "file"]), "{name}");
    }
    assert_eq!(kept(&gateway), 0);
}

// Of many at once the last one stays, and nothing of the others.
#[tokio::test]
async fn many_pictures_at_once_leave_one() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    let file = picture(100, 100, ImageFormat::Png);
    let answers = futures::future::join_all((0..12).map(|_| upload(&ada, &file))).await;
    assert!(answers.into_iter().filter(|answer| answer.errors().is_empty()).map(Answer::expect_done).count() > 0);
    let url = ada.graphql("{ me { avatar { url } } }", json!({})).await.expect_field()["avatar"]["url"].as_str().unwrap().to_owned();
    assert_eq!(get(&gateway, &url).await.0, StatusCode::OK);
    assert_eq!(kept(&gateway), 1);
}

// A process that dies between storage and database leaves a picture that nobody names: the sweep takes it, and nothing else.
#[tokio::test]
async fn the_sweep_takes_what_no_account_names() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let url = upload(&ada, &picture(50, 50, ImageFormat::Png)).await.expect_done()["user"]["avatar"]["url"].as_str().unwrap().to_owned();
    let orphan = gateway.config.avatars.folder.join("0123456789abcdef0123456789abcdef.jpg");
    let of_others = gateway.config.avatars.folder.join("notes.txt");
    std::fs::write(&orphan, b"x").unwrap();
    std::fs::write(&of_others, b"x").unwrap();
    let by_the_wall = postern::clock::Clock::system().now();
    assert_eq!(gateway.inside(sweep(gateway.app(), by_the_wall)).await.unwrap(), 0, "it may belong to a change under way");
    let later = by_the_wall + Duration::from_hours(2);
    assert_eq!(gateway.inside(sweep(gateway.app(), later)).await.unwrap(), 1);
    assert!(!orphan.exists() && of_others.exists());
    assert_eq!(get(&gateway, &url).await.0, StatusCode::OK);
}
