//! Pictures as caches and strangers ask for them.

use image::ImageFormat;
use reqwest::{Method, StatusCode};

use super::{files::picture, upload};
use crate::support::Gateway;

#[tokio::test]
async fn what_a_cache_has_is_not_sent_again() {
    let gateway = Gateway::start().await;
    let ada = gateway.visitor().becomes_member("ada@example.com").await;
    let url = upload(&ada, &picture(50, 50, ImageFormat::Png)).await.expect_done()["user"]["avatar"]["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&gateway.origin).unwrap().to_owned();
    let key = path.rsplit('/').next().unwrap();
    let visitor = gateway.visitor();
    let status = async |given: String| visitor.request(Method::GET, &path).header("if-none-match", given).send().await.unwrap().status();
    for same in [format!("\"{key}\""), format!("W/\"{key}\""), format!("\"x\", W/\"y\" ,\"{key}\""), "*".to_owned()] {
        assert_eq!(status(same.clone()).await, StatusCode::NOT_MODIFIED, "{same}");
    }
    for other in [key.to_owned(), "\"x\"".to_owned(), String::new(), format!("\"{key}"), format!("\"x{key}\"")] {
        assert_eq!(status(other.clone()).await, StatusCode::OK, "{other}");
    }
    // A key names one picture for ever: the storage need not be asked.
    std::fs::remove_file(gateway.config.avatars.folder.join(key)).unwrap();
    assert_eq!(status(format!("\"{key}\"")).await, StatusCode::NOT_MODIFIED);
    assert_eq!(status("\"x\"".to_owned()).await, StatusCode::NOT_FOUND);
}

// H1: what is open to everybody has the limits of everything else.
#[tokio::test]
async fn denied_and_busy_addresses_get_neither_pictures_nor_keys() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.requests_per_ip = postern::config::Rate { count: 3, period: std::time::Duration::from_mins(1) };
    })
    .await;
    let paths = ["/avatars/00000000000000000000000000000000.jpg", "/.well-known/jwks.json"];
    for path in paths {
        let visitor = gateway.visitor();
        for _ in 0..3 {
            assert_ne!(visitor.request(Method::GET, path).send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
        }
        let refused = visitor.request(Method::GET, path).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(refused.headers().contains_key("retry-after"));
    }
    let closed = Gateway::start_with(|config| config.rate_limits.denied = vec!["198.18.0.0/15".parse().unwrap()]).await;
    for path in paths {
        let refused = closed.visitor().request(Method::GET, path).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
    }
}
