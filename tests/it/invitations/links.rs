//! `sendPasswordLink`: to whom it goes, what it says, and how often.

use entity::{password_reset_attempts, user_audit_log::Category, users};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use serde_json::json;
use uuid::Uuid;

use super::{CHOSEN, administrator, audited, create, row, send_link};
use crate::{
    sign_in_by_code::{MINUTE, account, account_without_password, set_status, without_buckets},
    support::{Gateway, Member, PASSWORD},
};

#[tokio::test]
async fn who_never_signed_in_is_invited_again_and_others_get_a_reset() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let user = create(&admin, json!({"email": "ada@example.com"})).await.expect_done()["user"].clone();
    let id = user["id"].as_str().unwrap();
    gateway.next_message("ada@example.com").await;
    let sent = send_link(&admin, id).await.expect_done();
    assert_eq!((&sent["user"]["id"], &sent["destination"]), (&json!(id), &json!("a•••@example.com")));
    let again = gateway.next_message("ada@example.com").await;
    assert!(again.subject.as_ref().unwrap().contains("invited"), "{again:?}");
    gateway.visitor().try_reset_by_link(&again.link_token(), PASSWORD).await.expect_done();
    let ada = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;

    send_link(&admin, id).await.expect_done();
    let reset = gateway.next_message("ada@example.com").await;
    assert!(reset.subject.as_ref().unwrap().contains("new password") && reset.code.is_none(), "{reset:?}");
    // It is a reset like any other: half an hour, every session ends, and it is kept with the others.
    let done = gateway.visitor().try_reset_by_link(&reset.link_token(), CHOSEN).await.expect_done();
    assert_eq!(done["revokedSessionCount"], 1);
    ada.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    let [attempt] = password_reset_attempts::Entity::find().all(&gateway.database().await).await.unwrap().try_into().unwrap();
    assert_eq!((attempt.contact.as_str(), attempt.success, attempt.ip_address), ("ada@example.com", true, None));
    send_link(&admin, id).await.expect_done();
    // The notice of the new password comes about the same time.
    let late = loop {
        let message = gateway.next_message("ada@example.com").await;
        if message.subject.as_ref().is_some_and(|subject| subject.contains("new password")) && message.link.is_some() {
            break message;
        }
    };
    gateway.advance(30 * MINUTE);
    gateway.visitor().try_reset_by_link(&late.link_token(), PASSWORD).await.expect_problem("TOKEN_EXPIRED");
    // C14
    let rows = audited(&gateway, "password_link_sent").await;
    assert_eq!(rows.iter().map(|row| row.metadata["invitation"].clone()).collect::<Vec<_>>(), [true, false, false].map(|is| json!(is)));
    assert!(rows.iter().all(|row| row.event_category == Category::Security && row.actor_user_id.unwrap().to_string() == admin.user_id));
}

// Who signed up has signed in, although nobody signed in since.
#[tokio::test]
async fn who_signed_up_gets_a_reset_where_they_can_be_reached() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let phone = account_without_password(&gateway, "+66812345678").await;
    let sent = send_link(&admin, &phone.user_id).await.expect_done();
    assert_eq!(sent["destination"], "+66•••••5678");
    let message = gateway.next_message("+66812345678").await;
    assert!(message.text.contains("new password"), "{}", message.text);
    gateway.visitor().try_reset_by_link(&message.link_token(), CHOSEN).await.expect_done();

    // What is proved comes before what is not.
    let change = users::ActiveModel {
        id: Set(phone.user_id.parse().unwrap()),
        email: Set(Some("new@example.com".to_owned())),
        ..Default::default()
    };
    change.update(&gateway.database().await).await.unwrap();
    assert_eq!(send_link(&admin, &phone.user_id).await.expect_done()["destination"], "+66•••••5678");
}

// Who lost the mailbox gets another address from an administrator, and proves it by the link.
#[tokio::test]
async fn an_address_that_an_administrator_gave_is_proved_by_the_link() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let ada = account(&gateway, "old@example.com").await;
    let id: Uuid = ada.user_id.parse().unwrap();
    let change = users::ActiveModel {
        id: Set(id),
        email: Set(Some("new@example.com".to_owned())),
        email_verified_at: Set(None),
        ..Default::default()
    };
    change.update(&gateway.database().await).await.unwrap();
    send_link(&admin, &ada.user_id).await.expect_done();
    let message = gateway.next_message("new@example.com").await;
    assert!(message.subject.as_ref().unwrap().contains("new password"), "{message:?}");
    gateway.visitor().try_reset_by_link(&message.link_token(), CHOSEN).await.expect_done();
    let user = row(&gateway, &ada.user_id).await;
    assert!(user.email_verified_at.is_some());
    gateway.app_user().sign_in("new@example.com", CHOSEN).await;
    // Nobody else's reset proves anything: that one is never sent to what is not proved.
}

#[tokio::test]
async fn it_is_refused_where_it_would_do_nothing() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    for unknown in [Uuid::from_u128(7).to_string(), "x".to_owned()] {
        let problem = send_link(&admin, &unknown).await.expect_problem("USER_NOT_FOUND");
        assert_eq!(problem["path"], json!(["input", "userId"]));
    }
    let ada = account(&gateway, "ada@example.com").await;
    for (status, code) in [
        (users::Status::Suspended, "ACCOUNT_SUSPENDED"),
        (users::Status::Banned, "ACCOUNT_BANNED"),
        (users::Status::Inactive, "ACCOUNT_INACTIVE"),
    ] {
        set_status(&gateway, &ada, status).await;
        send_link(&admin, &ada.user_id).await.expect_problem(code);
    }
    let now = gateway.clock.now();
    let nowhere = users::Model::new(gateway.app().entropy.uuid(now), now);
    let id = nowhere.id.to_string();
    let insert = users::Entity::insert(users::ActiveModel::from(nowhere).reset_all());
    insert.exec_without_returning(&gateway.database().await).await.unwrap();
    send_link(&admin, &id).await.expect_problem("CONTACT_REQUIRED");
    assert!(gateway.unread("ada@example.com").await.is_empty());
    let rows = audited(&gateway, "password_link_sent").await;
    assert!(rows.len() == 6 && rows.iter().all(|row| row.result_code.is_some()), "{rows:?}");
}

async fn links(gateway: &Gateway, admin: &Member, id: &str, count: usize) -> Vec<String> {
    let mut tokens = Vec::new();
    for _ in 0..count {
        gateway.advance(MINUTE / 60);
        send_link(admin, id).await.expect_done();
        tokens.push(gateway.next_message("ada@example.com").await.link_token());
    }
    tokens
}

// C2: the three newest live, and using one ends all; B6: five an hour.
#[tokio::test]
async fn the_three_newest_live_and_five_go_out_in_an_hour() {
    let gateway = Gateway::start().await;
    let admin = administrator(&gateway).await;
    let user = create(&admin, json!({"email": "ada@example.com"})).await.expect_done()["user"].clone();
    let id = user["id"].as_str().unwrap();
    gateway.next_message("ada@example.com").await;
    let tokens = links(&gateway, &admin, id, 4).await;
    let limited = send_link(&admin, id).await.expect_error("RATE_LIMITED");
    assert!(limited["extensions"]["retryAfterSeconds"].as_i64().unwrap() > 0, "{limited}");
    gateway.visitor().try_reset_by_link(&tokens[0], CHOSEN).await.expect_problem("TOKEN_INVALID");
    gateway.visitor().try_reset_by_link(&tokens[1], CHOSEN).await.expect_done();
    for dead in &tokens[1..] {
        gateway.visitor().try_reset_by_link(dead, PASSWORD).await.expect_problem("TOKEN_INVALID");
    }
}
