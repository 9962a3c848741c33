//! Many at once.

use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{cancel_by_link, change_email, confirm_email, member};
use crate::support::{Challenge, Gateway, PASSWORD};

async fn two_instances(gateway: &Gateway) -> Option<Gateway> {
    if gateway.place.is_shared() { Some(gateway.start_beside_with(|config| config.rate_limits.enabled = false).await) } else { None }
}

// A12, B4: two accounts prove one address at once, each with its right code: one has it, the other is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_goes_to_one_account() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let beside = two_instances(&gateway).await;
    for round in 0..8 {
        let wanted = format!("wanted{round}@example.com");
        let mut claims = Vec::new();
        for name in ["ada", "eve"] {
            let claimant = member(&gateway, &format!("{name}{round}@example.com")).await;
            let challenge: Challenge = change_email(&claimant, &wanted).await.expect_done().into();
            claims.push((claimant, challenge, gateway.next_message(&wanted).await.code()));
        }
        let answers = join_all((0..8).map(|n| {
            let (claimant, challenge, code) = &claims[n % 2];
            let claimant = beside.as_ref().filter(|_| n % 4 > 1).map_or_else(|| claimant.clone(), |other| claimant.at(other));
            async move { confirm_email(&claimant, challenge, code).await.expect_field()["problems"][0]["code"].clone() }
        }))
        .await;
        let done = answers.iter().filter(|code| code.is_null()).count();
        assert_eq!(done, 1, "{answers:?}");
        assert!(
            answers
                .iter()
                .all(|code| code.is_null() || ["CODE_INVALID", "EMAIL_TAKEN", "TOO_MANY_ATTEMPTS"].contains(&code.as_str().unwrap())),
            "{answers:?}"
        );
        let database = gateway.database().await;
        let holders = entity::users::Entity::find().filter(entity::users::Column::Email.eq(wanted.as_str()));
        assert_eq!(holders.count(&database).await.unwrap(), 1);
        database.close().await.unwrap();
    }
    gateway.expect_undelivered();
}

// A14: the right code and the link that stops it at once: one of them wins, and the other one is not lost without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_stopped_or_made_and_then_undone() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let beside = two_instances(&gateway).await;
    for round in 0..8 {
        let (old, new) = (format!("old{round}@example.com"), format!("new{round}@example.com"));
        let ada = member(&gateway, &old).await;
        let challenge: Challenge = change_email(&ada, &new).await.expect_done().into();
        let code = gateway.next_message(&new).await.code();
        let token = gateway.next_message(&old).await.link_token();
        let stranger = beside.as_ref().unwrap_or(&gateway).visitor();
        let (confirmed, cancelled) = tokio::join!(confirm_email(&ada, &challenge, &code), cancel_by_link(&stranger, &token));
        let cancelled = cancelled.expect_done();
        assert_eq!(cancelled["cancelled"], true, "before or after, the link has the last word");
        let confirmed = confirmed.body.to_string();
        let database = gateway.database().await;
        let user = entity::users::Entity::find_by_id(ada.user_id.parse::<uuid::Uuid>().unwrap()).one(&database).await.unwrap().unwrap();
        assert_eq!((user.email.as_deref(), user.pending_email), (Some(old.as_str()), None), "{confirmed}");
        database.close().await.unwrap();
    }
    gateway.expect_undelivered();
}

// A12: a sign-up and a change prove one address at once: one has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_goes_to_a_sign_up_or_to_a_change() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let beside = two_instances(&gateway).await;
    for round in 0..8 {
        let wanted = format!("wanted{round}@example.com");
        let ada = member(&gateway, &format!("ada{round}@example.com")).await;
        let change: Challenge = change_email(&ada, &wanted).await.expect_done().into();
        let change_code = gateway.next_message(&wanted).await.code();
        let visitor = beside.as_ref().unwrap_or(&gateway).app_user();
        let sign_up = visitor.sign_up(&wanted, PASSWORD).await;
        let sign_up_code = gateway.next_message(&wanted).await.code();
        let (changed, made) = tokio::join!(confirm_email(&ada, &change, &change_code), visitor.try_confirm(&sign_up, &sign_up_code));
        let problems = [&changed.data()["confirmEmailChange"], &made.data()["confirmSignUp"]].map(|payload| payload["problems"].clone());
        let done = problems.iter().filter(|problems| problems.as_array().is_some_and(Vec::is_empty)).count();
        let taken = problems.iter().filter(|problems| problems[0]["code"] == "EMAIL_TAKEN").count();
        assert_eq!((done, taken), (1, 1), "{problems:?}");
    }
    gateway.expect_undelivered();
}

// A thief with a session moves the address while its owner sets a new password: one of them wins, not both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_and_a_reset_do_not_both_succeed() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let beside = two_instances(&gateway).await;
    for round in 0..8 {
        let (old, new) = (format!("old{round}@example.com"), format!("new{round}@example.com"));
        let thief = member(&gateway, &old).await;
        let owner = beside.as_ref().unwrap_or(&gateway).visitor();
        owner.request_password_reset(&old).await;
        let link = gateway.next_message(&old).await.link_token();
        let challenge: Challenge = change_email(&thief, &new).await.expect_done().into();
        let code = gateway.next_message(&new).await.code();
        let (changed, reset) =
            tokio::join!(confirm_email(&thief, &challenge, &code), owner.try_reset_by_link(&link, "another Kettle 48 sundial"));
        let done = |payload: &serde_json::Value| payload["problems"].as_array().is_some_and(Vec::is_empty);
        let (changed_it, reset_it) = (done(&changed.body["data"]["confirmEmailChange"]), done(&reset.body["data"]["resetPassword"]));
        assert!(changed_it != reset_it, "{} {}", changed.body, reset.body);
    }
    gateway.expect_undelivered();
}
