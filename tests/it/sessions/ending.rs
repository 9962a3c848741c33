//! The ends of sessions: signing out by whatever is at hand, ending others', room for fifty.

use std::time::Duration;

use serde_json::{Value, json};

use super::{activity, app_member, listed, refresh_token, second_device, works};
use crate::support::{Gateway, Member, PASSWORD, Visitor};

const SIGN_OUT: &str = "mutation ($input: SignOutInput) { signOut(input: $input) { sessionId problems { code } } }";

async fn sign_out(visitor: &Visitor, access_token: Option<&str>, refresh_token: Option<&str>) -> Value {
    let input = refresh_token.map(|token| json!({"refreshToken": token}));
    visitor.graphql_with(SIGN_OUT, json!({"input": input}), access_token).await.expect_done()["sessionId"].take()
}

async fn is_over(member: &Member) {
    assert!(!works(member, &member.tokens().access).await);
    let answer = member.visitor.graphql_with("{ me { id } }", json!({}), Some(&member.tokens().access)).await;
    assert_eq!(answer.reason(), Some("SESSION_ENDED"));
    if let Some(token) = member.tokens().refresh {
        member.visitor.try_refresh(Some(&token)).await.expect_problem("REFRESH_TOKEN_INVALID");
    }
}

// D6: by the access token, living or expired; by the refresh token, the current one or its parent; twice.
#[tokio::test]
async fn signing_out_takes_whatever_is_at_hand() {
    let gateway = Gateway::start().await;
    let app = |n: u8| {
        let visitor = gateway.app_user();
        async move { visitor.becomes_member(&format!("leaver{n}@example.com")).await }
    };

    let member = app(1).await;
    assert_eq!(sign_out(&member.visitor, Some(&member.tokens().access), None).await, member.session_id);
    is_over(&member).await;
    // Once more is fine, and ends nothing.
    assert_eq!(sign_out(&member.visitor, Some(&member.tokens().access), None).await, Value::Null);

    let member = app(2).await;
    let refresh = member.tokens().refresh;
    assert_eq!(sign_out(&member.visitor, None, refresh.as_deref()).await, member.session_id);
    assert_eq!(sign_out(&member.visitor, None, refresh.as_deref()).await, Value::Null);
    is_over(&member).await;

    let member = app(3).await;
    let parent = member.tokens().refresh.unwrap();
    refresh_token(member.visitor.try_refresh(Some(&parent)).await);
    assert_eq!(sign_out(&member.visitor, None, Some(&parent)).await, member.session_id);
    is_over(&member).await;

    let member = app(4).await;
    gateway.advance(Duration::from_mins(11));
    assert_eq!(sign_out(&member.visitor, Some(&member.tokens().access), None).await, member.session_id);
    member.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");

    // What is no token of ours ends nothing, and is fine as well.
    let member = app(5).await;
    let visitor = gateway.app_user();
    for nothing in ["", "x", member.session_id.as_str(), &"A".repeat(70)] {
        assert_eq!(sign_out(&visitor, None, Some(nothing)).await, Value::Null, "{nothing}");
        assert_eq!(sign_out(&visitor, Some("no.such.token"), Some(nothing)).await, Value::Null, "{nothing}");
    }
    assert_eq!(sign_out(&visitor, None, None).await, Value::Null);
    assert_eq!(member.me().await["id"], member.user_id);
}

// D6: a browser signs out by its cookies, by the refresh cookie where the access cookie is gone; both are cleared.
#[tokio::test]
async fn a_browser_signs_out_by_its_cookies() {
    let gateway = Gateway::start().await;
    for lost in [None, Some("postern_access"), Some("expired")] {
        let email = format!("tab-{}@example.com", lost.unwrap_or("whole").replace('_', "-"));
        let member = gateway.visitor().becomes_member(&email).await;
        let stale = member.visitor.cookies();
        match lost {
            Some("expired") => gateway.advance(Duration::from_mins(11)),
            Some(name) => member.visitor.change_cookies(|cookies| cookies.remove(name)),
            None => {}
        }
        assert_eq!(sign_out(&member.visitor, None, None).await, member.session_id, "{lost:?}");
        assert_eq!(member.visitor.cookies().names(), ["postern_device"], "the device stays known");
        assert_eq!(member.me().await, Value::Null);
        // A copy of the cookies is worth nothing.
        member.visitor.change_cookies(|cookies| *cookies = stale);
        member.visitor.try_refresh(None).await.expect_problem("REFRESH_TOKEN_INVALID");
        assert_eq!(member.visitor.cookies().names(), ["postern_device"], "a refused refresh clears them too");
        let answer = member.visitor.graphql_with("{ me { id } }", json!({}), Some(&member.tokens().access)).await;
        assert_eq!(answer.code(), Some("UNAUTHENTICATED"));
    }
}

// D7: own sessions by their ids; somebody else's, unknown and malformed ids are told apart by nobody.
#[tokio::test]
async fn own_sessions_are_ended_and_no_others() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "owner@example.com").await;
    let phone = second_device(&gateway, "owner@example.com").await;
    let tablet = second_device(&gateway, "owner@example.com").await;
    let stranger = app_member(&gateway, "stranger@example.com").await;

    let refused = [stranger.session_id.clone(), "01999999-0000-7000-8000-000000000000".to_owned(), "x".to_owned(), "'; --".to_owned()];
    let mut seen = Vec::new();
    for id in refused {
        let answer = member.try_revoke(&id).await;
        seen.push((answer.status, answer.body.clone()));
        answer.expect_problem("SESSION_NOT_FOUND");
    }
    seen.dedup_by(|one, other| one == other);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(stranger.me().await["id"], stranger.user_id);

    let ended = member.try_revoke(&phone.session_id).await.expect_done();
    assert_eq!((&ended["session"]["status"], &ended["session"]["revokedBy"]), (&json!("REVOKED"), &json!("USER")));
    is_over(&phone).await;
    assert_eq!(tablet.me().await["id"], member.user_id);
    // Ending it again changes nothing.
    assert_eq!(member.try_revoke(&phone.session_id).await.expect_done()["session"]["status"], "REVOKED");
    let rows = activity(&tablet).await;
    assert_eq!(rows.iter().filter(|(kind, _)| kind == "session_revoked").count(), 1, "{rows:?}");
    // One's own too.
    assert_eq!(tablet.try_revoke(&tablet.session_id).await.expect_done()["session"]["id"], tablet.session_id);
    is_over(&tablet).await;
}

// D7: all others at once.
#[tokio::test]
async fn all_other_sessions_are_ended_at_once() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "many@example.com").await;
    let others = [second_device(&gateway, "many@example.com").await, second_device(&gateway, "many@example.com").await];
    let mut ended = member.revoke_others().await;
    let mut expected: Vec<Value> = others.iter().map(|other| json!(other.session_id)).collect();
    ended.sort_by_key(ToString::to_string);
    expected.sort_by_key(ToString::to_string);
    assert_eq!(ended, expected);
    for other in &others {
        is_over(other).await;
    }
    assert_eq!(member.me().await["id"], member.user_id);
    assert!(member.revoke_others().await.is_empty());
}

// C4: a new password ends every other session, and not this one.
#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let gateway = Gateway::start().await;
    let member = app_member(&gateway, "changer@example.com").await;
    let others = [second_device(&gateway, "changer@example.com").await, second_device(&gateway, "changer@example.com").await];
    let done = member.try_change_password(PASSWORD, "another-Sundial 58 kettle").await.expect_done();
    assert_eq!(done["revokedSessionCount"], 2);
    for other in &others {
        is_over(other).await;
    }
    assert_eq!(member.me().await["id"], member.user_id);
    member.refresh().await;
    gateway.app_user().try_sign_in("changer@example.com", PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
}

// D14: the oldest makes room.
#[tokio::test]
async fn the_oldest_session_makes_room() {
    let gateway = Gateway::start_with(|config| config.sessions.max_live = 3).await;
    let email = "collector@example.com";
    let mut members = vec![app_member(&gateway, email).await];
    for _ in 0..4 {
        gateway.advance(Duration::from_secs(30));
        members.push(second_device(&gateway, email).await);
    }
    for (n, member) in members.iter().enumerate() {
        assert_eq!(works(member, &member.tokens().access).await, n >= 2, "session {n}");
    }
    let session = listed(&members[4], &members[0].session_id).await;
    assert_eq!((&session["status"], &session["revokedBy"]), (&json!("REVOKED"), &json!("SYSTEM")));
}
