//! What text messages may cost, seen from outside: who asks, and what leaves the house.

use std::time::Duration;

use postern::config::{Config, Rate};
use serde_json::json;

use super::fake_sms::{FakeSms, Mood};
use crate::support::{Answer, Gateway, PASSWORD, Process, Visitor, until};

const DAY: Duration = Duration::from_hours(24);

fn a_day(count: u32) -> Rate {
    Rate { count, period: DAY }
}

/// Only the caps count.
fn caps_alone(config: &mut Config) {
    config.rate_limits.enabled = false;
}

async fn sign_up(visitor: &Visitor, number: &str) -> Answer {
    visitor.try_sign_up(json!({"contact": {"phone": number}})).await
}

/// Asks until it is refused; returns how often it was not.
async fn asked_until_refused(gateway: &Gateway, number: &str) -> u32 {
    for count in 0..100 {
        let answer = sign_up(&gateway.visitor(), number).await;
        if answer.code() == Some("RATE_LIMITED") {
            assert_eq!(answer.status, 429);
            assert!(answer.headers.contains_key("retry-after"));
            return count;
        }
        answer.expect_done();
    }
    100
}

// B6, A9: a number gets its ten a day, whoever asks from wherever, whether or not it has an account.
#[tokio::test]
async fn a_number_is_capped_whether_or_not_it_is_known() {
    let service = FakeSms::start(Mood::Well).await;
    let gateway = Gateway::start_with(|config| {
        caps_alone(config);
        config.sms.per_number = a_day(4);
    })
    .await;
    let challenge = sign_up(&gateway.visitor(), "+66812345678").await.expect_done();
    let code = gateway.next_message("+66812345678").await.code();
    gateway.visitor().try_confirm(&challenge.into(), &code).await.expect_done();
    gateway.advance(DAY * 2);
    assert_eq!(asked_until_refused(&gateway, "+66812345678").await, 4);
    assert_eq!(asked_until_refused(&gateway, "+66812345679").await, 4);
    drop(service);
}

// B6: a loop of sends over numbers, counted where they would cost money.
#[tokio::test]
async fn a_block_a_country_and_everybody_are_capped() {
    let service = FakeSms::start(Mood::Well).await;
    let sender = service.twilio();
    let gateway = Gateway::start_with(|config| {
        caps_alone(config);
        config.sms.sender = Some(sender);
        config.sms.per_block = a_day(3);
        config.sms.per_country = a_day(5);
        // A quarter of it at once.
        config.sms.in_all = a_day(28);
    })
    .await;
    let number = |prefix: &str, last: u32| format!("{prefix}{last}");
    let from = |address: &str| gateway.visitor().from_address(address);
    for last in 0..3 {
        sign_up(&from(&format!("203.0.113.{last}")), &number("+6681234560", last)).await.expect_done();
    }
    sign_up(&from("203.0.113.99"), "+66812345670").await.expect_error("RATE_LIMITED");
    // One customer's network is one block, whichever of its addresses asks.
    for last in 1..3 {
        sign_up(&from(&format!("2001:db8::{last}")), &number("+6681234561", last)).await.expect_done();
    }
    sign_up(&from("198.51.100.1"), "+66812345671").await.expect_error("RATE_LIMITED");
    for last in 0..2 {
        sign_up(&from("198.51.100.1"), &number("+659123456", last)).await.expect_done();
    }
    sign_up(&from("192.0.2.1"), "+6591234569").await.expect_error("RATE_LIMITED");
    wait_for_sent(&gateway, &service, 7).await;
    // No e-mail is held up by it.
    gateway.visitor().try_sign_up(json!({"contact": {"email": "ada@example.com"}})).await.expect_done();
    gateway.next_message("ada@example.com").await;
}

// B6, B7: a resend is counted before the old code stops working, so that a refusal takes nothing away; and another spelling is no other number.
#[tokio::test]
async fn a_refused_resend_leaves_the_code_that_was_sent() {
    let gateway = Gateway::start_with(|config| {
        caps_alone(config);
        config.sms.per_number = a_day(2);
    })
    .await;
    let visitor = gateway.app_user();
    let challenge: crate::support::Challenge = sign_up(&visitor, "+66812345678").await.expect_done().into();
    gateway.next_message("+66812345678").await;
    gateway.advance(Duration::from_mins(1));
    visitor.try_resend(&challenge).await.expect_done();
    let code = gateway.next_message("+66812345678").await.code();
    gateway.advance(Duration::from_mins(1));
    visitor.try_resend(&challenge).await.expect_error("RATE_LIMITED");
    sign_up(&gateway.visitor(), "+66 81 234 5678").await.expect_error("RATE_LIMITED");
    visitor.confirm(&challenge, &code).await;
}

// B6: an account that is signed in has a cap of its own, whatever numbers it names and wherever it asks from.
#[tokio::test]
async fn an_account_is_capped_over_all_numbers() {
    let gateway = Gateway::start_with(|config| {
        caps_alone(config);
        config.sms.per_account = a_day(3);
    })
    .await;
    let member = gateway.app_user().becomes_member("ada@example.com").await;
    let ask = async |last: u32| {
        let query = "mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } problems { code } } }";
        member.graphql(query, json!({"input": {"contact": {"phone": format!("+6681234560{last}")}}})).await
    };
    for last in 0..3 {
        ask(last).await.expect_done();
    }
    ask(4).await.expect_error("RATE_LIMITED");
    sign_up(&gateway.visitor(), "+66812345604").await.expect_done();
}

// B6: notices have shares of their own: codes cannot use them up, and neither can notices cost without an end.
#[tokio::test]
async fn notices_are_capped_apart_from_codes() {
    let service = FakeSms::start(Mood::Well).await;
    let sender = service.twilio();
    let gateway = Gateway::start_with(|config| {
        caps_alone(config);
        config.sms.sender = Some(sender);
        config.sms.per_number = a_day(2);
    })
    .await;
    let phone = "+66812345678";
    let sent = async |part: &str| {
        gateway.all_have_come(None).await;
        service.taken().iter().filter(|request| request.form()["Body"].contains(part)).count()
    };
    let visitor = gateway.app_user();
    let input = json!({"contact": {"phone": phone}, "password": PASSWORD});
    let challenge: crate::support::Challenge = visitor.try_sign_up(input).await.expect_done().into();
    assert_eq!(sent("code").await, 1);
    let code = service.taken()[0].form()["Body"][..6].to_owned();
    let member = visitor.confirm(&challenge, &code).await;
    sign_up(&gateway.visitor(), phone).await.expect_done();
    sign_up(&gateway.visitor(), phone).await.expect_error("RATE_LIMITED");
    assert_eq!(sent("your account is ready").await, 1, "a notice");
    let passwords = [PASSWORD, "quite-Another 52 teapot", "third-Harbour 93 lantern", "fourth-Meadow 11 compass"];
    for pair in passwords.windows(2) {
        member.try_change_password(pair[0], pair[1]).await.expect_done();
    }
    assert_eq!(sent("was changed at").await, 1, "the second notice, and no third");
    assert_eq!(service.taken().len(), 4);
}

/// Until the courier has nothing left to send.
async fn wait_for_sent(gateway: &Gateway, service: &FakeSms, count: usize) {
    gateway.all_have_come(None).await;
    assert_eq!(service.taken().len(), count);
}

// What nobody would get is not offered.
#[tokio::test]
async fn without_a_sender_production_offers_no_text_messages() {
    let service = FakeSms::start(Mood::Well).await;
    let url = format!("http://127.0.0.1:{}/sms", service.port);
    let sender = [
        ("POSTERN_SMS__SENDER", "webhook"),
        ("POSTERN_SMS__WEBHOOK_URL", &url),
        ("POSTERN_SMS__WEBHOOK_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
    ];
    let query = "{ authConfig { contacts loginMethods } }";
    for (settings, contacts) in [(&[][..], json!(["EMAIL"])), (&sender[..], json!(["EMAIL", "SMS"]))] {
        let offered = !settings.is_empty();
        let production = Process::start_production(settings).await;
        let visitor = production.app_user();
        let config = visitor.graphql(query, json!({})).await.expect_data();
        assert_eq!(config["authConfig"]["contacts"], contacts);
        let methods = config["authConfig"]["loginMethods"].as_array().unwrap();
        assert_eq!(methods.contains(&json!("PHONE_CODE")), offered);
        let other = production.app_user();
        let answers = [sign_up(&visitor, "+66812345678").await, other.try_request_sign_in_code(json!({"phone": "+66812345678"})).await];
        for answer in answers {
            if offered {
                answer.expect_done();
            } else {
                answer.expect_problem("METHOD_DISABLED");
            }
        }
        until("it is sent", Duration::from_secs(10), async || !offered || !service.taken().is_empty()).await;
    }
    // The sign-up's; the other one is nobody's.
    assert_eq!(service.taken().len(), 1);
}

// B6
#[tokio::test]
async fn only_allowed_countries_get_text_messages() {
    let gateway = Gateway::start_with(|config| config.sms.allowed_countries = vec!["TH".to_owned()]).await;
    sign_up(&gateway.visitor(), "+66812345678").await.expect_done();
    gateway.next_message("+66812345678").await;
    sign_up(&gateway.visitor(), "+6591234567").await.expect_problem("METHOD_DISABLED");
    assert!(gateway.inbox("+6591234567").await.is_empty());
}
