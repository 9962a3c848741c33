//! The chain of refresh tokens: lost answers, thefts, foreign tokens, and its ends.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{activity, app_member, listed, read_until, refresh_token, second_device, tokens, works};
use crate::support::{Gateway, PASSWORD};

const DAY: Duration = Duration::from_hours(24);

fn claims(access_token: &str) -> Value {
    let part = access_token.split('.').nth(1).expect("a JWT has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

// D3, D4: a lost answer is given again, also after a restart, until what it brought was used.
#[tokio::test]
async fn a_lost_answer_is_given_again_until_it_was_used() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "lost@example.com").await;
    let first = member.tokens().refresh.unwrap();
    let (access, second) = tokens(&member.visitor.try_refresh(Some(&first)).await.expect_done());
    assert_ne!(first, second);
    assert_eq!(claims(&access)["gen"], claims(&member.tokens().access)["gen"].as_i64().unwrap() + 1);
    for _ in 0..3 {
        // Days later, for nothing of the second pair was ever used.
        gateway.advance(5 * DAY);
        assert_eq!(refresh_token(member.visitor.try_refresh(Some(&first)).await), second);
    }
    let gateway = gateway.restart().await;
    let member = member.at(&gateway);
    let (access, again) = tokens(&member.visitor.try_refresh(Some(&first)).await.expect_done());
    assert_eq!(again, second);

    // The first use of an access token confirms; for ten seconds slower tabs still get the same one.
    assert!(works(&member, &access).await);
    gateway.advance(Duration::from_millis(9_999));
    assert_eq!(refresh_token(member.visitor.try_refresh(Some(&first)).await), second);
    gateway.advance(Duration::from_millis(1));
    member.visitor.try_refresh(Some(&first)).await.expect_problem("REFRESH_TOKEN_REUSED");
    member.visitor.try_refresh(Some(&second)).await.expect_problem("REFRESH_TOKEN_INVALID");
    assert!(!works(&member, &access).await);
    gateway.expect_undelivered();
}

// D3: a parent after its time is a theft: the session ends, its owner is told, and it is written down.
#[tokio::test]
async fn a_stolen_token_ends_the_session_and_tells_its_owner() {
    let gateway = Gateway::start().await;
    let victim = app_member(&gateway, "victim@example.com").await;
    let witness = second_device(&gateway, "victim@example.com").await;
    let first = victim.tokens().refresh.unwrap();
    let (access, second) = tokens(&victim.visitor.try_refresh(Some(&first)).await.expect_done());
    assert!(works(&victim, &access).await);
    gateway.advance(Duration::from_secs(10));

    let thief = gateway.app_user();
    thief.try_refresh(Some(&first)).await.expect_problem("REFRESH_TOKEN_REUSED");
    assert!(!works(&victim, &access).await, "at once");
    victim.visitor.try_refresh(Some(&second)).await.expect_problem("REFRESH_TOKEN_INVALID");
    let session = listed(&witness, &victim.session_id).await;
    assert_eq!((&session["status"], &session["revokedBy"]), (&"REVOKED".into(), &"SECURITY".into()), "{session}");
    assert_eq!(session["suspicious"], true, "{session}");
    assert_eq!(listed(&witness, &witness.session_id).await["status"], "ACTIVE", "the others live on");
    read_until(&gateway, "victim@example.com", "was ended").await;
    let rows = activity(&witness).await;
    assert!(rows.contains(&("refresh_token_reused".to_owned(), "FAILURE".to_owned())), "{rows:?}");

    // Once is enough: neither a second message nor a second row.
    thief.try_refresh(Some(&first)).await.expect_problem("REFRESH_TOKEN_INVALID");
    assert_eq!(activity(&witness).await.iter().filter(|(kind, _)| kind == "refresh_token_reused").count(), 1);
    assert!(gateway.unread("victim@example.com").await.is_empty());
}

// D3: a grandparent is a theft at once, used or not.
#[tokio::test]
async fn an_older_ancestor_is_a_theft_at_once() {
    for steps in [2, 5] {
        let gateway = Gateway::start().await;
        let member = app_member(&gateway, "old@example.com").await;
        let first = member.tokens().refresh.unwrap();
        let mut current = first.clone();
        for _ in 0..steps {
            current = refresh_token(member.visitor.try_refresh(Some(&current)).await);
        }
        member.visitor.try_refresh(Some(&first)).await.expect_problem("REFRESH_TOKEN_REUSED");
        member.visitor.try_refresh(Some(&current)).await.expect_problem("REFRESH_TOKEN_INVALID");
        gateway.next_message("old@example.com").await;
    }
}

// D1: only the very token counts, and what is not one of the chain harms nobody.
#[tokio::test]
async fn anything_else_is_merely_invalid() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "exact@example.com").await;
    let other = app_member(&gateway, "foreign@example.com").await;
    let token = member.tokens().refresh.unwrap();
    let raw = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let mut wrong: Vec<String> = vec![
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        token.to_lowercase(),
        String::new(),
        "null".to_owned(),
        "🦊".repeat(40),
        "A".repeat(100_000 / 4),
        member.tokens().access,
        member.session_id.clone(),
        URL_SAFE_NO_PAD.encode([0; 52]),
    ];
    for byte in 0..raw.len() {
        let mut changed = raw.clone();
        changed[byte] ^= 1;
        wrong.push(URL_SAFE_NO_PAD.encode(changed));
    }
    // Another person's session with this token's secret, and the other way round.
    let foreign = URL_SAFE_NO_PAD.decode(other.tokens().refresh.unwrap()).unwrap();
    let crossed = [&foreign[..foreign.len() - 32], &raw[raw.len() - 32..]].concat();
    wrong.push(URL_SAFE_NO_PAD.encode(crossed));
    // The last character of base64 carries spare bits: another spelling of the same bytes is no token.
    let last = token.chars().last().unwrap();
    let spelled = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spellings = spelled.chars().filter(|letter| *letter != last).map(|letter| format!("{}{letter}", &token[..token.len() - 1]));
    wrong.extend(spellings.filter(|spelling| URL_SAFE_NO_PAD.decode(spelling).is_err()).take(3));
    for token in wrong {
        // Its own limit would answer otherwise.
        gateway.advance(Duration::from_secs(2));
        member.visitor.try_refresh(Some(&token)).await.expect_problem("REFRESH_TOKEN_INVALID");
    }
    member.refresh().await;
    other.refresh().await;
    assert_eq!(member.me().await["id"], member.user_id);
}

// D5: thirty days without a refresh, ninety in all.
#[tokio::test]
async fn a_session_ends_by_idleness_and_by_age() {
    let gateway = Gateway::start().await;
    let idle = app_member(&gateway, "idle@example.com").await;
    let busy = app_member(&gateway, "busy@example.com").await;
    for _ in 0..3 {
        gateway.advance(29 * DAY);
        busy.refresh().await;
        assert_eq!(busy.me().await["id"], busy.user_id);
    }
    idle.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    // 87 days old: the end is now its age's, however often it is refreshed.
    gateway.advance(3 * DAY - Duration::from_secs(1));
    let payload = busy.try_refresh().await.expect_done();
    let (access, refresh) = tokens(&payload);
    assert!(works(&busy, &access).await);
    gateway.advance(Duration::from_secs(1));
    assert!(!works(&busy, &access).await, "the access token would be good for ten minutes more");
    busy.visitor.try_refresh(Some(&refresh)).await.expect_problem("REFRESH_TOKEN_INVALID");
    let returned = gateway.app_user().sign_in("busy@example.com", PASSWORD).await;
    assert_eq!(listed(&returned, &busy.session_id).await["status"], "EXPIRED");
    gateway.next_message("busy@example.com").await;
}

// D5: an access token lasts ten minutes, to the millisecond by our clock, and its session goes on.
#[tokio::test]
async fn an_access_token_expires_alone() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "short@example.com").await;
    gateway.advance(Duration::from_millis(599_999));
    assert_eq!(member.me().await["id"], member.user_id);
    gateway.advance(Duration::from_millis(1));
    let answer = member.graphql("{ me { id } }", serde_json::json!({})).await;
    assert_eq!((answer.code(), answer.reason()), (Some("UNAUTHENTICATED"), Some("TOKEN_EXPIRED")));
    member.refresh().await;
    assert_eq!(member.me().await["id"], member.user_id);
}

// D2: a new proof keeps the session, brings new tokens, and its lost answer harms nothing.
#[tokio::test]
async fn a_reauthentication_keeps_the_id_and_replaces_the_tokens() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "again@example.com").await;
    member.refresh().await;
    assert_eq!(member.me().await["id"], member.user_id);
    let old = member.tokens();
    gateway.advance(Duration::from_mins(1));
    let payload = member.try_reauthenticate(PASSWORD).await.expect_done();
    assert_eq!(payload["session"]["id"], member.session_id);
    let (access, fresh) = tokens(&payload);
    assert!(access != old.access && Some(&fresh) != old.refresh.as_ref());
    assert!(claims(&access)["auth_time"].as_i64() > claims(&old.access)["auth_time"].as_i64());
    assert!(works(&member, &old.access).await, "the old access token is good until its end");

    // Had the answer been lost, the old refresh token would go on, as often as needed …
    let old = old.refresh.unwrap();
    let (access, replaced) = tokens(&member.visitor.try_refresh(Some(&old)).await.expect_done());
    let (_, replaced_again) = tokens(&member.visitor.try_refresh(Some(&old)).await.expect_done());
    assert_ne!(replaced, fresh);
    // … and what is then used closes that way.
    let current = if member.visitor.try_refresh(Some(&replaced_again)).await.errors().is_empty() { replaced_again } else { replaced };
    assert!(!current.is_empty());
    drop(access);
}

// D2, D3: once the fresh token of a re-authentication was used, the old one is a theft after ten seconds.
#[tokio::test]
async fn what_a_reauthentication_replaced_is_an_ancestor() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "branch@example.com").await;
    let first = member.tokens().refresh.unwrap();
    member.refresh().await;
    let old = member.tokens().refresh.unwrap();
    let (access, fresh) = tokens(&member.try_reauthenticate(PASSWORD).await.expect_done());
    assert!(works(&member, &access).await);
    // A moment late, of the same client: there is nothing to give, and it is no theft.
    member.visitor.try_refresh(Some(&old)).await.expect_problem("REFRESH_TOKEN_INVALID");
    assert!(works(&member, &access).await);
    let next = refresh_token(member.visitor.try_refresh(Some(&fresh)).await);
    gateway.advance(Duration::from_secs(10));
    member.visitor.try_refresh(Some(&first)).await.expect_problem("REFRESH_TOKEN_REUSED");
    member.visitor.try_refresh(Some(&next)).await.expect_problem("REFRESH_TOKEN_INVALID");
    gateway.next_message("branch@example.com").await;
}

// D1: what the database holds is no token.
#[tokio::test]
async fn the_database_holds_only_hashes() {
    use sea_orm::EntityTrait;

    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "hashed@example.com").await;
    let rows = entity::user_sessions::Entity::find().all(&gateway.database().await).await.unwrap();
    let secret = URL_SAFE_NO_PAD.decode(member.tokens().refresh.unwrap()).unwrap();
    let secret = &secret[secret.len() - 32..];
    assert_eq!(rows.len(), 1);
    assert_ne!(rows[0].refresh_token_hash, secret);
    let device = entity::known_devices::Entity::find().all(&gateway.database().await).await.unwrap();
    assert_ne!(device[0].token_hash, URL_SAFE_NO_PAD.decode(member.visitor.device_token().unwrap()).unwrap());
}
