//! The hosted pages, as a browser without script uses them.

mod address_changes;
pub mod browser;
mod dead_links;
mod forgeries;
mod journeys;
mod languages;
mod own_pages;
mod resets;
mod scanners;

use std::time::Duration;

use serde_json::json;

use super::support::{Gateway, Member, PASSWORD, Visitor};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);
pub const ADA: &str = "ada@example.com";
pub const NEW_PASSWORD: &str = "another Kettle 48 sundial";
pub const PATHS: [&str; 6] = ["/verify-email", "/reset-password", "/sign-in", "/cancel-email-change", "/unlock", "/end-session"];

/// Without leaky buckets: one person does much here.
pub async fn gateway() -> Gateway {
    Gateway::start_with(|config| config.rate_limits.enabled = false).await
}

/// A new account, whose welcome was read.
pub async fn account(gateway: &Gateway, email: &str) -> Member {
    let member = gateway.visitor().becomes_member(email).await;
    gateway.next_message(email).await;
    member
}

/// The links of every kind that an account can get, each as path and query, in the order of [`PATHS`]; the first is of somebody else's sign-up.
pub async fn links(gateway: &Gateway, visitor: &Visitor) -> Vec<String> {
    visitor.sign_up("new@example.com", PASSWORD).await;
    let verify = gateway.next_message("new@example.com").await;
    visitor.request_password_reset(ADA).await;
    let reset = gateway.next_message(ADA).await;
    visitor.request_sign_in_code(ADA).await;
    let sign_in = gateway.next_message(ADA).await;
    let member = gateway.visitor().sign_in(ADA, PASSWORD).await;
    let disown = gateway.next_message(ADA).await;
    let (_, change) = change_email(gateway, &member, "later@example.com").await;
    for _ in 0..5 {
        visitor.try_sign_in(ADA, "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    let unlock = gateway.next_message(ADA).await;
    let [verify, reset, sign_in, unlock, disown] =
        [verify, reset, sign_in, unlock, disown].map(|message| browser::local(message.link.as_ref().unwrap()));
    let links = vec![verify, reset, sign_in, change, unlock, disown];
    assert!(PATHS.iter().zip(&links).all(|(path, link)| link.starts_with(path)), "{links:?}");
    links
}

/// Asks for another address: the challenge that it waits for, and the link that the old one got.
pub async fn change_email(gateway: &Gateway, member: &Member, email: &str) -> (String, String) {
    let query = "mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) { challenge { id } problems { code } } }";
    let payload = member.graphql(query, json!({"input": {"newEmail": email}})).await.expect_done();
    let link = browser::local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    (payload["challenge"]["id"].as_str().unwrap().to_owned(), link)
}
