//! A deployment's own front end in place of the pages.

use super::{
    ADA, PATHS, account,
    browser::{Browser, local},
    gateway, links,
};
use crate::support::{Gateway, PASSWORD};

#[tokio::test]
async fn each_link_can_lead_to_a_page_of_ones_own() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.pages.reset_password = Some("https://app.example.com/reset?from=mail".parse().unwrap());
        config.pages.unlock = Some("https://app.example.com/unlock".parse().unwrap());
    })
    .await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    let challenge = visitor.request_password_reset(ADA).await;
    let message = gateway.next_message(ADA).await;
    let link = url::Url::parse(message.link.as_ref().unwrap()).unwrap();
    assert_eq!((link.host_str(), link.query()), (Some("app.example.com"), Some("from=mail")), "no server is told the token");
    let (token, id) = link.fragment().unwrap().strip_prefix("token=").unwrap().split_once("&challenge=").unwrap();
    assert_eq!(id, challenge.id);
    assert!(message.text.contains(link.as_str()) && message.html.unwrap().contains("app.example.com"));
    visitor.try_reset_by_link(token, "another Kettle 48 sundial").await.expect_done();

    for _ in 0..5 {
        visitor.try_sign_in(ADA, "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    // One tells of the new password, in either order.
    let notices = [gateway.next_message(ADA).await, gateway.next_message(ADA).await];
    let lock = notices.into_iter().find_map(|notice| notice.link).unwrap();
    let token = lock.strip_prefix("https://app.example.com/unlock#token=").expect("a link without a challenge");
    visitor.try_unlock(token).await.expect_done();

    // The others stay where they were, and Postern's own page is still there for links that went out before.
    visitor.request_sign_in_code(ADA).await;
    let link = gateway.next_message(ADA).await.link.unwrap();
    assert!(link.starts_with(gateway.config.http.public_url.as_str()), "{link}");
    let browser = Browser::of(&visitor);
    browser.open(&local(&link)).await.expect(200, "Sign in");
}

#[tokio::test]
async fn pages_lead_home_when_they_are_done() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.pages.home = Some("https://app.example.com/?a=1&b=2".parse().unwrap());
    })
    .await;
    let visitor = gateway.visitor();
    visitor.sign_up(ADA, PASSWORD).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&visitor);
    let page = browser.open(&link).await;
    assert!(page.tags("a").is_empty(), "not before");
    let done = browser.press(&page, &[]).await;
    assert_eq!(done.tags("a")[0]["href"], "https://app.example.com/?a=1&b=2");
    let dead = browser.open(&link).await;
    assert_eq!(dead.tags("a")[0]["href"], "https://app.example.com/?a=1&b=2");
}

#[tokio::test]
async fn without_a_home_no_page_leads_anywhere() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let visitor = gateway.visitor();
    let browser = Browser::of(&visitor);
    for (path, link) in PATHS.iter().zip(links(&gateway, &visitor).await) {
        if *path != "/reset-password" {
            assert!(browser.follow(&link).await.tags("a").is_empty(), "{path}");
        }
    }
    gateway.read_all(ADA).await;
}
