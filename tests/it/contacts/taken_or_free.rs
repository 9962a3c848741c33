//! Whether a contact that somebody wants is taken is told by nothing that is stored about them.

use std::time::Duration;

use entity::users;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use super::{change_email, change_phone, change_phone::has_phone, member, verification};
use crate::{
    sign_in_by_code::without_buckets,
    support::{Challenge, Gateway, Member},
};

/// What the person can take along of messages, links and what happened, without what differs from one person to the next.
async fn stored_about(gateway: &Gateway, member: &Member, own: &[&str]) -> Value {
    gateway.advance(Duration::from_secs(1));
    let export = member.try_export_account().await.expect_done()["export"].clone();
    let mut parts = json!([]);
    for part in ["messages", "links", "activity", "events"] {
        for row in export[part].as_array().unwrap() {
            let mut row = row.clone();
            for field in ["id", "sessionId", "createdAt", "expiresAt", "at", "parameters", "usedAt", "request"] {
                row.as_object_mut().unwrap().remove(field);
            }
            let mut text = row.to_string();
            for own in own {
                text = text.replace(own, "own");
            }
            parts.as_array_mut().unwrap().push(Value::String(text));
        }
    }
    parts
}

// A9
#[tokio::test]
async fn what_can_be_taken_along_does_not_tell_whether_a_wanted_contact_is_taken() {
    let gateway = without_buckets().await;
    let owner = member(&gateway, "taken@example.com").await;
    has_phone(&gateway, &owner, "+66812345600").await;
    let mut seen = Vec::new();
    for (own, email, phone) in
        [("eve@example.com", "taken@example.com", "+66812345600"), ("bob@example.com", "free@example.com", "+66812345601")]
    {
        let asker = member(&gateway, own).await;
        let of_email: Challenge = change_email(&asker, email).await.expect_done().into();
        let of_phone: Challenge = change_phone(&asker, phone).await.expect_done().into();
        gateway.advance(Duration::from_mins(1));
        asker.visitor.try_resend(&of_email).await.expect_error("UNAUTHENTICATED");
        for challenge in [&of_email, &of_phone] {
            let query = "mutation ($input: ResendChallengeInput!) { resendChallenge(input: $input) { problems { code } } }";
            asker.graphql(query, json!({"input": {"challengeId": challenge.id}})).await.expect_done();
        }
        seen.push(stored_about(&gateway, &asker, &[own, email, phone]).await);
    }
    assert_eq!(seen[0], seen[1]);
    gateway.expect_undelivered();
}

// A9: neither for a contact that was given to the account and is to be proved.
#[tokio::test]
async fn nor_does_a_contact_that_is_to_be_proved() {
    let gateway = without_buckets().await;
    member(&gateway, "taken@example.com").await;
    let mut seen = Vec::new();
    for (own, given) in [("eve@example.com", "taken@example.com"), ("bob@example.com", "free@example.com")] {
        let asker = member(&gateway, own).await;
        let give = users::Entity::update_many()
            .col_expr(users::Column::Email, Expr::value(given))
            .col_expr(users::Column::EmailVerifiedAt, Expr::value(Option::<entity::Timestamp>::None))
            .filter(users::Column::Email.eq(own));
        give.exec(&gateway.database().await).await.unwrap();
        let challenge: Challenge = verification::request(&asker, "EMAIL").await.expect_done().into();
        gateway.advance(Duration::from_mins(1));
        let query = "mutation ($input: ResendChallengeInput!) { resendChallenge(input: $input) { problems { code } } }";
        asker.graphql(query, json!({"input": {"challengeId": challenge.id}})).await.expect_done();
        seen.push(stored_about(&gateway, &asker, &[own, given]).await);
    }
    assert_eq!(seen[0], seen[1]);
    gateway.expect_undelivered();
}
