//! What administrators change of an account.

use entity::{account_events::Kind, user_audit_log::Category, user_sessions::Actor};
use serde_json::{Value, json};

use super::{HOUR, NOBODY, PASSWORD, account, account_without_password, audited, id_of, next_notice, problems, row, told, without_buckets};
use crate::contacts::moves_to;

#[tokio::test]
async fn what_is_given_is_changed_and_the_rest_stays() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let change = json!({
        // Reserved for whoever signs up, not for an administrator.
        "username": "Support",
        "profile": {"displayName": "Ada", "dateOfBirth": "1990-04-01", "address": {"country": "TH"}},
        "metadata": {"plan": "pro", "seats": [1, {"deep": null}]},
    });
    let user = admin.try_update(&ada.user_id, change).await.expect_done()["user"].take();
    assert_eq!((&user["username"], &user["displayName"]), (&json!("support"), &json!("Ada")));
    assert_eq!(user["metadata"], json!({"plan": "pro", "seats": [1, {"deep": null}]}));
    // Its owner reads it.
    let me = ada.graphql("{ me { username metadata address { country } email } }", json!({})).await.expect_field();
    assert_eq!(me["metadata"]["plan"], "pro");
    assert_eq!((&me["address"]["country"], &me["email"]), (&json!("TH"), &json!("ada@example.com")));
    let user = admin.try_update(&ada.user_id, json!({"metadata": null, "username": null})).await.expect_done()["user"].take();
    assert_eq!((&user["username"], &user["metadata"], &user["displayName"]), (&Value::Null, &json!({}), &json!("Ada")));
    let user = admin.try_update(&ada.user_id, json!({"profile": null})).await.expect_done()["user"].take();
    assert_eq!(user["displayName"], Value::Null);
    admin.try_update(&ada.user_id, json!({})).await.expect_done();
    // A suspended account can be changed, too.
    admin.try_set_status(&ada.user_id, "SUSPENDED").await.expect_done();
    admin.try_update(&ada.user_id, json!({"username": "ada"})).await.expect_done();
    let rows = audited(&gateway, "user_updated").await;
    let fields: Vec<_> = rows.iter().map(|row| row.metadata["fields"].clone()).collect();
    let first = json!(["username", "displayName", "country", "dateOfBirth", "metadata"]);
    assert_eq!((fields.len(), &fields[0], &fields[3]), (4, &first, &json!(["username"])));
    assert!(rows.iter().all(|row| (row.actor, row.actor_user_id) == (Actor::Admin, Some(id_of(&admin)))));
    assert!(rows.iter().all(|row| row.event_category == Category::Admin && !row.metadata.to_string().contains("pro")));
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_and_changes_nothing() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let eve = account(&gateway, "eve@example.com").await;
    admin.try_update(&eve.user_id, json!({"username": "eve"})).await.expect_done();
    let wrong = json!({"username": "1", "email": "no", "phone": "no", "profile": {"address": {"country": "XX"}}, "metadata": []});
    let payload = admin.try_update(&ada.user_id, wrong).await.expect_field();
    assert_eq!(problems(&payload), ["USERNAME_INVALID", "EMAIL_INVALID", "PHONE_INVALID", "INVALID_INPUT", "INVALID_INPUT"]);
    let paths: Vec<_> = payload["problems"].as_array().unwrap().iter().map(|problem| problem["path"].clone()).collect();
    assert_eq!(paths[3..], [json!(["input", "profile", "address", "country"]), json!(["input", "metadata"])]);
    for metadata in [json!("x"), json!(1), json!([{}]), json!({"a": "x".repeat(16 * 1024)}), json!({"a": "\u{0}"})] {
        let payload = admin.try_update(&ada.user_id, json!({"metadata": metadata, "username": "ada"})).await;
        assert_eq!(payload.expect_problem("INVALID_INPUT")["path"], json!(["input", "metadata"]));
    }
    let largest = json!({"a": "x".repeat(16 * 1024 - 8)});
    admin.try_update(&ada.user_id, json!({"metadata": largest})).await.expect_done();
    admin.try_update(&ada.user_id, json!({"username": "EVE", "metadata": {}})).await.expect_problem("USERNAME_TAKEN");
    let taken = admin.try_update(&ada.user_id, json!({"email": "Eve@Example.com"})).await.expect_problem("EMAIL_TAKEN");
    assert_eq!(taken["path"], json!(["input", "email"]));
    let by_phone = account_without_password(&gateway, "+66812345678").await;
    admin.try_update(&ada.user_id, json!({"phone": "+66 81 234 5678"})).await.expect_problem("PHONE_TAKEN");
    for (member, change) in [(&ada, json!({"email": null})), (&by_phone, json!({"phone": null}))] {
        admin.try_update(&member.user_id, change).await.expect_problem("CONTACT_REQUIRED");
    }
    admin.try_update(NOBODY, json!({"username": "ada"})).await.expect_problem("USER_NOT_FOUND");
    let ada = row(&gateway, id_of(&ada)).await.unwrap();
    assert_eq!((ada.email.as_deref(), ada.username.as_deref()), (Some("ada@example.com"), None));
    assert!(ada.email_verified_at.is_some() && ada.metadata["a"].is_string());
}

// A8, C2: as with the owner's own change, and nobody but an administrator can undo it.
#[tokio::test]
async fn another_address_is_nobodys_until_it_is_proved() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "first@example.com").await;
    moves_to(&gateway, &ada, "second@example.com").await;
    let mut undo = None;
    for message in gateway.inbox("first@example.com").await {
        undo = undo.or_else(|| message.link.as_ref().filter(|link| link.contains("cancel-email-change")).map(|_| message.link_token()));
    }
    let phone = gateway.app_user();
    let on_phone = phone.sign_in("second@example.com", PASSWORD).await;
    on_phone.try_trust(&on_phone.session_id, true).await.expect_done();
    let reset = gateway.visitor().request_password_reset("second@example.com").await;
    let letter = loop {
        let message = gateway.next_message("second@example.com").await;
        if message.link.as_deref().is_some_and(|link| link.contains("reset-password")) {
            break message;
        }
    };
    gateway.read_all("second@example.com").await;
    gateway.advance(std::time::Duration::from_millis(5));

    let user = admin.try_update(&ada.user_id, json!({"email": " Third@Example.com "})).await.expect_done()["user"].take();
    assert_eq!((&user["email"], &user["emailVerifiedAt"]), (&json!("third@example.com"), &Value::Null));
    let notice = gateway.next_message("second@example.com").await;
    assert!(notice.subject.unwrap().contains("address") && notice.link.is_none(), "an administrator has the last word");
    assert!(!notice.text.contains(&admin.visitor.address().to_string()));
    assert_eq!(gateway.unread("third@example.com").await.len(), 0, "it is nobody's yet");
    // The session goes on; trust does not, and what was sent is void.
    let session = on_phone.graphql("{ currentSession { trusted } }", json!({})).await.expect_field();
    assert_eq!(session["trusted"], false);
    let visitor = gateway.visitor();
    visitor.try_reset_by_link(&letter.link_token(), "another Kettle 48 sundial").await.expect_problem("TOKEN_INVALID");
    visitor.try_reset_by_code(&reset, &letter.code(), "another Kettle 48 sundial").await.expect_problem("CODE_INVALID");
    let cancel = "mutation ($input: CancelEmailChangeInput) { cancelEmailChange(input: $input) { cancelled problems { code } } }";
    let token = undo.expect("the old address got a link");
    visitor.graphql(cancel, json!({"input": {"token": token}})).await.expect_problem("TOKEN_INVALID");
    // It names the account for the right password, and a code to it proves it.
    let there = gateway.visitor();
    let answer = there.try_sign_in("third@example.com", PASSWORD).await.expect_done();
    assert_eq!(answer["outcome"]["__typename"], "VerificationRequired");
    let code = gateway.next_message("third@example.com").await.code();
    let challenge = answer["outcome"]["challenge"]["id"].as_str().unwrap().to_owned();
    let challenge = crate::support::Challenge { id: challenge, fields: Value::Null };
    let proved = there.confirm(&challenge, &code).await;
    assert_eq!(proved.user_id, ada.user_id);
    // The one that is proved stays so when it is given again.
    gateway.advance(HOUR);
    let admin = gateway.app_user().administrates("root@example.com").await;
    let user = admin.try_update(&ada.user_id, json!({"email": "third@example.com"})).await.expect_done()["user"].take();
    assert!(user["emailVerifiedAt"].is_string());
    let kinds = told(&gateway, id_of(&ada)).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::EmailChanged).count(), 2);
    let rows = audited(&gateway, "user_updated").await;
    assert_eq!((rows.len(), &rows[0].metadata, rows[0].event_category), (1, &json!({"fields": ["email"]}), Category::Security));
    gateway.expect_undelivered();
}

#[tokio::test]
async fn a_number_is_changed_and_cleared() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let bo = account_without_password(&gateway, "+66812345678").await;
    let user =
        admin.try_update(&bo.user_id, json!({"phone": "+66 81 999 9999", "email": "bo@example.com"})).await.expect_done()["user"].take();
    assert_eq!((&user["phone"], &user["phoneVerifiedAt"]), (&json!("+66819999999"), &Value::Null));
    let notices = [next_notice(&gateway, "+66812345678").await, next_notice(&gateway, "+66812345678").await];
    assert!(notices.iter().any(|text| text.contains("phone number")) && notices.iter().any(|text| text.contains("address")), "{notices:?}");
    // The address is left.
    let user = admin.try_update(&bo.user_id, json!({"phone": null})).await.expect_done()["user"].take();
    assert_eq!((&user["phone"], &user["email"]), (&Value::Null, &json!("bo@example.com")));
    admin.try_update(&bo.user_id, json!({"email": null})).await.expect_problem("CONTACT_REQUIRED");
    assert_eq!(bo.me().await["email"], "bo@example.com", "the session goes on");
    let kinds = told(&gateway, id_of(&bo)).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::PhoneChanged).count(), 2);
    // An unproved contact may be held by several.
    let eve = account(&gateway, "eve@example.com").await;
    admin.try_update(&eve.user_id, json!({"phone": "+66812345678"})).await.expect_done();
    admin.try_update(&bo.user_id, json!({"phone": "+66812345678"})).await.expect_done();
    gateway.read_all("eve@example.com").await;
}
