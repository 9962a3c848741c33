//! Invitations: what accepting one does, and when one is worth nothing.

use entity::users;
use futures::future::join_all;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use super::{CHOSEN, DAY, administrator, audited, create, row, send_link};
use crate::{
    pages::browser::{Browser, local},
    sign_in_by_code::{imported, without_buckets},
    support::{Gateway, Member, PASSWORD},
};

async fn invited(gateway: &Gateway, by: &Member, input: Value) -> (String, String) {
    let contact = input["email"].as_str().or_else(|| input["phone"].as_str()).unwrap().to_owned();
    let user = create(by, input).await.expect_done()["user"].clone();
    (user["id"].as_str().unwrap().to_owned(), gateway.next_message(&contact).await.link_token())
}

// A14, C2, FLOWS: the invitation proves the contact that it was sent to, sets the first password, and counts once.
#[tokio::test]
async fn accepting_verifies_the_contact_and_sets_the_first_password() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let (id, token) = invited(&gateway, &admin, json!({"email": "ada@example.com", "phone": "+66812345678"})).await;
    let visitor = gateway.app_user();
    // Nothing else takes it, and a password that is refused uses nothing up.
    visitor.verify_email(&token, None).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_link(&token).await.expect_problem("TOKEN_INVALID");
    visitor.try_reset_by_link(&token, "short").await.expect_problem("PASSWORD_TOO_SHORT");
    visitor.try_reset_by_link(&token, "ada@example.com").await.expect_field();
    assert!(row(&gateway, &id).await.password_hash.is_none());

    gateway.advance(DAY * 6);
    let done = visitor.try_reset_by_link(&token, CHOSEN).await.expect_done();
    assert_eq!(done["revokedSessionCount"], 0);
    let ada = row(&gateway, &id).await;
    assert!(ada.email_verified_at.is_some() && ada.phone_verified_at.is_none() && ada.password_hash.is_some());
    visitor.try_reset_by_link(&token, PASSWORD).await.expect_problem("TOKEN_INVALID");
    let member = visitor.sign_in("ada@example.com", CHOSEN).await;
    assert_eq!(member.me().await["id"], id);
    // C14
    let proved = audited(&gateway, "contact_verification").await.pop().unwrap();
    assert_eq!((proved.user_id.unwrap().to_string(), &proved.metadata["invitation"]), (id.clone(), &json!(true)));
    let reset = audited(&gateway, "password_reset").await.into_iter().find(|row| row.result_code.is_none()).unwrap();
    assert_eq!((reset.user_id.unwrap().to_string(), &reset.metadata["invitation"]), (id, &json!(true)));
}

#[tokio::test]
async fn a_number_gets_the_link_in_a_text_message() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    create(&admin, json!({"phone": "+66812345678"})).await.expect_done();
    let message = gateway.next_message("+66812345678").await;
    assert_eq!(message.channel, "SMS");
    assert!(message.text.contains(message.link.as_ref().unwrap()) && message.text.starts_with("Postern"), "{}", message.text);
    gateway.visitor().try_reset_by_link(&message.link_token(), CHOSEN).await.expect_done();
    let member = gateway.app_user().sign_in("+66812345678", CHOSEN).await;
    let user = row(&gateway, &member.user_id).await;
    assert!(user.phone_verified_at.is_some() && user.email.is_none());
}

#[tokio::test]
async fn the_hosted_page_takes_an_invitation() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    create(&admin, json!({"email": "ada@example.com"})).await.expect_done();
    let link = gateway.next_message("ada@example.com").await.link.unwrap();
    let browser = Browser::of(&gateway.visitor());
    // A15: opening it, also by a scanner, uses nothing up.
    for _ in 0..3 {
        browser.open(&local(&link)).await.expect(200, "Choose your password");
    }
    let page = browser.open(&local(&link)).await.expect(200, "ada@example.com");
    browser.press(&page, &[("newPassword", CHOSEN), ("repeated", CHOSEN)]).await.expect(200, "Sign in with the new password");
    gateway.app_user().sign_in("ada@example.com", CHOSEN).await;
    browser.open(&local(&link)).await.expect(410, "This did not work");
}

// "Proved in that flow, by an invitation, … it wipes nothing": neither of this account nor of others who hold the contact.
#[tokio::test]
async fn accepting_wipes_nothing() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let (id, token) = invited(&gateway, &admin, json!({"email": "ada@example.com"})).await;
    let other = imported(&gateway, "held@example.com").await;
    let share =
        users::Entity::update_many().col_expr(users::Column::Email, Expr::value("ada@example.com")).filter(users::Column::Id.eq(other.id));
    share.exec(&gateway.database().await).await.unwrap();
    gateway.visitor().try_reset_by_link(&token, CHOSEN).await.expect_done();
    let other = row(&gateway, &other.id.to_string()).await;
    assert_eq!((other.email, other.password_hash.is_some()), (None, true));
    assert!(row(&gateway, &id).await.email_verified_at.is_some());
}

// The rule for unverified contacts: whoever proves it otherwise has it, and the invitation is worth nothing.
#[tokio::test]
async fn an_invitation_to_a_contact_that_somebody_else_proved_is_dead() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let (id, token) = invited(&gateway, &admin, json!({"email": "ada@example.com"})).await;
    gateway.app_user().becomes_member("ada@example.com").await;
    gateway.visitor().try_reset_by_link(&token, CHOSEN).await.expect_problem("TOKEN_INVALID");
    let lost = row(&gateway, &id).await;
    assert_eq!((lost.email, lost.password_hash), (None, None));
    gateway.app_user().try_sign_in("ada@example.com", CHOSEN).await.expect_problem("CREDENTIALS_INVALID");
}

#[tokio::test]
async fn it_ends_after_seven_days_and_does_nothing_for_a_suspended_account() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let (_, token) = invited(&gateway, &admin, json!({"email": "ada@example.com"})).await;
    gateway.advance(DAY * 7);
    gateway.visitor().try_reset_by_link(&token, CHOSEN).await.expect_problem("TOKEN_EXPIRED");

    let admin = gateway.app_user().sign_in("admin@example.com", PASSWORD).await;
    // C17: who is suspended is told so by the right link only, and it is not used up.
    let (id, token) = invited(&gateway, &admin, json!({"email": "eve@example.com"})).await;
    let set = async |status| {
        let change = users::ActiveModel { id: Set(id.parse().unwrap()), status: Set(status), ..Default::default() };
        users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
    };
    set(users::Status::Suspended).await;
    gateway.visitor().try_reset_by_link(&token, CHOSEN).await.expect_problem("ACCOUNT_SUSPENDED");
    set(users::Status::Active).await;
    gateway.visitor().try_reset_by_link(&token, CHOSEN).await.expect_done();
}

// C3, for an invitation; and with it every other one of the account ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_accept_at_once_one_chooses_the_password() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let (id, token) = invited(&gateway, &admin, json!({"email": "ada@example.com"})).await;
    send_link(&admin, &id).await.expect_done();
    let second = gateway.next_message("ada@example.com").await.link_token();
    let tries = (0..20).map(|n| {
        let (visitor, token) = (gateway.app_user(), if n % 2 == 0 { &token } else { &second });
        async move { (n, visitor.try_reset_by_link(token, &format!("{CHOSEN} {n}")).await) }
    });
    let answers = join_all(tries).await;
    let done: Vec<_> =
        answers.iter().filter(|(_, answer)| answer.data()["resetPassword"]["problems"] == json!([])).map(|(n, _)| *n).collect();
    let [winner] = done.as_slice() else { panic!("{answers:?}") };
    gateway.app_user().sign_in("ada@example.com", &format!("{CHOSEN} {winner}")).await;
    for dead in [&token, &second] {
        gateway.visitor().try_reset_by_link(dead, PASSWORD).await.expect_problem("TOKEN_INVALID");
    }
}
