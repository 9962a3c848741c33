//! What people do with the links.

use entity::users;
use reqwest::Method;
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};

use super::{
    ADA, HOUR, account,
    browser::{Browser, local},
    gateway,
};
use crate::support::{Challenge, Gateway, PASSWORD, Visitor};

async fn state_of(visitor: &Visitor, challenge: &Challenge) -> Value {
    let query = "query ($id: ID!) { challenge(id: $id) { state } }";
    visitor.graphql(query, json!({"id": challenge.id})).await.expect_field()["state"].clone()
}

async fn link_of_sign_up(gateway: &Gateway, visitor: &Visitor) -> (Challenge, String) {
    let challenge = visitor.sign_up(ADA, PASSWORD).await;
    (challenge, local(gateway.next_message(ADA).await.link.as_ref().unwrap()))
}

#[tokio::test]
async fn a_sign_up_is_finished_in_the_browser_that_began() {
    let gateway = gateway().await;
    let visitor = gateway.visitor();
    let (challenge, link) = link_of_sign_up(&gateway, &visitor).await;
    let browser = Browser::of(&visitor);
    let page = browser.open(&link).await.expect(200, "Confirm your address").expect(200, ADA);
    let typed: Vec<_> = page.tags("input").into_iter().filter(|input| input["type"] != "hidden").collect();
    assert!(typed.is_empty(), "nothing has to be typed: {typed:?}");
    browser.press(&page, &[]).await.expect(200, "Your address is confirmed").expect(200, "You can sign in now");
    assert_eq!(state_of(&visitor, &challenge).await, "DONE", "a waiting tab sees it");
    assert!(!visitor.cookies().names().contains(&"postern_access"), "it signs nobody in");
    visitor.sign_in(ADA, PASSWORD).await;
}

// A13: opened on the phone, begun on the laptop.
#[tokio::test]
async fn a_sign_up_is_finished_on_another_device_with_its_password() {
    let gateway = gateway().await;
    let laptop = gateway.visitor();
    let (challenge, link) = link_of_sign_up(&gateway, &laptop).await;
    let phone = Browser::of(&gateway.visitor());
    let page = phone.open(&link).await.expect(200, "another browser than the one in which you signed up");
    let password = page.input("password");
    assert_eq!((password["type"].as_str(), password["autocomplete"].as_str()), ("password", "current-password"));
    assert!(!password.contains_key("required"), "it may be left out");
    assert_eq!(page.input("account")["value"], ADA, "for what keeps passwords");

    let wrong = phone.press(&page, &[("password", "not the password")]).await.expect(422, "Wrong sign-in name or password");
    let password = wrong.input("password");
    assert_eq!(password["aria-invalid"], "true");
    assert!(password["aria-describedby"].starts_with("password-error"), "the error is tied to its field");
    assert!(password.contains_key("autofocus") && !password.contains_key("value"));
    assert!(wrong.html.contains("<title>Error: "), "who hears the page hears it first");
    assert!(!wrong.html.contains("not the password"), "what was typed is not repeated");
    phone.press(&wrong, &[("password", PASSWORD)]).await.expect(200, "You can sign in now");
    assert_eq!(state_of(&laptop, &challenge).await, "DONE");
    laptop.sign_in(ADA, PASSWORD).await;
}

// A13
#[tokio::test]
async fn without_its_password_another_device_drops_it() {
    let gateway = gateway().await;
    let laptop = gateway.visitor();
    let (_, link) = link_of_sign_up(&gateway, &laptop).await;
    Browser::of(&gateway.visitor()).follow(&link).await.expect(200, "No password is set");
    laptop.try_sign_in(ADA, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

// A14: the address of an account that exists; only the account's own password keeps everything from another browser.
#[tokio::test]
async fn an_account_proves_its_address_by_a_link() {
    let gateway = gateway().await;
    let member = account(&gateway, ADA).await;
    let unproved = users::Entity::update_many().col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None));
    unproved.exec(&gateway.database().await).await.unwrap();
    let query = "mutation { requestContactVerification(input: {channel: EMAIL}) { problems { code } } }";
    member.graphql(query, json!({})).await.expect_done();
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let here = Browser::of(&member.visitor).open(&link).await.expect(200, "Confirm your address");
    assert!(!here.html.contains("type=\"password\""), "{}", here.html);
    let elsewhere = Browser::of(&gateway.visitor());
    let page = elsewhere.open(&link).await.expect(200, "another browser than the one that asked for this message");
    let wrong = elsewhere.press(&page, &[("password", "not the password")]).await.expect(422, "Wrong sign-in name or password");
    elsewhere.press(&wrong, &[("password", PASSWORD)]).await.expect(200, "Your address is confirmed").expect(200, "You can sign in now");
    assert!(member.graphql("{ me { id } }", json!({})).await.expect_field().is_object(), "the session goes on");
}

#[tokio::test]
async fn another_username_is_asked_for_where_the_wanted_one_is_gone() {
    let gateway = gateway().await;
    let (first, second) = (gateway.visitor(), gateway.visitor());
    let input = |email: &str| json!({"contact": {"email": email}, "password": PASSWORD, "username": "ada"});
    let earlier: Challenge = first.try_sign_up(input(ADA)).await.expect_done().into();
    second.try_sign_up(input("eve@example.com")).await.expect_done();
    first.confirm(&earlier, &gateway.next_message(ADA).await.code()).await;
    let link = local(gateway.next_message("eve@example.com").await.link.as_ref().unwrap());
    let browser = Browser::of(&second);
    let taken = browser.follow(&link).await.expect(422, "This username is taken");
    let invalid = browser.press(&taken, &[("username", "!")]).await.expect(422, "This cannot be a username");
    assert_eq!(invalid.input("username")["aria-invalid"], "true");
    browser.press(&invalid, &[("username", "eve")]).await.expect(200, "Your address is confirmed");
    second.sign_in("eve", PASSWORD).await;
}

#[tokio::test]
async fn a_link_signs_in_the_browser_that_asked() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_sign_in_code(ADA).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&visitor);
    let page = browser.open(&link).await.expect(200, "a•••@example.com");
    assert!(!page.html.contains(ADA) && !page.text().contains("not the browser"), "{}", page.html);
    let done = browser.press(&page, &[]).await.expect(200, "You are signed in");
    // D12, D13: as cookies, and nowhere else.
    for name in ["postern_access", "postern_refresh", "postern_device"] {
        let value = visitor.cookies().get(name).expect(name).to_owned();
        assert!(!done.html.contains(&value), "{name}");
    }
    let session = visitor.graphql("{ currentSession { loginMethod } }", json!({})).await.expect_field();
    assert_eq!(session["loginMethod"], "MAGIC_LINK");
    visitor.try_refresh(None).await.expect_done();
    assert_eq!(state_of(&visitor, &challenge).await, "DONE");
    browser.open(&link).await.expect(410, "This link is not valid, or was used");
    gateway.next_message(ADA).await;
}

// FLOWS: in another browser the page shows the masked account and asks first.
#[tokio::test]
async fn a_link_that_signs_in_asks_first_in_another_browser() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let laptop = gateway.visitor();
    laptop.request_sign_in_code(ADA).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let phone = gateway.visitor();
    let browser = Browser::of(&phone);
    let page = browser.open(&link).await.expect(200, "Did you ask to sign in?").expect(200, "a•••@example.com");
    assert!(!page.html.contains(ADA));
    assert!(!phone.cookies().names().contains(&"postern_access"), "looking signs nobody in");
    browser.press(&page, &[]).await.expect(200, "You are signed in");
    assert!(phone.graphql("{ me { id } }", json!({})).await.expect_field().is_object());
    assert!(laptop.graphql("{ me { id } }", json!({})).await.expect_field().is_null(), "the laptop is not signed in");
    gateway.next_message(ADA).await;
}

// C7
#[tokio::test]
async fn a_lock_is_ended() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let stranger = gateway.visitor();
    for _ in 0..5 {
        stranger.try_sign_in(ADA, "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let owner = gateway.visitor();
    owner.try_sign_in(ADA, PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    let browser = Browser::of(&owner);
    browser.open(&link).await.expect(200, "a•••@example.com");
    browser.follow(&link).await.expect(200, "Your account is unlocked");
    owner.sign_in(ADA, PASSWORD).await;
    browser.open(&link).await.expect(410, "was used");
    gateway.next_message(ADA).await;
}

#[tokio::test]
async fn an_unknown_session_is_ended_and_a_new_password_offered() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let thief = gateway.visitor().sign_in(ADA, PASSWORD).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let owner = gateway.visitor();
    let browser = Browser::of(&owner);
    let page = browser.open(&link).await.expect(200, "Was this not you?");
    let told = page.clone().expect(200, "Firefox on Windows").expect(200, "2026-11-20 12:00 UTC");
    assert!(told.text().contains(&thief.visitor.address().to_string()));
    let done = browser.press(&page, &[]).await.expect(200, "That device is signed out");
    thief.graphql("{ sessions: me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");

    let sent = browser.press(&done, &[]).await.expect(200, "Look into your mailbox").expect(200, "a•••@example.com");
    assert!(!sent.has_form());
    let reset = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    browser.open(&reset).await.expect(200, "Choose a new password");
    gateway.advance(HOUR);
    browser.open(&reset).await.expect(410, "This link has expired");
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let gateway = gateway().await;
    let browser = Browser::of(&gateway.visitor());
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let page = browser.send(browser.request(method, "/sign-in?token=x")).await;
        assert_eq!((page.status, page.header("allow")), (405, "GET,HEAD,POST"));
    }
}

// A link of an account that has a number and no password says where it counts, and asks for no password that there is not.
#[tokio::test]
async fn a_link_that_counts_elsewhere_says_so() {
    use entity::users;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
    let gateway = gateway().await;
    let member = crate::sign_in_by_code::account_without_password(&gateway, "+66812345678").await;
    let give =
        users::Entity::update_many().col_expr(users::Column::Email, Expr::value(ADA)).filter(users::Column::Phone.eq("+66812345678"));
    give.exec(&gateway.database().await).await.unwrap();
    let query = "mutation { requestContactVerification(input: {channel: EMAIL}) { problems { code } } }";
    member.graphql(query, serde_json::json!({})).await.expect_done();
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let stranger = gateway.visitor();
    let page = Browser::of(&stranger).open(&link).await.expect(200, "Open this link where you asked for it");
    assert!(!page.has_form());
    Browser::speaking(&stranger, "th").open(&link).await.expect(200, "โปรดเปิดลิงก์นี้ในเบราว์เซอร์ที่ขอข้อความ");
    let browser = Browser::of(&member.visitor);
    let page = browser.open(&link).await.expect(200, "Confirm your address");
    browser.press(&page, &[]).await.expect(200, "Your address is confirmed");
}
