//! Sign-up, by e-mail and by phone.

use std::time::Duration;

use entity::{Channel, pending_sign_ups, user_audit_log, users};
use postern::ephemeral::challenges::{Challenge as Stored, Purpose, State};
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::support::{Answer, Challenge, Gateway, Member, PASSWORD, Visitor};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Six digits that are not `code`.
fn other_than(code: &str) -> String {
    let last = code.chars().last().and_then(|digit| digit.to_digit(10)).unwrap();
    format!("{}{}", &code[..5], (last + 1) % 10)
}

async fn state_of(visitor: &Visitor, challenge: &Challenge) -> Value {
    visitor
        .graphql("query ($id: ID!) { challenge(id: $id) { state attemptsLeft expiresAt } }", json!({"id": challenge.id}))
        .await
        .expect_field()
}

async fn confirm_as(visitor: &Visitor, challenge: &Challenge, code: &str, username: &str) -> Answer {
    let query = "mutation ($input: ConfirmSignUpInput!) { confirmSignUp(input: $input) {
        outcome { __typename ... on SignedIn { user { username } } } problems { code path } } }";
    visitor.graphql(query, json!({"input": {"challengeId": challenge.id, "code": code, "username": username}})).await
}

/// An answer without what differs from one request to the next.
fn likeness(answer: &Answer) -> (u16, Value, Vec<(String, String)>) {
    let mut body = answer.body.clone();
    if let Some(id) = body.pointer_mut("/data/signUp/challenge/id") {
        *id = json!("id");
    }
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "set-cookie", "x-request-id"].contains(&name.as_str()));
    let cookies = answer.headers.get_all("set-cookie").iter().map(|line| {
        let line = line.to_str().unwrap();
        ("set-cookie".to_owned(), format!("{}{}", line.split('=').next().unwrap(), line.split_once(';').map_or("", |(_, rest)| rest)))
    });
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).chain(cookies).collect();
    headers.sort();
    (answer.status, body, headers)
}

// A13, B1
#[tokio::test]
async fn somebody_signs_up_with_a_code() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    assert_eq!(
        challenge.fields,
        json!({
            "id": challenge.id, "state": "PENDING", "purpose": "SIGN_UP", "channel": "EMAIL", "destination": "a•••@example.com",
            "codeLength": 6, "attemptsLeft": 3, "expiresAt": "2026-11-20T12:10:00.000Z", "resendAt": "2026-11-20T12:01:00.000Z",
        })
    );
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), 0, "nobody is a user before the contact is proved");
    visitor.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");

    let message = gateway.next_message("ada@example.com").await;
    assert!(message.code().len() == 6 && message.code().bytes().all(|digit| digit.is_ascii_digit()));
    assert!(message.text.contains(&message.code()) && message.html.as_ref().is_some_and(|html| html.contains(&message.code())));
    let member = visitor.confirm(&challenge, &message.code()).await;
    assert!(member.is_new_user);
    assert_eq!(member.me().await["email"], "ada@example.com");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "DONE");
    assert!(gateway.next_message("ada@example.com").await.code.is_none(), "a welcome carries no code");
    visitor.sign_in("ada@example.com", PASSWORD).await;
}

#[tokio::test]
async fn somebody_signs_up_by_phone() {
    let gateway = Gateway::start().await;
    let app_user = gateway.app_user();
    let input = json!({"contact": {"phone": "+66 81 234 5678"}, "password": PASSWORD});
    let challenge: Challenge = app_user.try_sign_up(input).await.expect_done().into();
    assert_eq!(challenge.fields["channel"], "SMS");
    let destination = challenge.fields["destination"].as_str().unwrap();
    assert!(destination.contains('•') && !destination.contains("812345"), "{destination}");
    let message = gateway.next_message("+66812345678").await;
    assert_eq!((message.channel.to_lowercase().as_str(), &message.link), ("sms", &None));
    let member = app_user.confirm(&challenge, &message.code()).await;
    let me = member.graphql("{ me { phone phoneVerifiedAt email hasPassword } }", json!({})).await.expect_field();
    assert_eq!(me, json!({"phone": "+66812345678", "phoneVerifiedAt": "2026-11-20T12:00:00.000Z", "email": null, "hasPassword": true}));
    app_user.sign_in("+66812345678", PASSWORD).await;
}

// B7: also what once made parsers panic.
#[tokio::test]
async fn what_is_no_phone_number_is_refused() {
    let gateway = Gateway::start().await;
    for phone in [".;phone-context=", "+dwPAA;phone-context=AA", "+1", "081", "+66812345678;ext=1", "", "+999999999999999999999", "\u{0}"] {
        let answer = gateway.visitor().try_sign_up(json!({"contact": {"phone": phone}})).await;
        assert_eq!(answer.expect_problem("PHONE_INVALID")["path"], json!(["input", "contact", "phone"]), "{phone}");
    }
    for contact in [json!({}), json!({"email": "a@example.com", "phone": "+66812345678"}), json!({"email": null})] {
        gateway.visitor().try_sign_up(json!({"contact": contact})).await.expect_error("BAD_REQUEST");
    }
}

#[tokio::test]
async fn a_password_is_not_needed() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.try_sign_up(json!({"contact": {"email": "ada@example.com"}})).await.expect_done().into();
    let member = visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    let me = member.graphql("{ me { hasPassword } currentSession { reauthenticationMethods } }", json!({})).await.expect_data();
    assert_eq!(me, json!({"me": {"hasPassword": false}, "currentSession": {"reauthenticationMethods": []}}));
    visitor.try_sign_in("ada@example.com", "").await.expect_problem("CREDENTIALS_INVALID");
    visitor.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

#[tokio::test]
async fn a_profile_takes_effect_with_the_confirmation() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let profile = json!({
        "displayName": "Ada", "fullName": "Ada Lovelace", "locale": "th", "dateOfBirth": "1990-04-01", "address": {"country": "TH"},
    });
    let input = json!({"contact": {"email": "ada@example.com"}, "password": PASSWORD, "username": "Ada.L", "profile": profile});
    let challenge = visitor.try_sign_up(input).await.expect_done().into();
    let member = visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    let query = "{ me { username displayName fullName locale dateOfBirth address { country state } } }";
    let me = member.graphql(query, json!({})).await.expect_field();
    assert_eq!(
        me,
        json!({
            "username": "ada.l", "displayName": "Ada", "fullName": "Ada Lovelace", "locale": "th", "dateOfBirth": "1990-04-01",
            "address": {"country": "TH", "state": null},
        })
    );
    visitor.sign_in("ADA.l", PASSWORD).await;
}

// A9: nobody learns from sign-up who has an account.
#[tokio::test]
async fn a_registered_contact_is_answered_alike_and_its_owner_is_told() {
    let gateway = Gateway::start().await;
    gateway.visitor().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;

    let (stranger, newcomer) = (gateway.visitor(), gateway.visitor());
    let known = stranger.try_sign_up(json!({"contact": {"email": "ada@example.com"}, "password": PASSWORD})).await;
    let unknown = newcomer.try_sign_up(json!({"contact": {"email": "abe@example.com"}, "password": PASSWORD})).await;
    assert_eq!(likeness(&known), likeness(&unknown));
    let notice = gateway.next_message("ada@example.com").await;
    assert_eq!((&notice.code, &notice.link), (&None, &None), "{notice:?}");

    // No code is ever right, and the wrong ones are answered alike.
    let real = gateway.next_message("abe@example.com").await;
    let (known, unknown): (Challenge, Challenge) = (known.expect_done().into(), unknown.expect_done().into());
    for left in [2, 1, 0] {
        let wrong = other_than(&real.code());
        let decoy = stranger.try_confirm(&known, &wrong).await;
        let genuine = newcomer.try_confirm(&unknown, &wrong).await;
        assert_eq!(likeness(&decoy), likeness(&genuine));
        assert_eq!(decoy.expect_problem("CODE_INVALID")["attemptsLeft"], left);
    }
    assert_eq!(state_of(&stranger, &known).await, state_of(&newcomer, &unknown).await);
    assert_eq!(likeness(&stranger.try_confirm(&known, "000000").await), likeness(&newcomer.try_confirm(&unknown, &real.code()).await));

    // Sent again, it is answered alike too, and nothing comes.
    gateway.advance(HOUR);
    let known: Challenge = stranger.sign_up("ada@example.com", PASSWORD).await;
    let unknown: Challenge = newcomer.sign_up("abe@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    gateway.next_message("abe@example.com").await;
    gateway.advance(MINUTE);
    let known = stranger.try_resend(&known).await.expect_done();
    let unknown = newcomer.try_resend(&unknown).await.expect_done();
    assert_eq!(known["challenge"]["resendAt"], unknown["challenge"]["resendAt"]);
    gateway.next_message("abe@example.com").await;
    assert!(gateway.unread("ada@example.com").await.is_empty());
}

// B2
#[tokio::test]
async fn three_wrong_codes_end_a_challenge() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let code = gateway.next_message("ada@example.com").await.code();
    for (wrong, left) in [(other_than(&code).as_str(), 2), ("", 1), ("１２３４５６", 0)] {
        let problem = visitor.try_confirm(&challenge, wrong).await.expect_problem("CODE_INVALID");
        assert_eq!((&problem["attemptsLeft"], &problem["path"]), (&json!(left), &json!(["input", "code"])));
    }
    visitor.try_confirm(&challenge, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "EXHAUSTED");
    visitor.try_resend(&challenge).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), 0);
}

// B1
#[tokio::test]
async fn a_code_is_good_for_ten_minutes() {
    let gateway = Gateway::start().await;
    let (early, late) = (gateway.visitor(), gateway.visitor());
    let in_time = early.sign_up("early@example.com", PASSWORD).await;
    let too_late = late.sign_up("late@example.com", PASSWORD).await;
    let (first, second) = (gateway.next_message("early@example.com").await.code(), gateway.next_message("late@example.com").await.code());
    gateway.advance(10 * MINUTE - Duration::from_millis(1));
    early.confirm(&in_time, &first).await;
    gateway.advance(Duration::from_millis(1));
    late.try_confirm(&too_late, &second).await.expect_problem("CODE_EXPIRED");
    assert_eq!(state_of(&late, &too_late).await["state"], "EXPIRED");
    late.try_resend(&too_late).await.expect_problem("CODE_EXPIRED");
    gateway.advance(HOUR);
    assert_eq!(state_of(&late, &too_late).await, Value::Null, "an hour after its end nobody remembers it");
}

// B1
#[tokio::test]
async fn a_code_works_once() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let message = gateway.next_message("ada@example.com").await;
    visitor.confirm(&challenge, &message.code()).await;
    visitor.try_confirm(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
    visitor.verify_email(&message.link_token(), None).await.expect_problem("TOKEN_INVALID");
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), 1);
}

// B5
#[tokio::test]
async fn a_code_for_something_else_finishes_no_sign_up() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let (app, now) = (gateway.app(), gateway.clock.now());
    let others = [
        Purpose::SignIn,
        Purpose::PasswordReset,
        Purpose::EmailChange,
        Purpose::PhoneChange,
        Purpose::Reauthentication,
        Purpose::ContactVerification,
        Purpose::Risk,
    ];
    for purpose in others {
        let id = app.entropy.uuid(now);
        let stored = Stored {
            id,
            purpose,
            channel: Channel::Email,
            contact: "ada@example.com".to_owned(),
            user_id: None,
            subject: None,
            code_hash: Some(postern::crypto::keyed_hash::code_hash(&app.key_ring, id, "123456")),
            attempts_left: 3,
            state: State::Pending,
            created_at: now,
            expires_at: now + 10 * MINUTE,
            resend_at: now,
        };
        app.challenges.create(&stored, now).await.unwrap();
        let challenge = Challenge { id: id.to_string(), fields: Value::Null };
        let problem = visitor.try_confirm(&challenge, "123456").await.expect_problem("CODE_INVALID");
        assert_eq!(problem["attemptsLeft"], Value::Null, "{purpose:?}");
        assert_eq!(state_of(&visitor, &challenge).await["attemptsLeft"], 3, "{purpose:?}: it is not counted either");
    }
    for id in ["", "x", "00000000-0000-0000-0000-000000000000", "'; DROP TABLE users; --"] {
        let challenge = Challenge { id: id.to_owned(), fields: Value::Null };
        visitor.try_confirm(&challenge, "123456").await.expect_problem("CODE_INVALID");
        visitor.try_resend(&challenge).await.expect_problem("NOT_FOUND");
        assert_eq!(state_of(&visitor, &challenge).await, Value::Null);
    }
}

// B5: the code of one sign-up does not finish another one.
#[tokio::test]
async fn a_code_belongs_to_its_challenge() {
    let gateway = Gateway::start().await;
    let (ada, eve) = (gateway.visitor(), gateway.visitor());
    let hers = ada.sign_up("ada@example.com", PASSWORD).await;
    eve.sign_up("eve@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    let code = gateway.next_message("eve@example.com").await.code();
    eve.try_confirm(&hers, &code).await.expect_problem("CODE_INVALID");
}

#[tokio::test]
async fn a_taken_username_does_not_use_up_the_code() {
    let gateway = Gateway::start().await;
    let (first, second) = (gateway.visitor(), gateway.visitor());
    let input = |email: &str| json!({"contact": {"email": email}, "password": PASSWORD, "username": "Ada"});
    let earlier: Challenge = first.try_sign_up(input("ada@example.com")).await.expect_done().into();
    // A name is claimed by the confirmation, not before.
    let later: Challenge = second.try_sign_up(input("lovelace@example.com")).await.expect_done().into();
    first.confirm(&earlier, &gateway.next_message("ada@example.com").await.code()).await;
    let code = gateway.next_message("lovelace@example.com").await.code();
    for _ in 0..4 {
        second.try_confirm(&later, &code).await.expect_problem("USERNAME_TAKEN");
    }
    assert_eq!(state_of(&second, &later).await, json!({"state": "PENDING", "attemptsLeft": 3, "expiresAt": "2026-11-20T12:10:00.000Z"}));
    confirm_as(&second, &later, &code, "aDA").await.expect_problem("USERNAME_TAKEN");
    confirm_as(&second, &later, &code, "4 da").await.expect_problem("USERNAME_INVALID");
    let done = confirm_as(&second, &later, &code, "lovelace").await.expect_done();
    assert_eq!(done["outcome"]["user"]["username"], "lovelace");
}

#[tokio::test]
async fn the_link_keeps_the_password_in_the_browser_that_began() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let message = gateway.next_message("ada@example.com").await;
    // A15: looking uses nothing up.
    let link = url::Url::parse(message.link.as_ref().unwrap()).unwrap();
    for method in [Method::HEAD, Method::GET, Method::HEAD, Method::GET] {
        visitor.request(method, &format!("{}?{}", link.path(), link.query().unwrap())).send().await.unwrap();
    }
    let verified = visitor.verify_email(&message.link_token(), None).await.expect_done();
    assert_eq!(
        verified,
        json!({"email": "ada@example.com", "verifiedAt": "2026-11-20T12:00:00.000Z", "passwordKept": true, "problems": []})
    );
    let me = visitor.graphql("{ me { id } }", json!({})).await.expect_field();
    assert_eq!(me, Value::Null, "a link signs nobody in");
    assert_eq!(state_of(&visitor, &challenge).await["state"], "DONE", "a waiting tab sees it");
    visitor.try_confirm(&challenge, &message.code()).await.expect_problem("CODE_INVALID");
    visitor.verify_email(&message.link_token(), None).await.expect_problem("TOKEN_INVALID");
    visitor.sign_in("ada@example.com", PASSWORD).await;
}

// A13: whoever set the password may not be who owns the address.
#[tokio::test]
async fn on_another_device_the_link_asks_for_the_password() {
    let gateway = Gateway::start().await;
    let (here, elsewhere) = (gateway.visitor(), gateway.visitor());
    here.sign_up("ada@example.com", PASSWORD).await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    let wrong = elsewhere.verify_email(&token, Some("not the password")).await;
    wrong.expect_problem("CREDENTIALS_INVALID");
    let kept = elsewhere.verify_email(&token, Some(PASSWORD)).await.expect_done();
    assert_eq!(kept["passwordKept"], true);
    here.sign_in("ada@example.com", PASSWORD).await;

    here.sign_up("eve@example.com", PASSWORD).await;
    let token = gateway.next_message("eve@example.com").await.link_token();
    let dropped = elsewhere.verify_email(&token, None).await.expect_done();
    assert_eq!(dropped["passwordKept"], false);
    here.try_sign_in("eve@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

// C8: guesses at the page behind a link are counted like sign-ins.
#[tokio::test]
async fn guesses_behind_a_link_lock() {
    let gateway = Gateway::start().await;
    let (here, elsewhere) = (gateway.visitor(), gateway.visitor());
    here.sign_up("ada@example.com", PASSWORD).await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    for _ in 0..5 {
        elsewhere.verify_email(&token, Some("not the password")).await.expect_problem("CREDENTIALS_INVALID");
    }
    let locked = elsewhere.verify_email(&token, Some(PASSWORD)).await.expect_problem("ACCOUNT_LOCKED");
    assert_eq!(locked["retryAfterSeconds"], 900);
    gateway.advance(15 * MINUTE);
    elsewhere.verify_email(&token, Some(PASSWORD)).await.expect_done();
}

// A14
#[tokio::test]
async fn a_link_ends_after_a_day_and_only_three_are_live() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let mut tokens = Vec::new();
    for _ in 0..4 {
        visitor.sign_up("ada@example.com", PASSWORD).await;
        tokens.push(gateway.next_message("ada@example.com").await.link_token());
        gateway.advance(Duration::from_secs(1));
    }
    visitor.verify_email(&tokens[0], None).await.expect_problem("TOKEN_INVALID");
    let database = gateway.database().await;
    assert_eq!(pending_sign_ups::Entity::find().count(&database).await.unwrap(), 3);
    visitor.verify_email(&tokens[2], None).await.expect_done();
    for token in &tokens {
        visitor.verify_email(token, None).await.expect_problem("TOKEN_INVALID");
    }

    visitor.sign_up("late@example.com", PASSWORD).await;
    let late = gateway.next_message("late@example.com").await.link_token();
    gateway.advance(24 * HOUR);
    visitor.verify_email(&late, None).await.expect_problem("TOKEN_EXPIRED");
    for garbage in ["", "x", &late[1..], &format!("{late}A"), &late.to_uppercase(), "../../etc/passwd", &"A".repeat(43)] {
        visitor.verify_email(garbage, None).await.expect_problem("TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_taken_username_does_not_use_up_the_link() {
    let gateway = Gateway::start().await;
    let (first, second) = (gateway.visitor(), gateway.visitor());
    let input = |email: &str| json!({"contact": {"email": email}, "password": PASSWORD, "username": "ada"});
    let earlier: Challenge = first.try_sign_up(input("ada@example.com")).await.expect_done().into();
    second.try_sign_up(input("eve@example.com")).await.expect_done();
    first.confirm(&earlier, &gateway.next_message("ada@example.com").await.code()).await;
    let token = gateway.next_message("eve@example.com").await.link_token();
    second.verify_email(&token, None).await.expect_problem("USERNAME_TAKEN");
    let query = "mutation ($input: VerifyEmailInput!) { verifyEmail(input: $input) { passwordKept problems { code } } }";
    second.graphql(query, json!({"input": {"token": token, "username": "ada"}})).await.expect_problem("USERNAME_TAKEN");
    second.graphql(query, json!({"input": {"token": token, "username": "!"}})).await.expect_problem("USERNAME_INVALID");
    second.graphql(query, json!({"input": {"token": token, "username": "eve"}})).await.expect_done();
    second.sign_in("eve", PASSWORD).await;
}

#[tokio::test]
async fn a_code_is_sent_again_as_a_new_one() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let old = gateway.next_message("ada@example.com").await;
    visitor.try_confirm(&challenge, &other_than(&old.code())).await.expect_problem("CODE_INVALID");
    assert_eq!(visitor.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON")["retryAfterSeconds"], 60);
    gateway.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(visitor.try_resend(&challenge).await.expect_problem("RESEND_TOO_SOON")["retryAfterSeconds"], 1);
    gateway.advance(Duration::from_millis(1));
    let again: Challenge = visitor.try_resend(&challenge).await.expect_done().into();
    assert_eq!(again.id, challenge.id);
    assert_eq!(again.fields["expiresAt"], challenge.fields["expiresAt"], "B6: the end does not move");
    assert_eq!(again.fields["attemptsLeft"], 2, "B2: guesses do not come back");
    assert_eq!(again.fields["resendAt"], "2026-11-20T12:02:00.000Z");
    let new = gateway.next_message("ada@example.com").await;
    assert_ne!(new.code(), old.code());
    visitor.try_confirm(&challenge, &old.code()).await.expect_problem("CODE_INVALID");
    visitor.confirm(&challenge, &new.code()).await;
    visitor.try_resend(&challenge).await.expect_problem("CODE_EXPIRED");
}

// C13, B6: five codes an hour for a contact, existing or not.
#[tokio::test]
async fn codes_for_a_contact_are_limited() {
    let gateway = Gateway::start().await;
    gateway.visitor().becomes_member("ada@example.com").await;
    gateway.advance(2 * HOUR);
    for contact in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            gateway.visitor().sign_up(contact, PASSWORD).await;
        }
        let limited = gateway.visitor().try_sign_up(json!({"contact": {"email": contact}})).await;
        assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "720"), "{contact}");
        assert_eq!(limited.expect_error("RATE_LIMITED")["extensions"]["retryAfterSeconds"], 720);
    }
    gateway.advance(12 * MINUTE);
    gateway.visitor().sign_up("ada@example.com", PASSWORD).await;
}

// C10, C13
#[tokio::test]
async fn sign_ups_of_an_address_are_limited() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor().from_address("2001:db8::1");
    for number in 0..20 {
        let challenge = visitor.try_sign_up(json!({"contact": {"email": format!("a{number}@example.com")}})).await;
        challenge.expect_done();
    }
    let neighbour = visitor.from_address("2001:db8::ffff:1");
    neighbour.try_sign_up(json!({"contact": {"email": "b@example.com"}})).await.expect_error("RATE_LIMITED");
    visitor.from_address("2001:db8:0:1::1").sign_up("b@example.com", PASSWORD).await;
}

// B2: a new challenge brings no new guesses, whether or not the contact is registered.
#[tokio::test]
async fn ten_wrong_codes_a_day_are_all_that_a_contact_gets() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    gateway.visitor().becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    let visitor = gateway.visitor();
    for contact in ["ada@example.com", "eve@example.com"] {
        let mut wrong = 0;
        let last = loop {
            let challenge = visitor.sign_up(contact, PASSWORD).await;
            let code = gateway.next_message(contact).await.code.unwrap_or_else(|| "123456".to_owned());
            if wrong == 10 {
                break (challenge, code);
            }
            for _ in 0..3.min(10 - wrong) {
                visitor.try_confirm(&challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
                wrong += 1;
            }
        };
        visitor.try_confirm(&last.0, &last.1).await.expect_problem("TOO_MANY_ATTEMPTS");
    }
    // Links have a budget of their own.
    visitor.sign_up("eve@example.com", PASSWORD).await;
    let message = gateway.next_message("eve@example.com").await;
    visitor.verify_email(&message.link_token(), None).await.expect_done();
}

#[tokio::test]
async fn the_budget_of_a_contact_comes_back_after_a_day() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        config.codes.attempts = 10;
    })
    .await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("ada@example.com", PASSWORD).await;
    let code = gateway.next_message("ada@example.com").await.code();
    for _ in 0..9 {
        visitor.try_confirm(&challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
    }
    // Right ones cost nothing.
    visitor.confirm(&challenge, &code).await;

    let challenge = visitor.sign_up("eve@example.com", PASSWORD).await;
    for _ in 0..10 {
        visitor.try_confirm(&challenge, "").await.expect_problem("CODE_INVALID");
    }
    gateway.next_message("eve@example.com").await;
    gateway.advance(24 * HOUR);
    let challenge = visitor.sign_up("eve@example.com", PASSWORD).await;
    visitor.confirm(&challenge, &gateway.next_message("eve@example.com").await.code()).await;
}

// A11
#[tokio::test]
async fn an_address_is_one_however_it_is_written() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.sign_up("  Ada@EXAMPLE.com ", PASSWORD).await;
    let member = visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    assert_eq!(member.me().await["email"], "ada@example.com");
    gateway.next_message("ada@example.com").await;
    gateway.visitor().sign_up("ADA@example.com", PASSWORD).await;
    assert_eq!(gateway.next_message("ada@example.com").await.code, None, "it is taken");
    for email in
        ["", "ada", "@example.com", "ada@", "a@b@c", "a@x.com\r\nBcc: b@x.com", "a@x.com,b@x.com", "a b@x.com", "<a@x.com>", "a@-x.com"]
    {
        let answer = gateway.visitor().try_sign_up(json!({"contact": {"email": email}})).await;
        assert_eq!(answer.expect_problem("EMAIL_INVALID")["path"], json!(["input", "contact", "email"]), "{email}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let gateway = Gateway::start().await;
    let input =
        json!({"contact": {"email": "ada"}, "password": "short", "username": "1", "profile": {"locale": "???", "displayName": "x\u{0}y"}});
    let payload = gateway.visitor().try_sign_up(input).await.expect_field();
    assert_eq!(payload["challenge"], Value::Null);
    let codes: Vec<_> = payload["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    assert!(codes.starts_with(&["EMAIL_INVALID", "PASSWORD_TOO_SHORT", "USERNAME_INVALID", "INVALID_INPUT"]), "{codes:?}");
    // Fields that are nobody's to set do not exist.
    for extra in [json!({"role": "ADMIN"}), json!({"emailVerifiedAt": "2026-01-01T00:00:00Z"}), json!({"id": "1"})] {
        let mut input = json!({"contact": {"email": "ada@example.com"}});
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        gateway.visitor().try_sign_up(input).await.expect_error("BAD_REQUEST");
    }
    assert_eq!(pending_sign_ups::Entity::find().count(&gateway.database().await).await.unwrap(), 0);
}

#[tokio::test]
async fn sign_up_can_be_switched_off() {
    let gateway = Gateway::start_with(|config| config.sign_up.enabled = false).await;
    gateway.visitor().try_sign_up(json!({"contact": {"email": "ada@example.com"}})).await.expect_problem("SIGN_UP_DISABLED");
    let config = gateway.visitor().graphql("{ authConfig { signUpEnabled } }", json!({})).await.expect_field();
    assert_eq!(config["signUpEnabled"], false);

    let gateway = Gateway::start_with(|config| config.sign_up.contacts.truncate(1)).await;
    gateway.visitor().try_sign_up(json!({"contact": {"phone": "+66812345678"}})).await.expect_problem("METHOD_DISABLED");
    gateway.visitor().sign_up("ada@example.com", PASSWORD).await;
}

// A12
#[tokio::test]
async fn many_sign_ups_of_one_address_make_one_account() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let visitors: Vec<Visitor> = (0..20).map(|_| gateway.visitor()).collect();
    let signing_up = visitors.iter().map(|visitor| visitor.sign_up("ada@example.com", PASSWORD));
    let challenges = futures::future::join_all(signing_up).await;
    assert!(pending_sign_ups::Entity::find().count(&gateway.database().await).await.unwrap() <= 3);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(gateway.next_message("ada@example.com").await);
    }
    let by_challenge = |challenge: &Challenge| {
        codes.iter().find(|message| message.link.as_ref().unwrap().contains(&challenge.id)).expect("its message came").code()
    };
    let confirming = visitors.iter().zip(&challenges).map(|(visitor, challenge)| {
        let code = by_challenge(challenge);
        async move { visitor.try_confirm(challenge, &code).await }
    });
    let answers = futures::future::join_all(confirming).await;
    let signed_in = answers.iter().filter(|answer| answer.data()["confirmSignUp"]["outcome"]["__typename"] == "SignedIn").count();
    assert_eq!(signed_in, 1);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.errors().is_empty()));
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), 1);
}

// C11: what cannot be counted is not begun, and who is signed in does not notice.
#[tokio::test]
async fn without_the_short_lived_store_nobody_signs_up_and_everybody_else_goes_on() {
    let gateway = Gateway::start().await;
    let member: Member = gateway.app_user().becomes_member("ada@example.com").await;
    let cut_off = gateway.start_beside_with(|config| config.redis.urls = vec!["redis://127.0.0.1:1".to_owned()]).await;
    let member = member.at(&cut_off);
    assert_eq!(member.me().await["email"], "ada@example.com");
    let answer = cut_off.visitor().try_sign_up(json!({"contact": {"email": "eve@example.com"}, "password": PASSWORD})).await;
    assert!(answer.status == 503 && answer.headers.contains_key("retry-after"), "{answer:?}");
    answer.expect_error("OVERLOADED");
    let database = gateway.database().await;
    assert_eq!(pending_sign_ups::Entity::find().count(&database).await.unwrap(), 0);
    let audit = user_audit_log::Entity::find().all(&database).await.unwrap();
    assert!(audit.iter().filter(|row| row.event_type == "sign_up").count() <= 1, "nothing was begun");
    member.visitor.sign_in("ada@example.com", PASSWORD).await;
    member.refresh().await;
    assert_eq!(member.sessions().await.len(), 2);
    let ready: Value = cut_off.visitor().request(Method::GET, "/readyz").send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["status"], "degraded", "{ready}");
}
