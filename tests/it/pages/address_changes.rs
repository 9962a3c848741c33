//! The old address stops a change of address, or undoes it.

use serde_json::json;

use super::{
    ADA, NEW_PASSWORD, account,
    browser::{Browser, local},
    change_email, gateway,
};
use crate::support::PASSWORD;

#[tokio::test]
async fn a_change_that_waits_is_stopped() {
    let gateway = gateway().await;
    let member = account(&gateway, ADA).await;
    let (_, link) = change_email(&gateway, &member, "eve@example.com").await;
    let browser = Browser::of(&gateway.visitor());
    let page = browser.open(&link).await.expect(200, "Keep this address").expect(200, "a•••@example.com");
    assert!(!page.html.contains("eve@example.com") && !page.html.contains(ADA));
    let done = browser.press(&page, &[]).await.expect(200, "This address stays");
    let me = member.graphql("{ me { email pendingEmail { value } } }", json!({})).await.expect_field();
    assert_eq!(me, json!({"email": ADA, "pendingEmail": null}));
    browser.open(&link).await.expect(410, "was used");
    // Whoever asked is still signed in: a new password is offered, which ends that.
    browser.press(&done, &[]).await.expect(200, "Look into your mailbox");
    let reset = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let page = browser.open(&reset).await;
    browser.press(&page, &[("newPassword", NEW_PASSWORD), ("repeated", NEW_PASSWORD)]).await.expect(200, "Your password was changed");
    member.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    gateway.next_message(ADA).await;
}

#[tokio::test]
async fn a_change_that_was_made_is_undone() {
    let gateway = gateway().await;
    let member = account(&gateway, ADA).await;
    let (challenge, link) = change_email(&gateway, &member, "eve@example.com").await;
    let code = gateway.next_message("eve@example.com").await.code();
    let query = "mutation ($input: ConfirmEmailChangeInput!) { confirmEmailChange(input: $input) { problems { code } } }";
    member.graphql(query, json!({"input": {"challengeId": challenge, "code": code}})).await.expect_done();
    gateway.next_message(ADA).await;
    let browser = Browser::of(&gateway.visitor());
    let page = browser.open(&link).await.expect(200, "Take your address back").expect(200, "a•••@example.com");
    browser.press(&page, &[]).await.expect(200, "Your address is back");
    member.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    browser.open(&link).await.expect(410, "was used");
    gateway.visitor().sign_in(ADA, PASSWORD).await;
    gateway.read_all(ADA).await;
}
