//! A contact that several accounts were given and none proved, once one does.

use entity::{user_audit_log, users};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use super::{
    member,
    verification::{self, user},
};
use crate::{
    sign_in_by_code::{account_without_password, imported, without_buckets},
    support::{Challenge, Gateway, Member, PASSWORD},
};

const SHARED: &str = "shared@example.com";

async fn give(gateway: &Gateway, id: &str, email: &str) {
    let give = users::Entity::update_many()
        .col_expr(users::Column::Email, Expr::value(email))
        .col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None))
        .filter(users::Column::Id.eq(id.parse::<uuid::Uuid>().unwrap()));
    assert_eq!(give.exec(&gateway.database().await).await.unwrap().rows_affected, 1);
}

/// How a contact comes to be proved by more than itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    SignIn,
    Session,
    Link,
}

// The rule for unverified contacts: one that is proved with the account's password or from its session is taken from others, and wipes nothing.
#[tokio::test]
async fn others_lose_a_contact_that_was_proved_from_the_account_and_nothing_else() {
    for by in [By::SignIn, By::Session, By::Link] {
        let gateway = without_buckets().await;
        let bare = member(&gateway, "bare@example.com").await;
        let other = account_without_password(&gateway, "+66812345678").await;
        let prover = member(&gateway, "prover@example.com").await;
        for id in [&bare.user_id, &other.user_id, &prover.user_id] {
            give(&gateway, id, SHARED).await;
        }
        match by {
            By::SignIn => {
                give(&gateway, &bare.user_id, "else@example.com").await;
                give(&gateway, &other.user_id, "else@example.com").await;
                let visitor = gateway.visitor();
                let challenge: Challenge = visitor.try_sign_in(SHARED, PASSWORD).await.expect_done()["outcome"].clone().into();
                give(&gateway, &bare.user_id, SHARED).await;
                give(&gateway, &other.user_id, SHARED).await;
                visitor.confirm(&challenge, &gateway.next_message(SHARED).await.code()).await;
                gateway.next_message(SHARED).await;
            }
            By::Session | By::Link => {
                let challenge: Challenge = verification::request(&prover, "EMAIL").await.expect_done().into();
                let message = gateway.next_message(SHARED).await;
                if by == By::Session {
                    verification::confirm(&prover, &challenge, &message.code()).await.expect_done();
                } else {
                    prover.visitor.verify_email(&message.link_token(), None).await.expect_done();
                }
            }
        }
        assert!(user(&gateway, &prover.user_id).await.email_verified_at.is_some(), "{by:?}");
        let bares = user(&gateway, &bare.user_id).await;
        assert_eq!((bares.email, bares.password_hash.is_some()), (None, true), "{by:?}");
        bare.me().await;
        assert_eq!(other.me().await["email"], json!(null), "{by:?}");
        // Who can still be reached is told, and not by whom.
        let told = gateway.next_message("+66812345678").await;
        assert!(told.text.contains("a contact of your account that was never confirmed") && !told.text.contains(SHARED), "{}", told.text);
    }
}

// C14: sessions that end with what was set up in an account leave their rows too.
#[tokio::test]
async fn who_loses_everything_has_a_row_for_each_session() {
    let gateway = without_buckets().await;
    let squatter = member(&gateway, "first@example.com").await;
    give(&gateway, &squatter.user_id, SHARED).await;
    member(&gateway, SHARED).await;
    let rows = user_audit_log::Entity::find()
        .filter(user_audit_log::Column::EventType.eq("session_revoked"))
        .all(&gateway.database().await)
        .await
        .unwrap();
    let [row] = rows.try_into().unwrap();
    assert_eq!((row.session_id.unwrap().to_string(), row.actor_user_id), (squatter.session_id, None));
    assert_eq!(row.metadata["reason"], "contact proved by another account");
}

async fn waits_for_proof(gateway: &Gateway) -> (Member, String) {
    let phone = account_without_password(gateway, "+66812345678").await;
    give(gateway, &phone.user_id, "ada@example.com").await;
    verification::request(&phone, "EMAIL").await.expect_done();
    let link = gateway.next_message("ada@example.com").await;
    (phone, link.link_token())
}

// An account that has proved a number is not given away with an address; without a password there is none to ask for, and none to guess at.
#[tokio::test]
async fn a_link_of_an_account_without_a_password_counts_where_it_was_asked_for() {
    let gateway = without_buckets().await;
    let (phone, token) = waits_for_proof(&gateway).await;
    for _ in 0..7 {
        let problem = gateway.visitor().verify_email(&token, Some("a guess 12 xyz")).await.expect_problem("METHOD_DISABLED");
        assert_eq!(problem["path"], json!(["input", "token"]));
    }
    gateway.visitor().verify_email(&token, None).await.expect_problem("METHOD_DISABLED");
    // C14
    let rows = user_audit_log::Entity::find()
        .filter(user_audit_log::Column::EventType.eq("contact_verification"))
        .filter(user_audit_log::Column::ResultCode.eq("METHOD_DISABLED"))
        .all(&gateway.database().await)
        .await
        .unwrap();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.user_id.unwrap().to_string() == phone.user_id));
    phone.visitor.verify_email(&token, None).await.expect_done();
    assert!(user(&gateway, &phone.user_id).await.email_verified_at.is_some());
}

// With a password, it is asked for, and that is in the records too.
#[tokio::test]
async fn a_link_of_an_account_with_a_password_asks_for_it_elsewhere() {
    let gateway = without_buckets().await;
    let (phone, token) = waits_for_proof(&gateway).await;
    let hash = imported(&gateway, "with@example.com").await.password_hash;
    let set = users::Entity::update_many()
        .col_expr(users::Column::PasswordHash, Expr::value(hash))
        .filter(users::Column::Id.eq(phone.user_id.parse::<uuid::Uuid>().unwrap()));
    set.exec(&gateway.database().await).await.unwrap();
    gateway.visitor().verify_email(&token, None).await.expect_problem("CREDENTIALS_INVALID");
    let payload = gateway.visitor().verify_email(&token, Some(PASSWORD)).await.expect_done();
    assert_eq!(payload["passwordKept"], true);
}
