//! Accounts without a password: proofs by code, and the first password.

use serde_json::{Value, json};

use super::{MINUTE, NEW, account, account_without_password, without_buckets};
use crate::support::{Challenge, Gateway, Member};

async fn methods(member: &Member) -> Value {
    member.graphql("{ currentSession { reauthenticationMethods } }", json!({})).await.expect_field()["reauthenticationMethods"].clone()
}

#[tokio::test]
async fn an_account_without_a_password_proves_itself_by_code_and_sets_one() {
    let gateway = Gateway::start().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    assert_eq!(methods(&ada).await, json!(["EMAIL_CODE"]));
    gateway.advance(11 * MINUTE);
    ada.refresh().await;
    ada.try_set_password(NEW).await.expect_error("REAUTHENTICATION_REQUIRED");
    ada.try_request_reauthentication_code("SMS").await.expect_problem("METHOD_DISABLED");
    let challenge: Challenge = ada.try_request_reauthentication_code("EMAIL").await.expect_done().into();
    assert_eq!(challenge.fields["purpose"], "REAUTHENTICATION");
    let message = gateway.next_message("ada@example.com").await;
    assert!(message.link.is_none());
    let problem = ada.try_reauthenticate_by_code(&challenge, "00000x").await.expect_problem("CODE_INVALID");
    assert_eq!(problem["path"], json!(["input", "proof", "code", "code"]));
    let done = ada.try_reauthenticate_by_code(&challenge, &message.code()).await.expect_done();
    assert_eq!(done["session"]["id"], ada.session_id.as_str());
    ada.try_reauthenticate_by_code(&challenge, &message.code()).await.expect_problem("CODE_INVALID");

    let other = gateway.app_user();
    let code = other.request_sign_in_code("ada@example.com").await;
    let other = other.sign_in_with_code(&code, &gateway.next_message("ada@example.com").await.code()).await;
    gateway.next_message("ada@example.com").await;
    ada.try_set_password("short").await.expect_problem("PASSWORD_TOO_SHORT");
    let set = ada.try_set_password(NEW).await.expect_done();
    assert_eq!(set["revokedSessionIds"], json!([other.session_id]));
    ada.me().await;
    gateway.next_message("ada@example.com").await;
    ada.try_set_password("yet another Kettle 49").await.expect_problem("METHOD_DISABLED");
    assert_eq!(methods(&ada).await, json!(["PASSWORD"]));
    ada.try_request_reauthentication_code("EMAIL").await.expect_problem("METHOD_DISABLED");
    gateway.visitor().sign_in("ada@example.com", NEW).await;
}

// B5, B15: a code makes only the session recent that asked for it, and no account that has a password.
#[tokio::test]
async fn a_code_proves_nothing_for_another_session_or_a_better_account() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    let eve = account_without_password(&gateway, "eve@example.com").await;
    let challenge: Challenge = ada.try_request_reauthentication_code("EMAIL").await.expect_done().into();
    let code = gateway.next_message("ada@example.com").await.code();
    eve.try_reauthenticate_by_code(&challenge, &code).await.expect_problem("CODE_INVALID");
    gateway.advance(MINUTE);
    eve.visitor.try_resend(&challenge).await.expect_problem("NOT_FOUND");
    gateway.visitor().try_resend(&challenge).await.expect_problem("NOT_FOUND");
    ada.visitor.try_resend(&challenge).await.expect_done();
    let code = gateway.next_message("ada@example.com").await.code();
    ada.try_set_password(NEW).await.expect_done();
    ada.try_reauthenticate_by_code(&challenge, &code).await.expect_problem("METHOD_DISABLED");
    let with_password = account(&gateway, "bob@example.com").await;
    with_password.try_request_reauthentication_code("EMAIL").await.expect_problem("METHOD_DISABLED");
    with_password.try_set_password("yet another Kettle 49").await.expect_problem("METHOD_DISABLED");
    // C14: who tries the weaker way leaves a trace.
    let query = "{ me { activity(first: 9) { nodes { type status } } } }";
    let activity = with_password.graphql(query, json!({})).await.expect_field()["activity"]["nodes"].clone();
    for event in ["password_set", "reauthentication"] {
        assert!(activity.as_array().unwrap().contains(&json!({"type": event, "status": "FAILURE"})), "{event}: {activity}");
    }
}

// B2: a session's guesses are its own: strangers cannot spend them, and it has ten a day.
#[tokio::test]
async fn a_session_has_a_budget_of_its_own() {
    let gateway = without_buckets().await;
    let ada = account_without_password(&gateway, "ada@example.com").await;
    crate::sign_in_by_code::spend_budget(&gateway, "ada@example.com").await;
    for _ in 0..5 {
        gateway.next_message("ada@example.com").await;
    }
    let challenge: Challenge = ada.try_request_reauthentication_code("EMAIL").await.expect_done().into();
    let code = gateway.next_message("ada@example.com").await.code();
    ada.try_reauthenticate_by_code(&challenge, &code).await.expect_done();
    let mut looked_at = 0;
    for _ in 0..5 {
        let challenge: Challenge = ada.try_request_reauthentication_code("EMAIL").await.expect_done().into();
        gateway.next_message("ada@example.com").await;
        for _ in 0..3 {
            let payload = ada.try_reauthenticate_by_code(&challenge, "00000x").await.expect_field();
            looked_at += usize::from(payload["problems"][0]["code"] == "CODE_INVALID");
        }
    }
    assert_eq!(looked_at, 10);
}
