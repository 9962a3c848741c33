//! The change of a number, and its removal.

use entity::users;
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};

use super::{change_phone, confirm_phone, contacts_of, member, other_than, remove_phone};
use crate::support::{Challenge, Gateway, Member, PASSWORD};

const FIRST: &str = "+66812345678";
const SECOND: &str = "+66812345679";

pub(super) async fn has_phone(gateway: &Gateway, member: &Member, phone: &str) {
    let challenge: Challenge = change_phone(member, phone).await.expect_done().into();
    let code = gateway.next_message(phone).await.code();
    confirm_phone(member, &challenge, &code).await.expect_done();
    gateway.next_message(phone).await;
}

#[tokio::test]
async fn a_number_changes_once_the_new_one_is_proved() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    has_phone(&gateway, &ada, FIRST).await;
    gateway.next_message("ada@example.com").await;
    let payload = change_phone(&ada, SECOND).await.expect_done();
    assert_eq!((&payload["user"]["phone"], &payload["user"]["pendingPhone"]["value"]), (&json!(FIRST), &json!(SECOND)));
    assert_eq!((&payload["challenge"]["purpose"], &payload["challenge"]["channel"]), (&json!("PHONE_CHANGE"), &json!("SMS")));
    let challenge: Challenge = payload.into();
    let code = gateway.next_message(SECOND).await.code();
    assert_eq!(gateway.next_message(FIRST).await.code, None, "A8: the old number is told at once");
    confirm_phone(&ada, &challenge, &other_than(&code)).await.expect_problem("CODE_INVALID");
    let user = confirm_phone(&ada, &challenge, &code).await.expect_done()["user"].clone();
    assert_eq!((&user["phone"], &user["pendingPhone"]), (&json!(SECOND), &Value::Null));
    // All three are told: the old number too.
    for to in [FIRST, SECOND, "ada@example.com"] {
        assert_eq!(gateway.next_message(to).await.code, None);
    }
    gateway.visitor().try_sign_in(FIRST, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    gateway.visitor().sign_in(SECOND, PASSWORD).await;
    gateway.next_message("ada@example.com").await;
}

// A9
#[tokio::test]
async fn a_taken_number_is_a_decoy_and_its_owner_is_told() {
    let gateway = Gateway::start().await;
    let (ada, eve) = (member(&gateway, "ada@example.com").await, member(&gateway, "eve@example.com").await);
    has_phone(&gateway, &ada, FIRST).await;
    gateway.next_message("ada@example.com").await;
    let challenge: Challenge = change_phone(&eve, FIRST).await.expect_done().into();
    let notice = gateway.next_message(FIRST).await;
    assert_eq!(notice.code, None);
    assert_eq!(contacts_of(&eve).await["pendingPhone"]["value"], FIRST, "as with one that is free");
    confirm_phone(&eve, &challenge, "123456").await.expect_problem("CODE_INVALID");
    for phone in ["", "12", "+66812345678;ext=1"] {
        assert_eq!(change_phone(&eve, phone).await.expect_problem("PHONE_INVALID")["path"], json!(["input", "newPhone"]));
    }
}

// E13: the last way to sign in stays.
#[tokio::test]
async fn a_number_goes_where_something_else_is_left() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway, "ada@example.com").await;
    assert_eq!(remove_phone(&ada).await.expect_done()["user"]["phone"], Value::Null, "there was none");
    has_phone(&gateway, &ada, FIRST).await;
    gateway.next_message("ada@example.com").await;
    assert_eq!(remove_phone(&ada).await.expect_done()["user"]["phone"], Value::Null);
    for to in [FIRST, "ada@example.com"] {
        gateway.next_message(to).await;
    }
    gateway.visitor().try_sign_in(FIRST, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");

    let visitor = gateway.app_user();
    let challenge: Challenge = visitor.try_sign_up(json!({"contact": {"phone": SECOND}})).await.expect_done().into();
    let bob = visitor.confirm(&challenge, &gateway.next_message(SECOND).await.code()).await;
    gateway.next_message(SECOND).await;
    remove_phone(&bob).await.expect_problem("LAST_SIGN_IN_METHOD");
    // A name and a password are a way in, but nobody could be reached.
    let named = users::Entity::update_many()
        .col_expr(users::Column::Username, Expr::value("bob"))
        .col_expr(users::Column::PasswordHash, Expr::value("$argon2id$some"));
    let phone_only = sea_orm::ColumnTrait::eq(&users::Column::Phone, SECOND);
    sea_orm::QueryFilter::filter(named, phone_only).exec(&gateway.database().await).await.unwrap();
    remove_phone(&bob).await.expect_problem("CONTACT_REQUIRED");
    assert_eq!(contacts_of(&bob).await["phone"], SECOND);
}
