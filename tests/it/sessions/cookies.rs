//! Cookies, what wins over them, where they may come from, and devices that are known by one.

use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE},
};
use serde_json::json;

use super::{read_until, tokens};
use crate::support::{Answer, Gateway, PASSWORD};

fn set_cookies(answer: &Answer) -> Vec<String> {
    answer.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

// D12, D13: what a browser is given, and how it is marked.
#[tokio::test]
async fn cookies_are_marked_as_they_must_be() {
    for https in [false, true] {
        let gateway = Gateway::start_with(|config| {
            if https {
                config.http.public_url = "https://auth.example.com".parse().unwrap();
                config.http.allowed_origins = vec!["https://auth.example.com".to_owned()];
            }
        })
        .await;
        let visitor = gateway.visitor();
        let challenge = visitor.sign_up("baker@example.com", PASSWORD).await;
        let code = gateway.next_message("baker@example.com").await.code();
        let answer = visitor.try_confirm(&challenge, &code).await;
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
        let cookies = set_cookies(&answer);
        assert_eq!(cookies.len(), 3, "{cookies:?}");
        let prefix = if https { "__Host-" } else { "" };
        for (name, days) in [("postern_access", 30), ("postern_refresh", 30), ("postern_device", 400)] {
            let name = format!("{prefix}{name}=");
            let cookie = cookies.iter().find(|cookie| cookie.starts_with(&name)).unwrap_or_else(|| panic!("{name} in {cookies:?}"));
            for mark in ["; Path=/", "; HttpOnly", "; SameSite=Lax", &format!("; Max-Age={}", days * 86_400)] {
                assert!(cookie.contains(mark), "{mark} in {cookie}");
            }
            assert_eq!(cookie.contains("; Secure"), https, "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
        let payload = answer.expect_done();
        assert_eq!(payload["outcome"]["tokens"]["refreshToken"], json!(null), "a browser's script never sees it");
        assert!(payload["outcome"]["tokens"]["accessToken"].is_string());
    }
}

// A refresh answers by the channel that it was asked on.
#[tokio::test]
async fn a_refresh_answers_where_it_was_asked() {
    let gateway = Gateway::start().await;
    let browser = gateway.visitor().becomes_member("browser@example.com").await;
    let before = browser.visitor.cookies();
    let answer = browser.visitor.try_refresh(None).await;
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    let payload = answer.expect_done();
    assert_eq!(payload["tokens"]["refreshToken"], json!(null));
    let after = browser.visitor.cookies();
    assert_ne!(before.get("postern_refresh"), after.get("postern_refresh"));
    assert_eq!(browser.me().await["id"], browser.user_id);

    // In the body: in the body, and no cookie.
    let by_hand = after.get("postern_refresh").unwrap().to_owned();
    let answer = gateway.app_user().try_refresh(Some(&by_hand)).await;
    assert!(set_cookies(&answer).is_empty(), "{:?}", set_cookies(&answer));
    tokens(&answer.expect_done());
    // Without anything there is nothing to refresh.
    gateway.visitor().try_refresh(None).await.expect_problem("REFRESH_TOKEN_INVALID");
}

// A Bearer token wins: what the cookies say is ignored then, also where the token is wrong.
#[tokio::test]
async fn a_bearer_token_wins_over_cookies() {
    let gateway = Gateway::start().await;
    let browser = gateway.visitor().becomes_member("cookie@example.com").await;
    let app = gateway.app_user().becomes_member("bearer@example.com").await;
    let asked = browser.visitor.graphql_with("{ me { id } }", json!({}), Some(&app.tokens().access)).await.expect_field();
    assert_eq!(asked["id"], app.user_id);
    let answer = browser.visitor.graphql_with("{ me { id } }", json!({}), Some("wrong")).await;
    assert_eq!((answer.code(), answer.reason()), (Some("UNAUTHENTICATED"), Some("TOKEN_INVALID")));
    // The refresh cookie is ignored with it.
    let refresh = "mutation { refreshSession { tokens { accessToken } problems { code } } }";
    let answer = browser.visitor.graphql_with(refresh, json!({}), Some(&app.tokens().access)).await;
    answer.expect_problem("REFRESH_TOKEN_INVALID");
    assert_eq!(browser.me().await["id"], browser.user_id);
    for scheme in ["Basic abc", "bearer", "Token x", ""] {
        let answer = browser.visitor.request(Method::POST, "/graphql").header(ACCEPT, "application/graphql-response+json");
        let answer = answer.header(AUTHORIZATION, scheme).json(&json!({"query": "{ me { id } }"})).send().await.unwrap();
        assert_eq!(Answer::of(answer).await.code(), Some("UNAUTHENTICATED"), "{scheme:?}");
    }
}

// H10, H11: a mutation of another site, or in a form that a browser sends without asking first, is never run.
#[tokio::test]
async fn other_sites_cannot_ride_on_cookies() {
    let gateway = Gateway::start_with(|config| {
        config.http.public_url = "https://auth.example.com".parse().unwrap();
        config.http.allowed_origins = vec!["https://app.example.com".to_owned()];
    })
    .await;
    let body = json!({"query": "mutation { signOut { sessionId problems { code } } }"}).to_string();
    let send = async |origin: Option<&str>, kind: Option<&str>, preflight: bool| {
        let mut request = gateway.client.post(format!("http://{}/graphql", gateway.address)).body(body.clone());
        request = request.header(COOKIE, "__Host-postern_refresh=x");
        for (name, value) in [(ORIGIN, origin), (CONTENT_TYPE, kind)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if preflight {
            request = request.header("graphql-require-preflight", "1");
        }
        request.send().await.unwrap().status().as_u16()
    };
    let json = Some("application/json");
    assert_eq!(send(Some("https://app.example.com"), json, false).await, 200);
    assert_eq!(send(None, json, false).await, 200, "no browser");
    for foreign in ["https://evil.example", "null", "http://app.example.com", "https://app.example.com.evil.org"] {
        assert_eq!(send(Some(foreign), json, false).await, 403, "{foreign}");
        assert_eq!(send(Some(foreign), json, true).await, 403, "{foreign}");
    }
    for form in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=x")] {
        let status = send(Some("https://app.example.com"), form, false).await;
        assert!(matches!(status, 400 | 403 | 415), "{form:?}: {status}");
    }
}

// A device that signed in once is known: its owner is told once, whichever way it brings its token.
#[tokio::test]
async fn a_new_device_is_told_once() {
    let gateway = Gateway::start().await;
    let email = "traveller@example.com";
    let first = gateway.visitor();
    first.becomes_member(email).await;
    for visitor in [gateway.visitor(), gateway.app_user()] {
        visitor.sign_in(email, PASSWORD).await;
        read_until(&gateway, email, "New sign-in").await;
        for _ in 0..2 {
            visitor.sign_in(email, PASSWORD).await;
        }
    }
    // Nor is the one of the sign-up new, after signing out.
    let again = first.sign_in(email, PASSWORD).await;
    again.sign_out().await;
    first.sign_in(email, PASSWORD).await;
    // A token of one's own making knows nobody: that device is new, and gets another.
    let liar = gateway.visitor();
    liar.change_cookies(|cookies| cookies.set("postern_device", "made-up"));
    liar.sign_in(email, PASSWORD).await;
    read_until(&gateway, email, "New sign-in").await;
    assert_ne!(liar.cookies().get("postern_device"), Some("made-up"));
    let told = gateway
        .inbox(email)
        .await
        .into_iter()
        .filter(|message| message.subject.as_deref().is_some_and(|subject| subject.contains("New sign-in")))
        .count();
    assert_eq!(told, 3);
}

// D2: what a browser held before it signed in is not promoted to a session.
#[tokio::test]
async fn a_session_is_always_a_new_one() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let member = visitor.becomes_member("fixed@example.com").await;
    let planted = visitor.cookies();
    let again = visitor.sign_in("fixed@example.com", PASSWORD).await;
    assert_ne!(again.session_id, member.session_id);
    for name in ["postern_access", "postern_refresh"] {
        assert_ne!(planted.get(name), visitor.cookies().get(name));
    }
}
