//! Links that do nothing (any more), and requests that make no sense.

use reqwest::{Method, header::ORIGIN};

use super::{ADA, HOUR, NEW_PASSWORD, PATHS, SECOND, account, browser::Browser, gateway, links};
use crate::support::Gateway;

fn with_token(form: &super::browser::Form, token: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = form.fields.iter().filter(|(name, _)| name != "token").cloned().collect();
    for field in &mut fields {
        if ["newPassword", "repeated"].contains(&field.0.as_str()) {
            NEW_PASSWORD.clone_into(&mut field.1);
        }
    }
    fields.push(("token".to_owned(), token.to_owned()));
    fields
}

// A14, B5: whatever is not the live link of this very page is refused alike, by looking and by pressing.
#[tokio::test]
async fn what_is_no_live_link_of_the_page_is_refused_in_words() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    let all = links(&gateway, &visitor).await;
    let token_of = |link: &str| link.split_once("token=").unwrap().1.split('&').next().unwrap().to_owned();
    let good = token_of(&all[0]);
    let mut wrong: Vec<String> = ["", "x", "A", "%00", "../../etc/passwd", "\u{202e}", "<script>"].map(str::to_owned).to_vec();
    wrong.extend([good[1..].to_owned(), format!("{good}A"), good.to_uppercase(), "A".repeat(43), "A".repeat(10_000)]);
    let browser = Browser::of(&visitor);
    for (path, link) in PATHS.iter().zip(&all) {
        let form = browser.open(link).await.form();
        let others = all.iter().filter(|other| *other != link).map(|other| token_of(other));
        for token in wrong.iter().cloned().chain(others) {
            let query: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
            let page = browser.open(&format!("{path}?token={query}")).await.expect(410, "This did not work");
            assert!(!page.has_form() && page.text().contains("This link is not valid, or was used"), "{path} {token}");
            let pressed = browser.send(browser.form(path, &with_token(&form, &token))).await;
            assert!(pressed.status == 410 && !pressed.has_form(), "{path} {token}: {} {}", pressed.status, pressed.html);
        }
        for odd in [
            (*path).to_owned(),
            format!("{path}?"),
            format!("{path}?token"),
            format!("{path}?token=%ff%fe&token=x"),
            format!("{path}?TOKEN=x"),
        ] {
            browser.open(&odd).await.expect(410, "This did not work");
        }
        // They are all as they were.
        browser.open(link).await.expect(200, "");
    }
    gateway.read_all(ADA).await;
}

// A14
#[tokio::test]
async fn an_expired_link_says_so() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    let all = links(&gateway, &visitor).await;
    let browser = Browser::of(&visitor);
    let mut pages = Vec::new();
    for link in &all {
        pages.push(browser.open(link).await);
    }
    gateway.advance(30 * 24 * HOUR + SECOND);
    for (page, link) in pages.iter().zip(&all) {
        let typed: &[_] = if link.starts_with("/reset") { &[("newPassword", NEW_PASSWORD), ("repeated", NEW_PASSWORD)] } else { &[] };
        browser.press(page, typed).await.expect(410, "This link has expired");
        let opened = browser.open(link).await.expect(410, "This link has expired");
        assert!(opened.text().contains("Open the newest message"), "what to do now");
    }
    gateway.read_all(ADA).await;
}

// C17: the token was good, the account is not.
#[tokio::test]
async fn a_suspended_account_is_told_so_and_is_not_signed_in() {
    use entity::users;
    use sea_orm::{ActiveValue::Set, EntityTrait};

    let gateway = gateway().await;
    let member = account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code(ADA).await;
    let link = super::browser::local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let status =
        users::ActiveModel { id: Set(member.user_id.parse().unwrap()), status: Set(users::Status::Suspended), ..Default::default() };
    users::Entity::update(status).exec(&gateway.database().await).await.unwrap();
    let page = Browser::of(&visitor).follow(&link).await.expect(422, "This account is suspended");
    assert!(!page.has_form() && !page.text().contains("newest message"));
    assert!(!visitor.cookies().names().contains(&"postern_access"));
}

// C10, H7: limits of the flows and of addresses are told on a page, with the time to come again.
#[tokio::test]
async fn who_comes_too_often_is_told_when_to_come_again() {
    let gateway = Gateway::start().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    visitor.request_sign_in_code(ADA).await;
    let link = super::browser::local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&visitor);
    let page = browser.open(&link).await;
    let form = page.form();
    for _ in 0..10 {
        browser.send(browser.form("/sign-in", &with_token(&form, "nonsense"))).await.expect(410, "not valid");
    }
    let limited = browser.press(&page, &[]).await.expect(429, "That was too often").expect(429, "Please try again in 1 min.");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert!(limited.has_form(), "the link is still good");
    gateway.advance(super::MINUTE);
    browser.press(&limited, &[]).await.expect(200, "You are signed in");
    gateway.next_message(ADA).await;
}

#[tokio::test]
async fn a_denied_address_gets_no_page() {
    let gateway = Gateway::start_with(|config| config.rate_limits.denied = vec!["203.0.113.0/24".parse().unwrap()]).await;
    let browser = Browser::of(&gateway.visitor().from_address("203.0.113.9"));
    browser.open("/sign-in?token=x").await.expect(403, "You cannot use this page from where you are");
    browser.send(browser.form("/sign-in", &[])).await.expect(403, "You cannot use this page");
}

// H7
#[tokio::test]
async fn forms_are_read_within_limits() {
    let gateway = gateway().await;
    let browser = Browser::of(&gateway.visitor());
    let own = gateway.origin.clone();
    let post = |body: String, media: &'static str| {
        browser.request(Method::POST, "/sign-in").header(ORIGIN, &own).header("content-type", media).body(body)
    };
    let large = format!("token={}", "x".repeat(20_000));
    browser.send(post(large, "application/x-www-form-urlencoded")).await.expect(413, "could not be read");
    for media in ["text/plain", "application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded-not"] {
        browser.send(post("token=x".to_owned(), media)).await.expect(415, "could not be read");
    }
    let odd = post("%%%&=&token=%ff&token".to_owned(), "application/x-www-form-urlencoded; charset=utf-8");
    browser.send(odd).await.expect(410, "This did not work");
}
