//! A sign-in that looks very unusual takes another proof: the factor that its owner has, else a code to their contact.

use entity::users;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use super::{ADA, HOUR, MINUTE, device_in, fails, is_recent, is_warning, look, looks, magic_link, member, moved, tries, with_places};
use crate::{
    pages::browser::{Browser, local},
    sign_in_by_code::{other_than, state_of},
    support::{
        Answer, AuthenticatorApp, Challenge, Gateway, Member, PASSWORD, Visitor, login_token,
        places::{BANGKOK, HIDDEN_IN_BERLIN, LONDON, TOKYO},
    },
};

const PHONE: &str = "+66812345678";
const FAR: [&str; 3] = ["NEW_DEVICE", "NEW_COUNTRY", "IMPOSSIBLE_TRAVEL"];

/// The sign-in that waits, and the code that was sent for it.
fn waiting(answer: &Answer) -> (String, Challenge) {
    let token = login_token(answer);
    let payload = answer.data().as_object().unwrap().values().next().unwrap();
    (token, payload["outcome"].clone().into())
}

fn methods(answer: &Answer) -> &Value {
    &answer.data().as_object().unwrap().values().next().unwrap()["outcome"]["methods"]
}

fn sent(code: &str) -> Value {
    json!({"code": code})
}

async fn add_number(gateway: &Gateway, member: &Member) {
    let now = gateway.clock.now();
    let id = Set(member.user_id.parse().unwrap());
    let change = users::ActiveModel { id, phone: Set(Some(PHONE.to_owned())), phone_verified_at: Set(Some(now)), ..Default::default() };
    users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
}

// The rule: no factor, so a code, and nothing before it.
#[tokio::test]
async fn without_a_factor_a_code_goes_to_the_contact() {
    let gateway = with_places().await;
    member(&gateway).await;
    let stranger = device_in(&gateway, LONDON);
    let answer = tries(&stranger).await;
    assert_eq!(methods(&answer), &json!(["EMAIL_CODE"]));
    let (token, challenge) = waiting(&answer);
    let query = "query ($id: ID!) { challenge(id: $id) { state purpose channel destination attemptsLeft } }";
    let told = stranger.graphql(query, json!({"id": challenge.id})).await.expect_field();
    let expected = json!({"state": "PENDING", "purpose": "RISK", "channel": "EMAIL", "destination": "a•••@example.com", "attemptsLeft": 3});
    assert_eq!(told, expected);
    let message = gateway.next_message(ADA).await;
    assert!(message.subject.as_deref().unwrap().contains("Is it you") && message.link.is_none(), "{message:?}");
    let code = message.code();
    // B14, B5: neither opens anything else, and nothing else opens this.
    stranger.graphql_with("{ me { id } }", json!({}), Some(&token)).await.expect_error("UNAUTHENTICATED");
    stranger.try_sign_in_with_code(&challenge, &code).await.expect_problem("CODE_INVALID");
    let other = stranger.request_sign_in_code(ADA).await;
    let other_code = gateway.next_message(ADA).await.code();
    let wrong = if other_code == code { other_than(&code) } else { other_code };
    let problem = stranger.try_second_factor(&token, sent(&wrong)).await.expect_problem("SECOND_FACTOR_INVALID");
    assert_eq!(problem["attemptsLeft"], 2);
    for factor in [json!({"totpCode": code}), json!({"recoveryCode": code}), json!({"passkey": {}})] {
        let answer = stranger.try_second_factor(&token, factor).await;
        assert!(answer.data()["completeSecondFactor"]["outcome"].is_null(), "{}", answer.body);
    }
    assert_eq!(state_of(&stranger, &challenge).await, json!({"state": "PENDING", "attemptsLeft": 2}));
    assert_eq!(state_of(&stranger, &other).await["state"], "PENDING");
    let signed_in = stranger.second_factor(&token, sent(&code)).await;
    assert_eq!(looks(&signed_in).await, look(90, &FAR));
    let session = signed_in.graphql("{ currentSession { loginMethod secondFactor } }", json!({})).await.expect_field();
    assert_eq!(session, json!({"loginMethod": "PASSWORD", "secondFactor": "EMAIL_CODE"}));
    assert!(is_recent(&signed_in).await);
    assert_eq!(state_of(&stranger, &challenge).await["state"], "DONE");
    assert!(is_warning(&gateway.next_message(ADA).await));
    stranger.try_second_factor(&token, sent(&code)).await.expect_problem("TOKEN_INVALID");
    // It was the owner: from now on they are in London too, with this device and with others.
    let again = device_in(&gateway, LONDON).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&again).await, look(20, &["NEW_DEVICE"]));
    gateway.read_all(ADA).await;
}

// B2: guesses are few, at this code and at all of them.
#[tokio::test]
async fn guessing_at_the_code_ends_the_sign_in() {
    let gateway = with_places().await;
    member(&gateway).await;
    let stranger = device_in(&gateway, LONDON);
    let (token, challenge) = waiting(&tries(&stranger).await);
    let code = gateway.next_message(ADA).await.code();
    for left in [2, 1, 0] {
        let problem = stranger.try_second_factor(&token, sent(&other_than(&code))).await.expect_problem("SECOND_FACTOR_INVALID");
        assert_eq!(problem["attemptsLeft"], left);
    }
    stranger.try_second_factor(&token, sent(&code)).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(state_of(&stranger, &challenge).await["state"], "EXHAUSTED");
    // Ten wrong ones in a day, and no more.
    let mut last = Value::Null;
    for _ in 0..4 {
        let (token, _) = waiting(&tries(&stranger).await);
        let code = gateway.next_message(ADA).await.code();
        for _ in 0..3 {
            let answer = stranger.try_second_factor(&token, sent(&other_than(&code))).await.expect_field();
            last = answer["problems"][0]["code"].clone();
        }
    }
    assert_eq!(last, "TOO_MANY_ATTEMPTS");
    gateway.read_all(ADA).await;
}

// A new one after a minute; the old one is dead, and the sign-in goes on.
#[tokio::test]
async fn the_code_can_be_sent_again() {
    let gateway = with_places().await;
    member(&gateway).await;
    let stranger = device_in(&gateway, LONDON);
    let (token, challenge) = waiting(&tries(&stranger).await);
    let first = gateway.next_message(ADA).await.code();
    stranger.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON");
    gateway.advance(MINUTE);
    stranger.try_resend(&challenge).await.expect_done();
    let second = gateway.next_message(ADA).await.code();
    if first != second {
        stranger.try_second_factor(&token, sent(&first)).await.expect_problem("SECOND_FACTOR_INVALID");
    }
    stranger.second_factor(&token, sent(&second)).await;
    let (late, _) = waiting(&tries(&device_in(&gateway, TOKYO)).await);
    let code = gateway.next_message(ADA).await;
    gateway.advance(6 * MINUTE);
    stranger.try_second_factor(&late, sent(code.code.as_deref().unwrap_or("000000"))).await.expect_problem("TOKEN_INVALID");
    gateway.read_all(ADA).await;
}

// B4: of many right answers at once one begins a session.
#[tokio::test(flavor = "multi_thread")]
async fn one_code_begins_one_session() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let stranger = device_in(&gateway, LONDON);
    let (token, _) = waiting(&tries(&stranger).await);
    let code = gateway.next_message(ADA).await.code();
    let answers = futures::future::join_all((0..20).map(|_| stranger.try_second_factor(&token, sent(&code)))).await;
    let begun = answers.iter().filter(|answer| answer.data()["completeSecondFactor"]["outcome"]["__typename"] == "SignedIn").count();
    assert_eq!(begun, 1, "{:?}", answers.iter().map(|answer| &answer.body).collect::<Vec<_>>());
    assert_eq!(ada.sessions().await.len(), 2);
    gateway.read_all(ADA).await;
}

// After a first factor by that very mailbox a second message there proves nothing: it is let in, marked, and told.
#[tokio::test]
async fn the_same_mailbox_is_not_asked_twice() {
    let gateway = with_places().await;
    member(&gateway).await;
    let stranger = device_in(&gateway, LONDON);
    stranger.request_sign_in_code(ADA).await;
    let link = gateway.next_message(ADA).await.link_token();
    let signed_in = stranger.sign_in_with_link(&link).await;
    assert_eq!(looks(&signed_in).await, look(90, &FAR));
    assert!(is_warning(&gateway.next_message(ADA).await));
    gateway.read_all(ADA).await;
}

// With a number besides, the other channel is asked; the hosted page of the link can, too.
#[tokio::test]
async fn the_other_channel_is_asked() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    add_number(&gateway, &ada).await;
    let by_password = tries(&device_in(&gateway, LONDON)).await;
    assert_eq!(methods(&by_password), &json!(["EMAIL_CODE"]));
    gateway.read_all(ADA).await;
    let visitor = gateway.visitor().from_address(LONDON);
    visitor.request_sign_in_code(ADA).await;
    let link = magic_link(&gateway).await;
    let browser = Browser::of(&visitor);
    let page = browser.open(&local(&link)).await;
    let page = browser.press(&page, &[]).await.expect(200, "we sent you a code");
    let code = gateway.next_message(PHONE).await.code();
    let page = browser.press(&page, &[("code", &other_than(&code))]).await.expect(422, "we sent you a code");
    browser.press(&page, &[("code", &code)]).await.expect(200, "You are signed in");
    let query = "{ currentSession { loginMethod secondFactor status } }";
    let session = visitor.graphql(query, json!({})).await.expect_field();
    assert_eq!(session, json!({"loginMethod": "MAGIC_LINK", "secondFactor": "SMS_CODE", "status": "SUSPICIOUS"}));
    gateway.expect_undelivered();
}

// Whoever has an authenticator app is asked for it, and trust does not skip it.
#[tokio::test]
async fn trust_does_not_skip_what_a_risk_asks_for() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let (app, _) = ada.enable_totp(&gateway.clock).await;
    ada.try_trust(&ada.session_id, true).await.expect_done();
    let at_home = ada.visitor.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&at_home).await, look(0, &[]));
    // 70 is suspicious, and no more.
    let away = moved(&ada, LONDON).visitor.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&away).await["status"], "SUSPICIOUS");
    let hidden = ada.visitor.from_address(HIDDEN_IN_BERLIN);
    let answer = tries(&hidden).await;
    assert_eq!(methods(&answer), &json!(["TOTP", "RECOVERY_CODE"]));
    let payload = &answer.data()["signIn"]["outcome"];
    assert!(payload["challenge"].is_null(), "{payload}");
    let token = login_token(&answer);
    hidden.try_second_factor(&token, sent("123456")).await.expect_problem("SECOND_FACTOR_INVALID");
    let signed_in = hidden.second_factor(&token, json!({"totpCode": app.code(&gateway.clock)})).await;
    assert_eq!(looks(&signed_in).await, look(100, &["NEW_COUNTRY", "IMPOSSIBLE_TRAVEL", "ANONYMOUS_NETWORK"]));
    AuthenticatorApp::wait(&gateway.clock);
    gateway.read_all(ADA).await;
}

// A passkey is a factor, too: it answers, and as the first one it is both.
#[tokio::test]
async fn whoever_has_a_passkey_is_asked_for_it() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let mut key = ada.visitor.security_key();
    ada.add_passkey(&mut key).await;
    gateway.read_all(ADA).await;
    let stranger = device_in(&gateway, LONDON);
    let answer = tries(&stranger).await;
    assert_eq!(methods(&answer), &json!(["PASSKEY"]));
    let token = login_token(&answer);
    stranger.try_second_factor(&token, json!({"recoveryCode": "zzzz-zzzz-zzzz-zzzz"})).await.expect_problem("SECOND_FACTOR_INVALID");
    let begun = stranger.try_begin_passkey_sign_in(Some(&token)).await.expect_done();
    let signed_in = stranger.second_factor(&token, json!({"passkey": key.get(&begun["options"])})).await;
    assert_eq!(looks(&signed_in).await, look(90, &FAR));
    let by_passkey = device_in(&gateway, TOKYO).sign_in_with_passkey(&mut key).await;
    assert_eq!(looks(&by_passkey).await, look(90, &FAR));
    // The hosted page cannot ask for it, and says so.
    let visitor: Visitor = gateway.visitor().from_address(HIDDEN_IN_BERLIN);
    gateway.read_all(ADA).await;
    visitor.request_sign_in_code(ADA).await;
    let link = magic_link(&gateway).await;
    let browser = Browser::of(&visitor);
    let page = browser.open(&local(&link)).await;
    let page = browser.press(&page, &[]).await.expect(200, "takes your passkey");
    assert!(!page.has_form());
    gateway.read_all(ADA).await;
}

// What came before goes on to count until the proof is given: asking twice looks no better than asking once.
#[tokio::test]
async fn asking_again_makes_no_sign_in_less_risky() {
    let gateway = with_places().await;
    member(&gateway).await;
    gateway.advance(13 * HOUR);
    let stranger = device_in(&gateway, HIDDEN_IN_BERLIN);
    fails(&stranger, 3).await;
    let mut token = String::new();
    let mut code = String::new();
    for _ in 0..3 {
        token = login_token(&tries(&stranger).await);
        code = gateway.next_message(ADA).await.code();
    }
    let signed_in = stranger.second_factor(&token, sent(&code)).await;
    assert_eq!(looks(&signed_in).await, look(100, &["NEW_DEVICE", "NEW_COUNTRY", "RECENT_FAILURES", "ANONYMOUS_NETWORK"]));
    // With it they are over.
    let home = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert!(!looks(&home).await["riskSignals"].as_array().unwrap().contains(&json!("RECENT_FAILURES")));
    gateway.read_all(ADA).await;
}

// Of an account with neither factor nor contact nothing can be asked: marked, it is let in.
#[tokio::test]
async fn who_can_be_asked_for_nothing_is_let_in_with_the_mark() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let id = Set(ada.user_id.parse().unwrap());
    let username = Set(Some("ada".to_owned()));
    let alone = users::ActiveModel { id, username, email: Set(None), email_verified_at: Set(None), ..Default::default() };
    users::Entity::update(alone).exec(&gateway.database().await).await.unwrap();
    let stranger = device_in(&gateway, LONDON).sign_in("ada", PASSWORD).await;
    assert_eq!(looks(&stranger).await, look(90, &FAR));
    assert!(gateway.unread(ADA).await.is_empty());
}

// Whoever has neither the mailbox nor the password any more is not let in by an old code.
#[tokio::test]
async fn a_new_password_voids_what_waits() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let stranger = device_in(&gateway, LONDON);
    let (token, challenge) = waiting(&tries(&stranger).await);
    let code = gateway.next_message(ADA).await.code();
    gateway.advance(MINUTE);
    ada.try_change_password(PASSWORD, "another Kettle 48 sundial").await.expect_done();
    stranger.try_resend(&challenge).await.expect_problem("TOO_MANY_ATTEMPTS");
    stranger.try_second_factor(&token, sent(&code)).await.expect_problem("TOKEN_INVALID");
    gateway.read_all(ADA).await;
}
