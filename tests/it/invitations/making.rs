//! `createUser`: what is made, what is refused, and that the same request makes one account.

use entity::{account_events, user_audit_log::Category, user_sessions::Actor, users};
use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use super::{CHOSEN, administrator, audited, create, row};
use crate::{
    sign_in_by_code::{account, imported, without_buckets},
    support::PASSWORD,
};

#[tokio::test]
async fn an_account_is_made_and_its_owner_invited() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let input = json!({
        "email": " Ada@Example.com", "phone": "+66 81 234 5678", "username": "Ada_L",
        "profile": {"displayName": "Ada", "locale": "th"}, "metadata": {"plan": {"seats": 3}},
    });
    let user = create(&admin, input).await.expect_done()["user"].clone();
    assert_eq!((&user["email"], &user["phone"], &user["username"]), (&json!("ada@example.com"), &json!("+66812345678"), &json!("ada_l")));
    assert_eq!((&user["emailVerifiedAt"], &user["phoneVerifiedAt"]), (&json!(null), &json!(null)));
    assert_eq!((&user["role"], &user["status"], &user["hasPassword"]), (&json!("USER"), &json!("ACTIVE"), &json!(false)));
    assert_eq!((&user["displayName"], &user["metadata"]), (&json!("Ada"), &json!({"plan": {"seats": 3}})));
    // In the language of who is invited, not of who invites; by e-mail, where there is an address.
    let message = gateway.next_message("ada@example.com").await;
    assert!(message.subject.as_ref().unwrap().contains("เชิญ") && message.code.is_none(), "{message:?}");
    assert!(message.text.contains("2026-11-27 12:00 UTC"), "{}", message.text);
    assert!(gateway.inbox("+66812345678").await.is_empty());

    let id = user["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
    let told = account_events::Entity::find().filter(account_events::Column::UserId.eq(id)).all(&gateway.database().await).await.unwrap();
    assert_eq!(told.iter().map(|event| event.kind).collect::<Vec<_>>(), [account_events::Kind::Created]);
    // C14
    let made = audited(&gateway, "account_created").await.pop().unwrap();
    assert_eq!((made.user_id, made.actor, made.actor_user_id), (Some(id), Actor::Admin, Some(admin.user_id.parse().unwrap())));
    assert_eq!((made.event_category, &made.metadata["invited"]), (Category::Admin, &json!("email")));
}

#[tokio::test]
async fn an_administrator_can_vouch_for_a_contact_and_make_another_administrator() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let input = json!({"email": "eve@example.com", "role": "ADMIN", "contactVerified": true});
    let user = create(&admin, input).await.expect_done()["user"].clone();
    assert!(user["emailVerifiedAt"].is_string() && user["role"] == "ADMIN", "{user}");
    // C16: who has access is a matter of security.
    let made = audited(&gateway, "account_created").await.pop().unwrap();
    assert_eq!((made.event_category, &made.metadata["role"]), (Category::Security, &json!("admin")));

    let token = gateway.next_message("eve@example.com").await.link_token();
    gateway.visitor().try_reset_by_link(&token, CHOSEN).await.expect_done();
    let eve = gateway.app_user().sign_in("eve@example.com", CHOSEN).await;
    create(&eve, json!({"email": "bob@example.com"})).await.expect_done();
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_and_makes_nothing() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    account(&gateway, "proved@example.com").await;
    imported(&gateway, "held@example.com").await;
    imported(&gateway, "+66812345678").await;
    create(&admin, json!({"email": "first@example.com", "username": "taken"})).await.expect_done();
    let before = users::Entity::find().count(&gateway.database().await).await.unwrap();

    let long = "x".repeat(16 * 1024);
    for (input, code, path) in [
        (json!({}), "CONTACT_REQUIRED", json!(["input"])),
        (json!({"username": "alone"}), "CONTACT_REQUIRED", json!(["input"])),
        (json!({"email": "no address"}), "EMAIL_INVALID", json!(["input", "email"])),
        (json!({"phone": "12"}), "PHONE_INVALID", json!(["input", "phone"])),
        (json!({"email": "a@example.com", "username": "1"}), "USERNAME_INVALID", json!(["input", "username"])),
        (json!({"email": "a@example.com", "metadata": []}), "INVALID_INPUT", json!(["input", "metadata"])),
        (json!({"email": "a@example.com", "metadata": {"a": long}}), "INVALID_INPUT", json!(["input", "metadata"])),
        (json!({"email": "a@example.com", "metadata": {"a": "\u{0}"}}), "INVALID_INPUT", json!(["input", "metadata"])),
        (json!({"email": "a@example.com", "profile": {"locale": "?"}}), "INVALID_INPUT", json!(["input", "profile", "locale"])),
        // To administrators it is told, also of contacts that nobody proved yet.
        (json!({"email": "Proved@example.com"}), "EMAIL_TAKEN", json!(["input", "email"])),
        (json!({"email": "held@example.com"}), "EMAIL_TAKEN", json!(["input", "email"])),
        (json!({"phone": "+66812345678"}), "PHONE_TAKEN", json!(["input", "phone"])),
        (json!({"email": "a@example.com", "username": "TAKEN"}), "USERNAME_TAKEN", json!(["input", "username"])),
    ] {
        let problem = create(&admin, input.clone()).await.expect_problem(code);
        assert_eq!(problem["path"], path, "{input}");
    }
    let several = create(&admin, json!({"email": "?", "phone": "?", "metadata": 1})).await.expect_field();
    assert_eq!(several["problems"].as_array().unwrap().len(), 3, "{several}");
    assert_eq!(users::Entity::find().count(&gateway.database().await).await.unwrap(), before);
    let refused = audited(&gateway, "account_created").await.into_iter().filter(|row| row.result_code.is_some());
    assert!(refused.clone().all(|row| row.actor_user_id.unwrap().to_string() == admin.user_id));
    assert_eq!(refused.count(), 14);
}

// C16: a proof of long ago makes nobody an account.
#[tokio::test]
async fn it_takes_an_administrator_who_proved_themselves_a_moment_ago() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    gateway.advance(gateway.config.sessions.recent);
    admin.refresh().await;
    create(&admin, json!({"email": "ada@example.com"})).await.expect_error("REAUTHENTICATION_REQUIRED");
    admin.try_reauthenticate_with(json!({"password": PASSWORD})).await.expect_done();
    create(&admin, json!({"email": "ada@example.com"})).await.expect_done();
}

// Whether the contact counts as proved or not, and whichever name is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_many_times_at_once_makes_one_account() {
    let first = without_buckets().await;
    let second =
        if first.place.is_shared() { Some(first.start_beside_with(|config| config.rate_limits.enabled = false).await) } else { None };
    let admin = administrator(&first).await;
    for (round, verified) in [false, true].into_iter().enumerate() {
        let tries = (0..24_usize).map(|n| {
            let by = match &second {
                Some(second) if n % 2 == 1 => admin.at(second),
                _ => admin.clone(),
            };
            let email = if n % 3 == 0 { format!("other{round}x{n}@example.com") } else { format!("same{round}@example.com") };
            let phone = format!("+6681234567{round}");
            async move { create(&by, json!({"email": email, "phone": phone, "contactVerified": verified})).await }
        });
        let answers = join_all(tries).await;
        let made = answers.iter().filter(|answer| answer.data()["createUser"]["problems"] == json!([])).count();
        let codes: Vec<_> = answers.iter().map(|answer| answer.data()["createUser"]["problems"][0]["code"].clone()).collect();
        assert_eq!(made, 1, "{codes:?}");
        let holders = users::Entity::find().filter(users::Column::Phone.eq(format!("+6681234567{round}")));
        assert_eq!(holders.count(&first.database().await).await.unwrap(), 1);
        let of_admin = row(&first, &admin.user_id).await;
        assert_eq!(of_admin.role, users::Role::Admin);
    }
}
