//! From a contact to an account.

use entity::{pending_sign_ups, user_audit_log, users};
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::state_of;
use crate::support::{Challenge, Gateway, Member, PASSWORD, Visitor};

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

#[tokio::test]
async fn a_password_is_not_needed() {
    let gateway = Gateway::start().await;
    let visitor = gateway.visitor();
    let challenge = visitor.try_sign_up(json!({"contact": {"email": "ada@example.com"}})).await.expect_done().into();
    let member = visitor.confirm(&challenge, &gateway.next_message("ada@example.com").await.code()).await;
    let me = member.graphql("{ me { hasPassword } currentSession { reauthenticationMethods } }", json!({})).await.expect_data();
    assert_eq!(me, json!({"me": {"hasPassword": false}, "currentSession": {"reauthenticationMethods": ["EMAIL_CODE"]}}));
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
