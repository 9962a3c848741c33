//! Links that sign in.

use reqwest::Method;
use serde_json::json;

use super::{MINUTE, SECOND, account, state_of};
use crate::support::{Gateway, PASSWORD};

// A15: mail scanners open links; only the button uses one up.
#[tokio::test]
async fn opening_a_link_uses_nothing_up() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_sign_in_code("ada@example.com").await;
    let message = gateway.next_message("ada@example.com").await;
    let link = url::Url::parse(message.link.as_ref().unwrap()).unwrap();
    assert_eq!(link.path(), "/sign-in");
    for method in [Method::HEAD, Method::GET, Method::HEAD, Method::GET, Method::GET] {
        gateway.visitor().request(method, &format!("{}?{}", link.path(), link.query().unwrap())).send().await.unwrap();
    }
    let member = visitor.sign_in_with_link(&message.link_token()).await;
    let session = member.graphql("{ currentSession { loginMethod } }", json!({})).await.expect_field();
    assert_eq!(session["loginMethod"], "MAGIC_LINK");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "DONE", "a waiting tab sees it");
    // A14: the link works once, and its code with it.
    visitor.try_sign_in_with_link(&message.link_token()).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_code(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
}

// What the page behind the link shows before anybody is signed in: another browser has to ask first.
#[tokio::test]
async fn a_link_knows_the_browser_that_asked() {
    use std::{net::IpAddr, sync::Arc};

    use postern::flows::{
        caller::{Caller, Identity},
        sign_in_with_link::look,
    };
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code("ada@example.com").await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    let caller = |device_token: Option<&str>| Caller {
        request_id: "test".to_owned(),
        ip: IpAddr::from([198, 18, 0, 1]),
        user_agent: None,
        locale: None,
        device_token: device_token.map(str::to_owned),
        refresh_cookie: None,
        method: "GET",
        path: "/sign-in",
        params: None,
        identity: Identity::Anonymous,
    };
    let app = Arc::clone(gateway.app());
    for (device, asked_here) in [(visitor.cookies().get("postern_device"), true), (None, false), (Some("A"), false)] {
        let preview = gateway.inside(look(&app, &caller(device), &token)).await.unwrap();
        assert_eq!((preview.destination.as_str(), preview.asked_here), ("a•••@example.com", asked_here));
    }
    assert!(gateway.inside(look(&app, &caller(None), "nonsense")).await.is_err());
    gateway.visitor().sign_in_with_link(&token).await;
    assert!(gateway.inside(look(&app, &caller(None), &token)).await.is_err(), "used");
    // That of the new device.
    gateway.next_message("ada@example.com").await;
}

// A14
#[tokio::test]
async fn a_link_lives_a_quarter_of_an_hour_and_only_the_three_newest_do() {
    let gateway = super::without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    let mut tokens = Vec::new();
    for _ in 0..4 {
        visitor.request_sign_in_code("ada@example.com").await;
        tokens.push(gateway.next_message("ada@example.com").await.link_token());
        gateway.advance(SECOND);
    }
    visitor.try_sign_in_with_link(&tokens[0]).await.expect_problem("TOKEN_INVALID");
    visitor.sign_in_with_link(&tokens[2]).await;
    for token in &tokens {
        visitor.try_sign_in_with_link(token).await.expect_problem("TOKEN_INVALID");
    }
    // That of the new device.
    gateway.next_message("ada@example.com").await;
    visitor.request_sign_in_code("ada@example.com").await;
    let late = gateway.next_message("ada@example.com").await.link_token();
    gateway.advance(15 * MINUTE);
    visitor.try_sign_in_with_link(&late).await.expect_problem("TOKEN_EXPIRED");
    for garbage in ["", "x", &late[1..], &format!("{late}A"), "../../etc/passwd", &"A".repeat(43)] {
        visitor.try_sign_in_with_link(garbage).await.expect_problem("TOKEN_INVALID");
    }
}

// A14, B5: a link does what its message says, and nothing else.
#[tokio::test]
async fn a_link_for_one_thing_does_no_other() {
    let gateway = super::without_buckets().await;
    account(&gateway, "ada@example.com").await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code("ada@example.com").await;
    let sign_in = gateway.next_message("ada@example.com").await.link_token();
    visitor.request_password_reset("ada@example.com").await;
    let reset = gateway.next_message("ada@example.com").await.link_token();
    gateway.visitor().sign_in("ada@example.com", PASSWORD).await;
    let disown = gateway.next_message("ada@example.com").await.link_token();
    for _ in 0..5 {
        visitor.try_sign_in("ada@example.com", "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    let unlock = gateway.next_message("ada@example.com").await.link_token();
    visitor.sign_up("new@example.com", PASSWORD).await;
    let sign_up = gateway.next_message("new@example.com").await.link_token();

    let all = [&sign_in, &reset, &disown, &unlock, &sign_up];
    for token in all {
        if token != &sign_in {
            visitor.try_sign_in_with_link(token).await.expect_problem("TOKEN_INVALID");
        }
        if token != &reset {
            visitor.try_reset_by_link(token, "another Kettle 48 sundial").await.expect_problem("TOKEN_INVALID");
        }
        if token != &disown {
            visitor.try_disown(token).await.expect_problem("TOKEN_INVALID");
        }
        if token != &unlock {
            visitor.try_unlock(token).await.expect_problem("TOKEN_INVALID");
        }
        if token != &sign_up {
            visitor.verify_email(token, None).await.expect_problem("TOKEN_INVALID");
        }
    }
    visitor.try_unlock(&unlock).await.expect_done();
    visitor.try_disown(&disown).await.expect_done();
    visitor.sign_in_with_link(&sign_in).await;
    visitor.try_reset_by_link(&reset, "another Kettle 48 sundial").await.expect_done();
    visitor.verify_email(&sign_up, None).await.expect_done();
}
