//! Pictures in a bucket: a storage in this process that speaks as much of S3's language as is needed, and checks that requests are signed.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use postern::config::S3;
use serde_json::{Value, json};

use super::{REMOVE, files::picture, get, upload};
use crate::support::Gateway;

/// While there is such an object, the storage is away.
const AWAY: &str = "away";

/// Objects by path, with their content types.
type Bucket = Arc<Mutex<BTreeMap<String, (Bytes, String)>>>;

async fn answer(State(bucket): State<Bucket>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let signed = headers.get("authorization").is_some_and(|value| value.to_str().unwrap().contains("Credential=the-id/"));
    assert!(signed, "{method} {uri}");
    let mut objects = bucket.lock().unwrap();
    if objects.contains_key(AWAY) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let path = uri.path().to_owned();
    let query = uri.query().unwrap_or_default();
    if method == Method::PUT {
        let kind = headers.get("content-type").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        objects.insert(path, (body, kind));
        return (StatusCode::OK, [("etag", "\"x\"")]).into_response();
    }
    if method == Method::POST && query.contains("delete") {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let keys = text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
        let mut deleted = String::new();
        for key in keys {
            objects.remove(&format!("/pictures/{key}"));
            write!(deleted, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
        }
        return format!("<DeleteResult>{deleted}</DeleteResult>").into_response();
    }
    if method == Method::DELETE {
        objects.remove(&path);
        return StatusCode::NO_CONTENT.into_response();
    }
    if query.contains("list-type=2") {
        let mut listed = String::new();
        let (_, prefix) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "prefix").unwrap();
        for (path, (bytes, _)) in &*objects {
            let Some(key) = path.strip_prefix("/pictures/").filter(|key| key.starts_with(&*prefix)) else { continue };
            let size = bytes.len();
            write!(listed, "<Contents><Key>{key}</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>x</ETag><Size>{size}</Size></Contents>")
                .unwrap();
        }
        return format!("<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>").into_response();
    }
    match objects.get(&path) {
        Some((bytes, _)) => {
            let headers = [("etag", "\"x\""), ("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT")];
            (headers, bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn pictures_lie_in_a_bucket() {
    let bucket = Bucket::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(answer).with_state(Arc::clone(&bucket));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let gateway = Gateway::start_with(|config| {
        config.avatars.s3 = Some(S3 {
            bucket: "pictures".to_owned(),
            prefix: "of/ours".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint.parse().unwrap()),
            key: Some(("the-id".to_owned(), "the secret".into())),
        });
    })
    .await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    let kept = || bucket.lock().unwrap().iter().map(|(path, (_, kind))| (path.clone(), kind.clone())).collect::<Vec<_>>();
    let url = async |answer: crate::support::Answer| answer.expect_done()["user"]["avatar"]["url"].as_str().unwrap().to_owned();
    let first = url(upload(&ada, &picture(40, 40, image::ImageFormat::Png)).await).await;
    let key = first.rsplit('/').next().unwrap().to_owned();
    assert_eq!(kept(), [(format!("/pictures/of/ours/{key}"), "image/jpeg".to_owned())]);
    let (status, _, bytes) = get(&gateway, &first).await;
    assert_eq!((status, image::load_from_memory(&bytes).unwrap().width()), (StatusCode::OK, 40));
    let second = url(upload(&ada, &picture(41, 41, image::ImageFormat::Png)).await).await;
    assert_eq!(get(&gateway, &first).await.0, StatusCode::NOT_FOUND);
    assert_eq!(kept().len(), 1);
    bucket.lock().unwrap().insert("/pictures/of/ours/0123456789abcdef0123456789abcdef.png".to_owned(), (Bytes::new(), String::new()));
    let of_others = "/pictures/of/others/0123456789abcdef0123456789abcdef.png".to_owned();
    bucket.lock().unwrap().insert(of_others.clone(), (Bytes::new(), String::new()));
    assert_eq!(gateway.inside(postern::jobs::sweep_avatars::sweep(gateway.app(), gateway.clock.now())).await.unwrap(), 1);
    assert!(bucket.lock().unwrap().contains_key(&of_others), "another deployment's");
    assert_eq!(get(&gateway, &second).await.0, StatusCode::OK);
    // A storage that is away refuses the picture, and nothing else.
    bucket.lock().unwrap().insert(AWAY.to_owned(), (Bytes::new(), String::new()));
    upload(&ada, &picture(42, 42, image::ImageFormat::Png)).await.expect_error("OVERLOADED");
    let me = ada.graphql("{ me { avatar { url } } }", json!({})).await.expect_field();
    assert_eq!(me["avatar"]["url"], json!(second));
    assert_eq!(ada.graphql(REMOVE, json!({})).await.expect_done()["user"]["avatar"], Value::Null);
}
