//! Choosing a new password.

use serde_json::json;

use super::{
    ADA, NEW_PASSWORD, account,
    browser::{Browser, local},
    gateway,
};
use crate::support::{Gateway, PASSWORD};

async fn link(gateway: &Gateway) -> String {
    gateway.visitor().request_password_reset(ADA).await;
    local(gateway.next_message(ADA).await.link.as_ref().unwrap())
}

// A1 to A4: the policy holds here too, and says what is wrong; nothing is used up by it.
#[tokio::test]
async fn a_new_password_is_judged_and_then_holds() {
    let gateway = gateway().await;
    let member = account(&gateway, ADA).await;
    let link = link(&gateway).await;
    let visitor = gateway.visitor();
    let browser = Browser::of(&visitor);
    let mut page = browser.open(&link).await.expect(200, "Choose a new password").expect(200, "At least 8 characters");
    for name in ["newPassword", "repeated"] {
        let input = page.input(name);
        assert_eq!((input["type"].as_str(), input["autocomplete"].as_str()), ("password", "new-password"));
        assert!(input.contains_key("required") && !input.contains_key("maxlength"), "what is pasted is not cut");
        assert_eq!(input["id"], name);
    }
    let account = page.input("account");
    assert_eq!((account["autocomplete"].as_str(), account["value"].as_str()), ("username", ADA), "for what keeps passwords");
    assert!(account.contains_key("hidden"));

    let long = "x".repeat(129);
    for (typed, repeated, field, reason) in [
        ("tiny 7", "tiny 7", "newPassword", "The password is too short."),
        (long.as_str(), long.as_str(), "newPassword", "The password is too long."),
        ("password1234", "password1234", "newPassword", "This password is on lists of known passwords."),
        (NEW_PASSWORD, "another Kettle 48 sundail", "repeated", "This is not the same as the new password above."),
        ("", "", "newPassword", "The password is too short."),
    ] {
        page = browser.press(&page, &[("newPassword", typed), ("repeated", repeated)]).await.expect(422, reason);
        let input = page.input(field);
        assert_eq!(input["aria-invalid"], "true");
        assert!(input["aria-describedby"].split(' ').any(|id| id == format!("{field}-error")));
        assert!(typed.is_empty() || !page.html.contains(typed), "a password is not repeated");
        assert!(visitor.try_sign_in(ADA, typed).await.code().is_none());
    }
    browser.press(&page, &[("newPassword", NEW_PASSWORD), ("repeated", NEW_PASSWORD)]).await.expect(200, "Your password was changed");
    // C4
    member.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    visitor.try_sign_in(ADA, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in(ADA, NEW_PASSWORD).await;
    browser.open(&link).await.expect(410, "This link is not valid, or was used");
    gateway.read_all(ADA).await;
}

// B5: one form, pressed twice at once, counts once.
#[tokio::test]
async fn of_two_tabs_one_sets_the_password() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    let link = link(&gateway).await;
    let browser = Browser::of(&gateway.visitor());
    let page = browser.open(&link).await;
    let typed = |password: &'static str| [("newPassword", password), ("repeated", password)];
    let (one, other) = ("green-Tortoise 93 viaduct", NEW_PASSWORD);
    let (one_typed, other_typed) = (typed(one), typed(other));
    let (first, second) = tokio::join!(browser.press(&page, &one_typed), browser.press(&page, &other_typed));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
    let holds = if first.status == 200 { one } else { other };
    gateway.visitor().sign_in(ADA, holds).await;
}

// A9: the offer of a message tells nobody who has an account.
#[tokio::test]
async fn a_message_is_offered_alike_for_every_address() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    gateway.visitor().sign_in(ADA, PASSWORD).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::of(&gateway.visitor());
    let done = browser.follow(&link).await.expect(200, "That device is signed out");
    let known = browser.press(&done, &[("address", ADA)]).await;
    let unknown = browser.press(&done, &[("address", "abe@example.com")]).await;
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    browser.press(&done, &[("address", "nonsense")]).await.expect(422, "This is not a valid e-mail address.");
    gateway.next_message(ADA).await;
}
