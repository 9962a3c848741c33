//! The link of the old address: it stops a change, and for seven days it undoes one.

use std::time::Duration;

use entity::users;
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};

use super::{cancel_by_link, change_email, change_phone::has_phone, confirm_email, contacts_of, member, moves_to};
use crate::support::{Challenge, Gateway, PASSWORD};

const DAY: Duration = Duration::from_hours(24);

// A14: once, and only for what it was sent about.
#[tokio::test]
async fn the_link_stops_a_change_that_waits() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let challenge: Challenge = change_email(&ada, "eve@example.com").await.expect_done().into();
    let code = gateway.next_message("eve@example.com").await.code();
    let link = gateway.next_message("ada@example.com").await.link_token();
    let stranger = gateway.visitor();
    let payload = cancel_by_link(&stranger, &link).await.expect_done();
    assert_eq!((&payload["cancelled"], &payload["user"]), (&json!(true), &Value::Null));
    confirm_email(&ada, &challenge, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
    assert_eq!(contacts_of(&ada).await, json!({"email": "ada@example.com", "phone": null, "pendingEmail": null, "pendingPhone": null}));
    for token in [link.as_str(), "", "x", &"A".repeat(43)] {
        let refused = cancel_by_link(&stranger, token).await.expect_problem("TOKEN_INVALID");
        assert_eq!(refused["path"], json!(["input", "token"]));
    }
}

// The whole way back: the address, the sessions, the trust, and a new password.
#[tokio::test]
async fn the_link_undoes_a_change_for_seven_days() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    let intruder = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    moves_to(&gateway, &intruder, "eve@example.com").await;
    let (asked, told) = (gateway.next_message("ada@example.com").await, gateway.next_message("ada@example.com").await);
    gateway.next_message("eve@example.com").await;
    let database = gateway.database().await;
    let until = gateway.clock.now() + 30 * DAY;
    let trust = entity::known_devices::Entity::update_many().col_expr(entity::known_devices::Column::TrustedUntil, Expr::value(until));
    trust.exec(&database).await.unwrap();

    gateway.advance(Duration::from_secs(7 * 24 * 3600 - 1));
    let payload = cancel_by_link(&gateway.visitor(), &asked.link_token()).await.expect_done();
    assert_eq!(payload["cancelled"], true);
    for member in [&ada, &intruder] {
        assert_eq!(
            member.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED")["extensions"]["code"],
            "UNAUTHENTICATED"
        );
        member.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    }
    let user = users::Entity::find().one(&database).await.unwrap().unwrap();
    assert_eq!((user.email.as_deref(), user.email_verified_at.is_some(), user.pending_email), (Some("ada@example.com"), true, None));
    assert!(entity::known_devices::Entity::find().all(&database).await.unwrap().iter().all(|device| device.trusted_until.is_none()));
    let sessions = entity::user_sessions::Entity::find().all(&database).await.unwrap();
    assert!(sessions.iter().all(|session| session.revoked_by == Some(entity::user_sessions::Actor::Security)), "{sessions:?}");
    let reset = gateway.next_message("ada@example.com").await;
    assert!(reset.code.is_some() && reset.link.unwrap().contains("/reset-password?token="));
    assert_eq!(gateway.next_message("eve@example.com").await.link, None, "who is put out is told, and can undo nothing");
    cancel_by_link(&gateway.visitor(), &told.link_token()).await.expect_problem("TOKEN_INVALID");
    gateway.visitor().try_sign_in("eve@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

#[tokio::test]
async fn after_seven_days_it_is_too_late() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "new@example.com").await;
    let (asked, told) = (gateway.next_message("ada@example.com").await, gateway.next_message("ada@example.com").await);
    gateway.next_message("new@example.com").await;
    gateway.advance(7 * DAY);
    for message in [asked, told] {
        cancel_by_link(&gateway.visitor(), &message.link_token()).await.expect_problem("TOKEN_EXPIRED");
    }
}

// Who took an account over and moved it on cannot use a link of their own against the owner's, neither before nor after.
#[tokio::test]
async fn the_first_address_has_the_last_word() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "eve@example.com").await;
    let owners = [gateway.next_message("ada@example.com").await.link_token(), gateway.next_message("ada@example.com").await.link_token()];
    gateway.next_message("eve@example.com").await;
    // Many more changes: they push none of the owner's links out.
    gateway.advance(Duration::from_hours(2));
    let mut intruder = gateway.app_user().sign_in("eve@example.com", PASSWORD).await;
    gateway.next_message("eve@example.com").await;
    let mut from = "eve@example.com".to_owned();
    let mut intruders = Vec::new();
    for round in 0..4 {
        let to = format!("eve{round}@example.com");
        moves_to(&gateway, &intruder, &to).await;
        for _ in 0..2 {
            intruders.push(gateway.next_message(&from).await.link_token());
        }
        gateway.next_message(&to).await;
        gateway.advance(Duration::from_hours(1));
        intruder = gateway.app_user().sign_in(&to, PASSWORD).await;
        gateway.next_message(&to).await;
        from = to;
    }
    // The intruder undoes one of their own: it ends what came after it, not what came before.
    cancel_by_link(&gateway.visitor(), &intruders[3]).await.expect_done();
    gateway.next_message(&from).await;
    gateway.next_message("eve0@example.com").await;
    cancel_by_link(&gateway.visitor(), &intruders[6]).await.expect_problem("TOKEN_INVALID");
    assert_eq!(cancel_by_link(&gateway.visitor(), &owners[1]).await.expect_done()["cancelled"], true);
    gateway.next_message("eve0@example.com").await;
    assert!(gateway.next_message("ada@example.com").await.link.unwrap().contains("/reset-password"));
    for token in intruders.iter().chain(&owners) {
        cancel_by_link(&gateway.visitor(), token).await.expect_problem("TOKEN_INVALID");
    }
    let user = users::Entity::find().one(&gateway.database().await).await.unwrap().unwrap();
    assert_eq!(user.email.as_deref(), Some("ada@example.com"));
}

// The old address may have found another account meanwhile: then it is told so, and the link stays good.
#[tokio::test]
async fn an_address_that_is_taken_by_now_does_not_come_back() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "new@example.com").await;
    let token = gateway.next_message("ada@example.com").await.link_token();
    for to in ["ada@example.com", "new@example.com"] {
        gateway.next_message(to).await;
    }
    member(&gateway, "ada@example.com").await;
    cancel_by_link(&gateway.visitor(), &token).await.expect_problem("EMAIL_TAKEN");
    cancel_by_link(&gateway.visitor(), &token).await.expect_problem("EMAIL_TAKEN");
    assert_eq!(contacts_of(&ada).await["email"], "new@example.com", "nothing was changed");
}

// Who was in the account does not stay in it by a number of their own; one from before the change stays.
#[tokio::test]
async fn a_number_that_was_proved_since_goes_with_the_change() {
    let gateway = crate::sign_in_by_code::without_buckets().await;
    for (name, before) in [("ada", true), ("bob", false)] {
        let (old, new) = (format!("{name}@example.com"), format!("eve-{name}@example.com"));
        let phone = if before { "+66812345678" } else { "+66812345679" };
        let member = member(&gateway, &old).await;
        if before {
            has_phone(&gateway, &member, phone).await;
            gateway.advance(Duration::from_mins(11));
            member.refresh().await;
            member.try_reauthenticate(PASSWORD).await.expect_done();
        }
        let member = gateway.app_user().sign_in(&old, PASSWORD).await;
        let challenge: Challenge = change_email(&member, &new).await.expect_done().into();
        if !before {
            has_phone(&gateway, &member, phone).await;
        }
        let code = gateway.next_message(&new).await.code();
        confirm_email(&member, &challenge, &code).await.expect_done();
        let undo = loop {
            let message = gateway.next_message(&old).await;
            if message.link.as_ref().is_some_and(|link| link.contains("/cancel-email-change"))
                && message.subject.as_ref().unwrap().contains("was changed")
            {
                break message.link_token();
            }
        };
        cancel_by_link(&gateway.visitor(), &undo).await.expect_done();
        let user = super::verification::user(&gateway, &member.user_id).await;
        assert_eq!((user.email.as_deref(), user.phone.is_some()), (Some(old.as_str()), before), "{name}");
        let codes = gateway.visitor().try_request_sign_in_code(json!({"phone": phone})).await.expect_done();
        assert_eq!(codes["challenge"]["channel"], "SMS");
    }
    gateway.expect_undelivered();
}

// C3 of links: of many presses of one link, or of both links of a change, one undoes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_undone_once() {
    let gateway = crate::sign_in_by_code::without_buckets().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "eve@example.com").await;
    let links = [gateway.next_message("ada@example.com").await.link_token(), gateway.next_message("ada@example.com").await.link_token()];
    let visitor = gateway.visitor();
    let answers = futures::future::join_all((0..20).map(|n| cancel_by_link(&visitor, &links[n % 2]))).await;
    let done = answers.into_iter().filter(|answer| answer.data()["cancelEmailChange"]["cancelled"] == true).count();
    assert_eq!(done, 1);
    assert!(gateway.next_message("ada@example.com").await.link.unwrap().contains("/reset-password"));
    assert!(gateway.unread("ada@example.com").await.is_empty(), "one reset");
    gateway.expect_undelivered();
}

// The reset that comes with it works, and puts the thief's password out.
#[tokio::test]
async fn the_reset_of_an_undone_change_sets_a_new_password() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    moves_to(&gateway, &ada, "eve@example.com").await;
    let link = gateway.next_message("ada@example.com").await.link_token();
    gateway.next_message("ada@example.com").await;
    cancel_by_link(&gateway.visitor(), &link).await.expect_done();
    let reset = gateway.next_message("ada@example.com").await;
    let url = url::Url::parse(reset.link.as_ref().unwrap()).unwrap();
    let id = url.query_pairs().find(|(name, _)| name == "challenge").unwrap().1.into_owned();
    let challenge = Challenge { id, fields: Value::Null };
    let visitor = gateway.visitor();
    visitor.try_reset_by_code(&challenge, &reset.code(), "another Kettle 48 sundial").await.expect_done();
    visitor.try_reset_by_link(&reset.link_token(), "another Kettle 49 sundial").await.expect_problem("TOKEN_INVALID");
    gateway.app_user().try_sign_in("ada@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.app_user().sign_in("ada@example.com", "another Kettle 48 sundial").await;
    gateway.expect_undelivered();
}
