//! `/auth/verify`: whom a reverse proxy lets through, asked as proxies ask. A real nginx is in `tests/node`.

use std::time::{Duration, Instant};

use postern::config::Rate;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::{
    invitations::administrator,
    sign_in_by_code::{account, account_without_password, set_status, without_buckets},
};
use crate::support::{Gateway, Member};

const NAMES: [&str; 4] = ["x-auth-user-id", "x-auth-session-id", "x-auth-role", "x-auth-email"];

/// What a proxy tells beside the cookies, the `Origin` of the browser, and how it is answered.
type Asked<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, u16);

/// A question of a proxy on this machine, which the tests trust.
fn ask(gateway: &Gateway, method: Method) -> RequestBuilder {
    gateway.client.request(method, format!("http://{}/auth/verify", gateway.address)).header("x-forwarded-for", "203.0.113.9")
}

fn by_token(gateway: &Gateway, member: &Member) -> RequestBuilder {
    ask(gateway, Method::GET).bearer_auth(member.tokens().access)
}

fn by_cookies(gateway: &Gateway, member: &Member) -> RequestBuilder {
    ask(gateway, Method::GET).header("cookie", member.visitor.cookies().header().unwrap())
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[track_caller]
fn told(response: &Response) -> Vec<String> {
    assert_eq!(response.status(), 200);
    NAMES.iter().map(|name| response.headers()[*name].to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_live_session_is_told_in_four_headers() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    for request in [by_token(&gateway, &ada), by_cookies(&gateway, &ada).header("x-original-method", "GET")] {
        let response = request.send().await.unwrap();
        assert_eq!(told(&response), [ada.user_id.as_str(), &ada.session_id, "user", "ada@example.com"]);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    let admin = administrator(&gateway).await;
    let response = by_token(&gateway, &admin).send().await.unwrap();
    assert_eq!(told(&response)[2..], ["admin", "admin@example.com"]);
    // All four also where there is nothing to say, so that nothing that a client sent stays; a contact that nobody proved is none.
    let phone = account_without_password(&gateway, "+66812345678").await;
    assert_eq!(told(&by_token(&gateway, &phone).send().await.unwrap())[2..], ["user", ""]);

    // By any method, and below any path: Envoy adds that of its own request.
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        assert_eq!(status(ask(&gateway, method.clone()).bearer_auth(ada.tokens().access)).await, 200, "{method}");
    }
    let below = format!("http://{}/auth/verify/any/path?x=1", gateway.address);
    assert_eq!(status(gateway.client.get(below).bearer_auth(ada.tokens().access)).await, 200);
}

#[tokio::test]
async fn everything_else_is_refused_with_401() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let access = ada.tokens().access;
    let forged = format!("{}AAAA", &access[..access.len() - 4]);
    let told_get = |request: RequestBuilder| request.header("x-original-method", "GET");
    for request in [
        told_get(ask(&gateway, Method::GET)),
        told_get(ask(&gateway, Method::GET).header("authorization", "Basic YTpi")),
        told_get(ask(&gateway, Method::GET).bearer_auth(&forged)),
        // A Bearer token wins: the cookies do not count then, however good they are.
        told_get(by_cookies(&gateway, &ada).bearer_auth(&forged)),
        told_get(ask(&gateway, Method::GET).header("cookie", "postern_access=rubbish")),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(NAMES.iter().all(|name| !response.headers().contains_key(*name)));
    }
    // A refresh token is no access token, and an expired one is expired.
    let refresh = ada.visitor.cookies().get("postern_refresh").unwrap().to_owned();
    assert_eq!(status(ask(&gateway, Method::GET).bearer_auth(refresh)).await, 401);
    gateway.advance(Duration::from_mins(11));
    assert_eq!(status(by_token(&gateway, &ada)).await, 401);
}

// An unsafe method by cookie needs an allowed `Origin`; so does one that nobody tells.
#[tokio::test]
async fn cookies_count_where_no_other_site_can_have_sent_them() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let origin = gateway.origin.clone();
    let cases: [Asked<'_>; 12] = [
        (&[("x-original-method", "GET")], None, 200),
        (&[("x-forwarded-method", "HEAD")], None, 200),
        (&[("x-original-method", "POST")], None, 401),
        (&[("x-forwarded-method", "DELETE")], None, 401),
        (&[("x-original-method", "POST")], Some(&origin), 200),
        (&[("x-original-method", "POST")], Some("https://evil.example"), 401),
        (&[("x-original-method", "POST")], Some("null"), 401),
        // Also a socket or a cross-origin read by another site is none of ours.
        (&[("x-original-method", "GET")], Some("https://evil.example"), 401),
        // Not told: nginx asks by GET for a POST as well.
        (&[], None, 401),
        (&[], Some(&origin), 200),
        // What a client adds makes nothing better.
        (&[("x-original-method", "POST"), ("x-forwarded-method", "GET")], None, 401),
        (&[("x-original-method", "")], None, 401),
    ];
    for (headers, origin, expected) in cases {
        let mut request = by_cookies(&gateway, &ada);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(status(request).await, expected, "{headers:?} {origin:?}");
    }
    // With the method that came: Envoy asks so.
    let cookie = ada.visitor.cookies().header().unwrap();
    assert_eq!(status(ask(&gateway, Method::POST).header("cookie", &cookie)).await, 401);
    assert_eq!(status(ask(&gateway, Method::POST).header("cookie", &cookie).header("origin", &origin)).await, 200);
    // A token in the header comes from nobody's browser.
    assert_eq!(status(by_token(&gateway, &ada).header("x-original-method", "POST").header("origin", "https://evil.example")).await, 200);
}

#[tokio::test]
async fn only_a_trusted_proxy_tells_the_method() {
    let gateway = Gateway::start_with(|config| config.http.trusted_proxies.clear()).await;
    let ada = account(&gateway, "ada@example.com").await;
    assert_eq!(status(by_cookies(&gateway, &ada).header("x-original-method", "GET")).await, 401);
    assert_eq!(status(by_cookies(&gateway, &ada).header("origin", &gateway.origin)).await, 200);
    assert_eq!(status(by_token(&gateway, &ada)).await, 200);
}

// C17, D6
#[tokio::test]
async fn what_has_ended_is_refused_at_once() {
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let other = gateway.app_user().sign_in("ada@example.com", crate::support::PASSWORD).await;
    assert_eq!(status(by_token(&gateway, &other)).await, 200);
    ada.try_revoke(&other.session_id).await.expect_done();
    assert_eq!(status(by_token(&gateway, &other)).await, 401);
    assert_eq!(status(by_token(&gateway, &ada)).await, 200);
    set_status(&gateway, &ada, entity::users::Status::Banned).await;
    gateway.app().live_sessions.invalidate_user(ada.user_id.parse().unwrap());
    assert_eq!(status(by_token(&gateway, &ada)).await, 401);
}

#[tokio::test]
async fn what_was_ended_on_another_instance_is_refused_within_a_second() {
    let Some((here, there)) = Gateway::start_pair().await else { return };
    let ada = here.app_user().becomes_member("ada@example.com").await;
    assert_eq!(status(by_token(&there, &ada)).await, 200);
    ada.sign_out().await;
    let ended = Instant::now();
    while status(by_token(&there, &ada)).await != 401 {
        assert!(ended.elapsed() < Duration::from_secs(1));
    }
}

// What passes is the traffic of somebody else's site and counts nowhere; what is refused counts for the address that the proxy tells.
#[tokio::test]
async fn an_address_that_asks_in_vain_too_often_is_limited() {
    let gateway =
        Gateway::start_with(|config| config.rate_limits.requests_per_ip = Rate { count: 40, period: Duration::from_mins(1) }).await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    for _ in 0..100 {
        assert_eq!(status(by_token(&gateway, &ada)).await, 200);
    }
    for _ in 0..40 {
        assert_eq!(status(ask(&gateway, Method::GET)).await, 401);
    }
    let limited = ask(&gateway, Method::GET).send().await.unwrap();
    assert_eq!(limited.status(), 429);
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(status(by_token(&gateway, &ada)).await, 429, "nothing is looked up for it any more");
    let elsewhere = gateway.client.get(format!("http://{}/auth/verify", gateway.address)).header("x-forwarded-for", "203.0.113.10");
    assert_eq!(status(elsewhere.bearer_auth(ada.tokens().access)).await, 200);
}

#[tokio::test]
async fn a_denied_address_is_refused() {
    let gateway = Gateway::start_with(|config| config.rate_limits.denied = vec!["203.0.113.0/24".parse().unwrap()]).await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    assert_eq!(status(by_token(&gateway, &ada)).await, 403);
}

// As cheap as `me`: a warm session asks neither the database nor Redis.
#[tokio::test]
async fn a_warm_session_asks_nobody() {
    let gateway = Gateway::start().await;
    let ada = gateway.app_user().becomes_member("ada@example.com").await;
    ada.graphql("{ me { id } }", json!({})).await.expect_field();
    let mut seen = Vec::new();
    // The courier and others look after their work now and then; it is enough that one round meets none of them.
    for _ in 0..4 {
        let before = gateway.app().database.statements();
        for _ in 0..100 {
            assert_eq!(status(by_token(&gateway, &ada)).await, 200);
        }
        seen.push(gateway.app().database.statements() - before);
        if seen.last() == Some(&0) {
            return;
        }
    }
    panic!("100 questions asked the database each time: {seen:?}");
}
