//! Sign-in by password, and what guessing costs.

mod lockout;

use std::time::Duration;

use entity::{user_audit_log, users};
use postern::clock::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Answer, Gateway, Member, PASSWORD, Visitor};

const MINUTE: Duration = Duration::from_mins(1);
const WRONG: &str = "not the password at all";

/// Guessing takes more tries than the leaky buckets let through.
async fn without_buckets() -> Gateway {
    Gateway::start_with(|config| config.rate_limits.enabled = false).await
}

/// A new account with an e-mail address and a username, whose welcome was read.
async fn account(gateway: &Gateway, email: &str, username: &str) -> Member {
    let visitor = gateway.visitor();
    let input = json!({"contact": {"email": email}, "password": PASSWORD, "username": username});
    let challenge = visitor.try_sign_up(input).await.expect_done().into();
    let member = visitor.confirm(&challenge, &gateway.next_message(email).await.code()).await;
    gateway.next_message(email).await;
    member
}

async fn guess(visitor: &Visitor, identifier: &str, times: usize) {
    for _ in 0..times {
        visitor.try_sign_in(identifier, WRONG).await.expect_problem("CREDENTIALS_INVALID");
    }
}

/// What an answer says, without what differs from one request to the next.
fn likeness(answer: &Answer) -> (u16, Value, Vec<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    (answer.status, answer.body.clone(), headers)
}

#[tokio::test]
async fn somebody_signs_in_by_any_identifier() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com", "ada").await;
    let phone_user = gateway.app_user();
    let input = json!({"contact": {"phone": "+66812345678"}, "password": PASSWORD});
    let challenge = phone_user.try_sign_up(input).await.expect_done().into();
    phone_user.confirm(&challenge, &gateway.next_message("+66812345678").await.code()).await;
    for identifier in ["ada@example.com", " ADA@Example.COM ", "ada", "Ada", "+66812345678", "+66 81 234 5678"] {
        let member = gateway.visitor().sign_in(identifier, PASSWORD).await;
        assert!(!member.is_new_user, "{identifier}");
        let session = member.graphql("{ currentSession { loginMethod current device { name type } } }", json!({})).await.expect_field();
        assert_eq!(
            session,
            json!({"loginMethod": "PASSWORD", "current": true, "device": {"name": "Firefox on Windows", "type": "DESKTOP"}})
        );
    }
    for identifier in ["", " ", "nobody", "@", "+", "ada@", "ada\u{0}", &"x".repeat(5000), "' OR 1=1 --"] {
        gateway.visitor().from_address("203.0.113.9").try_sign_in(identifier, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    }
}

#[tokio::test]
async fn a_sign_in_from_a_new_device_is_told_to_its_owner() {
    let gateway = Gateway::start().await;
    let member = account(&gateway, "ada@example.com", "ada").await;
    member.visitor.sign_in("ada", PASSWORD).await;
    assert!(gateway.unread("ada@example.com").await.is_empty(), "this device is known");
    let elsewhere = gateway.app_user();
    elsewhere.sign_in("ada", PASSWORD).await;
    let notice = gateway.next_message("ada@example.com").await;
    assert!(notice.text.contains(&elsewhere.address().to_string()), "{}", notice.text);
    assert!(elsewhere.device_token().is_some());
    elsewhere.sign_in("ada", PASSWORD).await;
    assert!(gateway.unread("ada@example.com").await.is_empty(), "now it is known too");
}

// A9: who has an account is not told by any answer, whatever its state and history.
#[tokio::test]
async fn a_wrong_password_is_answered_alike_for_everybody() {
    let gateway = without_buckets().await;
    account(&gateway, "known@example.com", "known").await;
    let suspended = account(&gateway, "suspended@example.com", "suspended").await;
    set_status(&gateway, &suspended, users::Status::Suspended).await;
    let pending = gateway.visitor();
    pending.sign_up("unverified@example.com", PASSWORD).await;
    let codes_only = gateway.visitor();
    let challenge = codes_only.try_sign_up(json!({"contact": {"email": "codes@example.com"}})).await.expect_done().into();
    codes_only.confirm(&challenge, &gateway.next_message("codes@example.com").await.code()).await;

    let everybody =
        ["known@example.com", "suspended@example.com", "unverified@example.com", "codes@example.com", "nobody@example.com", "nobody"];
    // Five wrong ones, one that finds it locked, and with the clock at the end of the lock once more.
    for round in 0..8 {
        if round == 6 {
            gateway.advance(15 * MINUTE);
        }
        let mut answers = Vec::new();
        for identifier in everybody {
            answers.push((identifier, likeness(&gateway.visitor().try_sign_in(identifier, WRONG).await)));
        }
        for (identifier, answer) in &answers {
            assert_eq!(answer, &answers[0].1, "{identifier} in round {round}");
        }
    }
}

async fn set_status(gateway: &Gateway, member: &Member, status: users::Status) {
    let id: Uuid = member.user_id.parse().unwrap();
    let change = users::ActiveModel { id: Set(id), status: Set(status), ..Default::default() };
    users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
}

#[tokio::test]
async fn the_state_of_an_account_is_told_only_after_the_right_password() {
    let gateway = without_buckets().await;
    let member = account(&gateway, "ada@example.com", "ada").await;
    let states = [
        (users::Status::Suspended, "ACCOUNT_SUSPENDED"),
        (users::Status::Banned, "ACCOUNT_BANNED"),
        (users::Status::Inactive, "ACCOUNT_INACTIVE"),
    ];
    for (status, code) in states {
        set_status(&gateway, &member, status).await;
        gateway.visitor().try_sign_in("ada", WRONG).await.expect_problem("CREDENTIALS_INVALID");
        let answer = gateway.visitor().try_sign_in("ada", PASSWORD).await;
        assert_eq!(answer.data()["signIn"]["outcome"], Value::Null);
        assert!(!answer.headers.contains_key("set-cookie"), "no session, no cookie");
        answer.expect_problem(code);
    }
    // Locked comes first: it is told without the password.
    guess(&gateway.visitor(), "ada", 5).await;
    gateway.visitor().try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.advance(15 * MINUTE);
    set_status(&gateway, &member, users::Status::Active).await;
    gateway.visitor().sign_in("ada", PASSWORD).await;
}

// C10, C13: limits of an address and of an account, existing or not.
#[tokio::test]
async fn sign_ins_are_limited_by_address_and_by_account() {
    let gateway = Gateway::start().await;
    account(&gateway, "ada@example.com", "ada").await;
    let visitor = gateway.visitor();
    for number in 0..10 {
        visitor.try_sign_in(&format!("nobody{number}"), PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    }
    let limited = visitor.try_sign_in("ada", PASSWORD).await;
    assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "6"));
    assert_eq!(limited.expect_error("RATE_LIMITED")["extensions"]["retryAfterSeconds"], 6);
    gateway.advance(Duration::from_secs(6));
    visitor.sign_in("ada", PASSWORD).await;

    for identifier in ["eve@example.com", "unknown@example.com"] {
        if identifier.starts_with("eve") {
            account(&gateway, identifier, "eve").await;
        }
        let mut limited = None;
        for _ in 0..21 {
            let answer = gateway.visitor().try_sign_in(identifier, WRONG).await;
            if answer.status != 200 {
                limited =
                    Some((answer.status, answer.code().map(str::to_owned), answer.headers["retry-after"].to_str().unwrap().to_owned()));
            }
        }
        assert_eq!(limited, Some((429, Some("RATE_LIMITED".to_owned()), "180".to_owned())), "{identifier}");
    }
}

// C14: a row for every success, failure and lock, with who, whence and by which request.
#[tokio::test]
async fn every_try_is_audited() {
    let gateway = without_buckets().await;
    let member = account(&gateway, "ada@example.com", "ada").await;
    let id: Uuid = member.user_id.parse().unwrap();
    let before = rows(&gateway).await.len();
    let visitor = gateway.visitor();
    visitor.sign_in("ada", PASSWORD).await;
    guess(&visitor, "eve", 1).await;
    guess(&gateway.visitor(), "ada", 5).await;
    gateway.visitor().try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    gateway.advance(15 * MINUTE);
    set_status(&gateway, &member, users::Status::Banned).await;
    gateway.visitor().try_sign_in("ada", PASSWORD).await.expect_problem("ACCOUNT_BANNED");

    let rows = rows(&gateway).await.split_off(before);
    let told: Vec<_> = rows.iter().map(|row| (row.event_type.as_str(), row.user_id == Some(id), row.result_code.as_deref())).collect();
    let wrong = ("login", true, Some("CREDENTIALS_INVALID"));
    assert_eq!(
        told,
        [
            ("login", true, None),
            ("login", false, Some("CREDENTIALS_INVALID")),
            wrong,
            wrong,
            wrong,
            wrong,
            wrong,
            ("account_locked", true, Some("ACCOUNT_LOCKED")),
            ("login", true, Some("ACCOUNT_LOCKED")),
            ("login", true, Some("ACCOUNT_BANNED")),
        ]
    );
    for row in &rows {
        assert!(row.ip_address.as_deref().is_some_and(|ip| ip.starts_with("198.18.")), "{row:?}");
        assert!(row.user_agent.as_deref().is_some_and(|agent| agent.contains("Firefox")), "{row:?}");
        assert!(row.request_id.as_ref().is_some_and(|id| !id.is_empty()), "{row:?}");
        assert_eq!((row.request_method.as_deref(), row.request_path.as_deref()), (Some("POST"), Some("/graphql")));
        assert!(row.created_at >= Timestamp::from_millis(1_795_176_000_000));
        assert_eq!(row.actor_user_id.is_some(), row.result_code.is_none());
    }
    // Nothing takes a row back.
    let database = gateway.database().await;
    let deleting = user_audit_log::Entity::delete_many().filter(user_audit_log::Column::Seq.gt(0));
    assert!(deleting.exec(&database).await.is_err());
    let rewriting = user_audit_log::Entity::update_many().col_expr(user_audit_log::Column::EventType, Expr::value("x"));
    assert!(rewriting.exec(&database).await.is_err());
}

async fn rows(gateway: &Gateway) -> Vec<user_audit_log::Model> {
    use sea_orm::QueryOrder;
    let query = user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq);
    query.all(&gateway.database().await).await.unwrap()
}
