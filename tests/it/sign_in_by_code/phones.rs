//! Codes by text message: what strangers spend is theirs, and nobody gets two at once.

use std::time::Duration;

use postern::config::Rate;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::json;

use super::{MINUTE, SECOND, account_without_password, imported};
use crate::support::{Answer, Challenge, Gateway, PASSWORD, Visitor};

const NUMBER: &str = "+66812345678";
const DAY: Duration = Duration::from_hours(24);

async fn ask(visitor: &Visitor, number: &str) -> Answer {
    visitor.try_request_sign_in_code(json!({"phone": number})).await
}

fn wait_of(answer: &Answer) -> Option<String> {
    answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().to_owned())
}

// B6, C7: strangers can spend what a number gets in a day; a device that its owner has used has a share of its own.
#[tokio::test]
async fn strangers_do_not_spend_the_text_messages_of_a_known_device() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.sms.per_number = Rate { count: 2, period: DAY };
    })
    .await;
    let owner = account_without_password(&gateway, NUMBER).await;
    gateway.advance(2 * DAY);
    for _ in 0..2 {
        ask(&gateway.visitor(), NUMBER).await.expect_done();
        gateway.next_message(NUMBER).await;
    }
    ask(&gateway.visitor(), NUMBER).await.expect_error("RATE_LIMITED");
    owner.sign_out().await;
    let known = &owner.visitor;
    for _ in 0..2 {
        let challenge: Challenge = ask(known, NUMBER).await.expect_done().into();
        known.sign_in_with_code(&challenge, &gateway.next_message(NUMBER).await.code()).await.sign_out().await;
        gateway.advance(MINUTE);
    }
    // It is a share, and has an end.
    ask(known, NUMBER).await.expect_error("RATE_LIMITED");
}

// C7: who knows the password of an imported account waits for no stranger: neither for a code nor for a guess.
#[tokio::test]
async fn strangers_do_not_keep_an_imported_account_from_its_first_sign_in() {
    let gateway = Gateway::start_with(|config| config.codes.wrong_budget = 2).await;
    for contact in ["ada@example.com", NUMBER] {
        imported(&gateway, contact).await;
        let kind = if contact.contains('@') { "email" } else { "phone" };
        for n in 0..5 {
            let stranger = gateway.visitor();
            let challenge: Challenge = stranger.try_sign_up(json!({"contact": {kind: contact}})).await.expect_done().into();
            if n < 2 {
                stranger.try_confirm(&challenge, "00000x").await.expect_problem("CODE_INVALID");
            }
            gateway.next_message(contact).await;
        }
        gateway.visitor().try_sign_up(json!({"contact": {kind: contact}})).await.expect_error("RATE_LIMITED");
        let owner = gateway.app_user();
        let outcome = owner.try_sign_in(contact, PASSWORD).await.expect_done()["outcome"].clone();
        assert_eq!(outcome["__typename"], "VerificationRequired");
        let challenge: Challenge = outcome.into();
        gateway.next_message(contact).await;
        gateway.advance(MINUTE);
        owner.try_resend(&challenge).await.expect_done();
        let code = gateway.next_message(contact).await.code();
        owner.try_confirm(&challenge, &super::other_than(&code)).await.expect_problem("CODE_INVALID");
        owner.confirm(&challenge, &code).await;
    }
}

// B6, A9: the next code to a number is a minute away, with and without an account, and nobody waits for somebody else.
#[tokio::test]
async fn the_next_text_message_is_a_minute_away() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    account_without_password(&gateway, NUMBER).await;
    gateway.advance(MINUTE);
    let mut waits = Vec::new();
    for number in [NUMBER, "+66812345679"] {
        let visitor = gateway.visitor();
        let challenge: Challenge = ask(&visitor, number).await.expect_done().into();
        let mut of_number = Vec::new();
        for _ in 0..3 {
            let answers = [
                ask(&visitor, number).await,
                visitor.try_sign_up(json!({"contact": {"phone": number}})).await,
                visitor.try_request_password_reset(json!({"phone": number})).await,
            ];
            for answer in answers {
                of_number.push((answer.status, wait_of(&answer)));
                answer.expect_error("RATE_LIMITED");
            }
            gateway.advance(10 * SECOND);
        }
        ask(&gateway.visitor(), number).await.expect_done();
        gateway.advance(30 * SECOND);
        // As its `resendAt` said.
        visitor.try_resend(&challenge).await.expect_done();
        ask(&visitor, number).await.expect_error("RATE_LIMITED");
        gateway.advance(MINUTE);
        ask(&visitor, number).await.expect_done();
        waits.push(of_number);
    }
    assert_eq!(waits[0], waits[1]);
    assert_eq!(waits[0][0], (429, Some("60".to_owned())));
    gateway.expect_undelivered();
}

// B6: a mail costs nothing.
#[tokio::test]
async fn mails_need_no_pause() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    for _ in 0..5 {
        visitor.request_sign_in_code("nobody@example.com").await;
    }
}

// B6: a number of a country that is not allowed is refused, whoever's it is, and not passed over in silence.
#[tokio::test]
async fn numbers_of_other_countries_are_refused_in_words() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let member = account_without_password(&gateway, "+6591234567").await;
    let other = imported(&gateway, "+6591234568").await;
    let thai = gateway.start_beside_with(|config| config.sms.allowed_countries = vec!["TH".to_owned()]).await;
    let member = member.at(&thai);
    member.try_request_reauthentication_code("SMS").await.expect_problem("METHOD_DISABLED");
    let query = "mutation ($input: ChangePhoneInput!) { changePhone(input: $input) { problems { code path } } }";
    let problem = member.graphql(query, json!({"input": {"newPhone": "+6591234569"}})).await.expect_problem("METHOD_DISABLED");
    assert_eq!(problem["path"], json!(["input", "newPhone"]));
    thai.visitor().try_sign_in(other.phone.as_ref().unwrap(), PASSWORD).await.expect_problem("METHOD_DISABLED");
    let unproved =
        entity::users::ActiveModel { id: Set(member.user_id.parse().unwrap()), phone_verified_at: Set(None), ..Default::default() };
    entity::users::Entity::update(unproved).exec(&gateway.database().await).await.unwrap();
    let query = "mutation { requestContactVerification(input: {channel: SMS}) { problems { code } } }";
    member.graphql(query, json!({})).await.expect_problem("METHOD_DISABLED");
}
