//! Passkeys: how they are made, used, renamed and removed, and what must not work.

mod attacks;
mod journeys;
mod malformed;
mod records;
mod second_step;
mod step_up;
mod ways_in;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::users;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use super::support::{Answer, Authenticator, Gateway, Member};
use crate::sign_in_by_code::{account, without_buckets};

/// A new account with a passkey in a security key, whose messages were read.
async fn with_security_key(gateway: &Gateway, email: &str) -> (Member, Authenticator) {
    let member = account(gateway, email).await;
    let mut key = member.visitor.security_key();
    member.add_passkey(&mut key).await;
    gateway.next_message(email).await;
    (member, key)
}

fn claims(access_token: &str) -> Value {
    let payload = access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// As if an authenticator app had been set up.
async fn switch_second_step_on(gateway: &Gateway, member: &Member) {
    let change = users::ActiveModel {
        id: Set(member.user_id.parse().unwrap()),
        totp_enabled_at: Set(Some(gateway.clock.now())),
        ..Default::default()
    };
    users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
}

/// The login token of a right password where a second step follows, and what is taken there.
async fn login_token(member: &Member, identifier: &str) -> (String, Value) {
    let query = "mutation ($input: SignInInput!) { signIn(input: $input) {
        outcome { __typename ... on SecondFactorRequired { loginToken methods expiresAt } } problems { code } } }";
    let input = json!({"identifier": identifier, "password": super::support::PASSWORD});
    let outcome = member.visitor.graphql(query, json!({"input": input})).await.expect_done()["outcome"].clone();
    assert_eq!(outcome["__typename"], "SecondFactorRequired");
    (outcome["loginToken"].as_str().unwrap().to_owned(), outcome["methods"].clone())
}

/// The code of the first problem, and that there is no error.
fn problem(answer: &Answer) -> String {
    assert!(answer.errors().is_empty(), "{} {}", answer.status, answer.body);
    let payload = answer.data().as_object().and_then(|fields| fields.values().next()).unwrap();
    payload["problems"][0]["code"].as_str().unwrap_or("DONE").to_owned()
}
