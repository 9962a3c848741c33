//! Accounts that are suspended, banned, out of use, and back.

use entity::{
    account_events::Kind,
    user_audit_log::{Category, Status as AuditStatus},
    user_sessions::Actor,
    users::Status,
};
use serde_json::{Value, json};

use super::{Gateway, NOBODY, PASSWORD, account, audited, ended, id_of, row, told, without_buckets};

// C2, C17, H21: at once, for everything that is out; and nothing of it comes back.
#[tokio::test]
async fn a_suspended_user_is_out_at_once() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let phone = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    // What is on its way.
    let visitor = gateway.visitor();
    let reset = visitor.request_password_reset("ada@example.com").await;
    let reset_message = gateway.next_message("ada@example.com").await;
    let sign_in = visitor.request_sign_in_code("ada@example.com").await;
    let sign_in_message = gateway.next_message("ada@example.com").await;
    let change = "mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) { problems { code } } }";
    ada.graphql(change, json!({"input": {"newEmail": "next@example.com"}})).await.expect_done();
    gateway.next_message("next@example.com").await;
    gateway.next_message("ada@example.com").await;
    let mut socket = phone.socket().await;
    // The user's own stream ends with the session, perhaps before it can tell.
    let mut watching = admin.socket().await;
    let events = "subscription ($id: ID, $after: String) { userEvents(userId: $id, after: $after) { kind } }";
    let events = watching.subscribe(events, json!({"id": ada.user_id, "after": admin.event_cursor().await})).await;
    let mut idle = ada.socket().await;
    gateway.advance(std::time::Duration::from_millis(5));

    let payload = admin.try_set_status(&ada.user_id, "SUSPENDED").await.expect_done();
    assert_eq!((&payload["user"]["status"], &payload["revokedSessionCount"]), (&json!("SUSPENDED"), &json!(2)));
    assert_eq!(watching.next(&events).await["kind"], "STATUS_CHANGED");
    assert_eq!([socket.closed().await, idle.closed().await], [ended(), ended()]);
    for member in [&ada, &phone] {
        let answer = member.graphql("mutation { revokeOtherSessions { problems { code } } }", json!({})).await;
        assert_eq!((answer.code(), answer.reason()), (Some("UNAUTHENTICATED"), Some("SESSION_ENDED")));
        member.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    }
    let stranger = gateway.visitor();
    stranger.try_sign_in("ada@example.com", PASSWORD).await.expect_problem("ACCOUNT_SUSPENDED");
    // The old proofs are none any more, suspended or not.
    let sessions = async || {
        let query = "query ($id: ID!) { user(id: $id) { pendingEmail { value } sessions { nodes { status revokedBy revokedReason } } } }";
        admin.graphql(query, json!({"id": ada.user_id})).await.expect_field()
    };
    let seen = sessions().await;
    let over = json!({"status": "REVOKED", "revokedBy": "ADMIN", "revokedReason": "account suspended"});
    assert_eq!(seen, json!({"pendingEmail": null, "sessions": {"nodes": [over, over]}}));
    let again = admin.try_set_status(&ada.user_id, "SUSPENDED").await.expect_done();
    assert_eq!(again["revokedSessionCount"], 0, "it was so already");

    let back = admin.try_set_status(&ada.user_id, "ACTIVE").await.expect_done();
    assert_eq!((&back["user"]["status"], &back["revokedSessionCount"]), (&json!("ACTIVE"), &json!(0)));
    assert_eq!(sessions().await, seen, "no session comes back");
    for member in [&ada, &phone] {
        member.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    }
    visitor.try_reset_by_link(&reset_message.link_token(), "another Kettle 48 sundial").await.expect_problem("TOKEN_INVALID");
    visitor.try_reset_by_code(&reset, &reset_message.code(), "another Kettle 48 sundial").await.expect_problem("CODE_INVALID");
    visitor.try_sign_in_with_link(&sign_in_message.link_token()).await.expect_problem("TOKEN_INVALID");
    visitor.try_sign_in_with_code(&sign_in, &sign_in_message.code()).await.expect_problem("CODE_INVALID");
    gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;

    // C14: who did it stands in the log, and the owner sees that it was done, not from where.
    let rows = audited(&gateway, "user_status_changed").await;
    let facts: Vec<_> = rows.iter().map(|row| (row.metadata["from"].clone(), row.metadata["to"].clone())).collect();
    assert_eq!(facts, [(json!("ACTIVE"), json!("SUSPENDED")), (json!("SUSPENDED"), json!("ACTIVE"))]);
    assert_eq!(rows[0].metadata["reason"], "a test");
    for row in &rows {
        assert_eq!((row.actor, row.actor_user_id, row.user_id), (Actor::Admin, Some(id_of(&admin)), Some(id_of(&ada))));
        assert!(row.status == AuditStatus::Success && row.category_is(Category::Security) && row.request_id.is_some());
    }
    let revoked = audited(&gateway, "session_revoked").await;
    assert!(revoked.len() == 2 && revoked.iter().all(|row| row.actor == Actor::Admin && row.actor_user_id == Some(id_of(&admin))));
    let kinds = told(&gateway, id_of(&ada)).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::StatusChanged).count(), 2);
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::SessionRevoked).count(), 2);
    let owner = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    let activity = "{ me { activity(first: 100) { nodes { type actor ipAddress device { name } } } } }";
    let activity = owner.graphql(activity, json!({})).await.expect_field();
    let by_admin: Vec<&Value> = activity["activity"]["nodes"].as_array().unwrap().iter().filter(|one| one["actor"] == "ADMIN").collect();
    assert_eq!(by_admin.len(), 4);
    assert!(by_admin.iter().all(|one| one["ipAddress"].is_null() && one["device"].is_null()), "{by_admin:?}");
}

trait IsOf {
    fn category_is(&self, category: Category) -> bool;
}

impl IsOf for entity::user_audit_log::Model {
    fn category_is(&self, category: Category) -> bool {
        self.event_category == category
    }
}

#[tokio::test]
async fn each_status_says_what_it_is() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    for (status, told) in [("BANNED", "ACCOUNT_BANNED"), ("INACTIVE", "ACCOUNT_INACTIVE"), ("SUSPENDED", "ACCOUNT_SUSPENDED")] {
        admin.try_set_status(&ada.user_id, status).await.expect_done();
        gateway.visitor().try_sign_in("ada@example.com", PASSWORD).await.expect_problem(told);
    }
    assert_eq!(row(&gateway, id_of(&ada)).await.unwrap().status, Status::Suspended);
    let too_long = json!({"userId": ada.user_id, "status": "ACTIVE", "reason": "x".repeat(501)});
    let problem = admin.act("setUserStatus", too_long, "user { id } revokedSessionCount").await;
    assert_eq!(problem.expect_problem("INVALID_INPUT")["path"], json!(["input", "reason"]));
    let payload = admin.try_set_status(NOBODY, "BANNED").await.expect_field();
    assert_eq!((&payload["user"], &payload["revokedSessionCount"]), (&Value::Null, &Value::Null));
    let refused = audited(&gateway, "user_status_changed").await.into_iter().filter(|row| row.status == AuditStatus::Failure);
    let refused: Vec<_> = refused.map(|row| (row.user_id, row.result_code.unwrap(), row.actor_user_id)).collect();
    let root = Some(id_of(&admin));
    assert_eq!(refused, [(Some(id_of(&ada)), "INVALID_INPUT".to_owned(), root), (None, "USER_NOT_FOUND".to_owned(), root)]);
}

#[tokio::test]
async fn the_last_administrator_stays_in() {
    let gateway = without_buckets().await;
    let root = gateway.administrator("root@example.com").await;
    for status in ["SUSPENDED", "BANNED", "INACTIVE"] {
        let payload = root.try_set_status(&root.user_id, status).await;
        payload.expect_problem("LAST_ADMIN");
    }
    assert_eq!(root.me().await["email"], "root@example.com");
    // One who is about to leave, or is out already, does not count.
    let leaving = gateway.administrator("leaving@example.com").await;
    leaving.try_delete_account().await.expect_done();
    let banned = gateway.administrator("banned@example.com").await;
    root.try_set_status(&banned.user_id, "BANNED").await.expect_done();
    root.try_set_status(&root.user_id, "INACTIVE").await.expect_problem("LAST_ADMIN");
    let refused = audited(&gateway, "user_status_changed").await.into_iter().filter(|row| row.result_code.as_deref() == Some("LAST_ADMIN"));
    assert_eq!(refused.count(), 4);
    // With another one it goes, and ends the own session too.
    let other = gateway.administrator("other@example.com").await;
    let payload = root.try_set_status(&root.user_id, "INACTIVE").await.expect_done();
    assert_eq!(payload["user"]["status"], "INACTIVE");
    root.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    other.try_set_status(&other.user_id, "BANNED").await.expect_problem("LAST_ADMIN");
    gateway.read_all("leaving@example.com").await;
}

// H21: sockets and requests of another instance, on warm caches: within a second.
#[tokio::test]
async fn a_ban_is_felt_within_a_second_everywhere() {
    let Some((one, other)) = Gateway::start_pair().await else { return };
    let admin = one.administrator("root@example.com").await;
    let ada = account(&one, "ada@example.com").await;
    let there = ada.at(&other);
    assert_eq!(there.me().await["email"], "ada@example.com");
    let mut socket = there.socket().await;
    admin.try_set_status(&ada.user_id, "BANNED").await.expect_done();
    let began = std::time::Instant::now();
    loop {
        let answer = there.graphql("{ currentSession { id } }", json!({})).await;
        if answer.code() == Some("UNAUTHENTICATED") {
            break;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "{}", answer.body);
    }
    assert_eq!(socket.closed().await, ended());
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
    one.expect_undelivered();
}
