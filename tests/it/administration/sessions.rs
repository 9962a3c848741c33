//! Sessions of others: seen, listed and ended.

use entity::user_sessions::{self, Status};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Gateway, MINUTE, NOBODY, PASSWORD, account, audited, ended, id_of, without_buckets};
use crate::support::Administrator;

// D7, H21
#[tokio::test]
async fn one_session_or_all_of_them_end() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let eve = account(&gateway, "eve@example.com").await;
    let phone = gateway.app_user().sign_in("ada@example.com", PASSWORD).await;
    gateway.next_message("ada@example.com").await;
    let mut socket = phone.socket().await;
    for wrong in [eve.session_id.as_str(), NOBODY, "x", ""] {
        let payload = admin.try_revoke_sessions(&ada.user_id, Some(wrong)).await.expect_field();
        assert_eq!(payload["problems"][0]["code"], "SESSION_NOT_FOUND");
        assert_eq!((&payload["revokedSessionIds"], &payload["revokedSessionCount"]), (&json!([]), &json!(0)));
    }
    assert_eq!(eve.me().await["email"], "eve@example.com");
    let payload = admin.try_revoke_sessions(&ada.user_id, Some(&phone.session_id)).await.expect_done();
    assert_eq!((&payload["revokedSessionIds"], &payload["revokedSessionCount"]), (&json!([phone.session_id]), &json!(1)));
    assert_eq!(payload["user"]["id"], ada.user_id.as_str());
    assert_eq!(socket.closed().await, ended());
    phone.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    assert_eq!(ada.me().await["email"], "ada@example.com", "the other one goes on");
    let again = admin.try_revoke_sessions(&ada.user_id, Some(&phone.session_id)).await.expect_done();
    assert_eq!(again["revokedSessionCount"], 0, "it is over");
    // The owner sees by whom, and why.
    let list = ada.graphql("{ me { sessions { nodes { id revokedBy revokedReason } } } }", json!({})).await.expect_field();
    let nodes = list["sessions"]["nodes"].as_array().unwrap();
    let of_phone = nodes.iter().find(|node| node["id"] == phone.session_id.as_str()).unwrap();
    assert_eq!((&of_phone["revokedBy"], &of_phone["revokedReason"]), (&json!("ADMIN"), &json!("a lost laptop")));
    let all = admin.act("revokeUserSessions", json!({"userId": ada.user_id}), "revokedSessionIds revokedSessionCount").await.expect_done();
    assert_eq!(all["revokedSessionIds"], json!([ada.session_id]));
    ada.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    admin.try_revoke_sessions(NOBODY, None).await.expect_problem("USER_NOT_FOUND");
    let long = json!({"userId": ada.user_id, "reason": "x".repeat(501)});
    let problem = admin.act("revokeUserSessions", long, "").await.expect_problem("INVALID_INPUT");
    assert_eq!(problem["path"], json!(["input", "reason"]));
    let rows = audited(&gateway, "user_sessions_revoked").await;
    let done: Vec<_> = rows.iter().filter(|row| row.result_code.is_none()).map(|row| row.metadata["sessionsEnded"].clone()).collect();
    assert_eq!(done, [json!(1), json!(0), json!(1)]);
    assert!(rows.iter().all(|row| row.actor_user_id == Some(id_of(&admin))));
    // An administrator may end their own.
    admin.try_revoke_sessions(&admin.user_id, None).await.expect_done();
    admin.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
}

async fn ids(admin: &Administrator, arguments: Value) -> Vec<String> {
    let page = admin.try_sessions(arguments).await.expect_field();
    page["nodes"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

async fn change(gateway: &Gateway, session_id: &str, change: impl FnOnce(&mut user_sessions::ActiveModel)) {
    let mut row = user_sessions::ActiveModel { id: Set(session_id.parse().unwrap()), ..Default::default() };
    change(&mut row);
    user_sessions::Entity::update(row).exec(&gateway.database().await).await.unwrap();
}

// H16: what administrators reach, and with every filter.
#[tokio::test]
async fn sessions_are_listed_with_every_filter() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let mut all = vec![admin.session_id.clone()];
    let ada = account(&gateway, "ada@example.com").await;
    all.push(ada.session_id.clone());
    for address in ["192.0.2.7", "2001:db8::7", "192.0.2.8"] {
        gateway.advance(MINUTE);
        all.push(gateway.app_user().from_address(address).sign_in("ada@example.com", PASSWORD).await.session_id);
        gateway.next_message("ada@example.com").await;
    }
    let newest_first: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(ids(&admin, json!({})).await.len(), 5);
    assert_eq!(ids(&admin, json!({})).await[..3], newest_first[..3]);
    let of_ada: Vec<String> = newest_first[..4].to_vec();
    assert_eq!(ids(&admin, json!({"filter": {"userId": ada.user_id}})).await, of_ada);
    assert_eq!(ids(&admin, json!({"filter": {"userId": NOBODY}})).await, Vec::<String>::new());
    admin.try_sessions(json!({"filter": {"userId": "x"}})).await.expect_error("BAD_REQUEST");
    admin.try_sessions(json!({"filter": {"ipAddress": "x"}})).await.expect_error("BAD_REQUEST");
    assert_eq!(ids(&admin, json!({"filter": {"ipAddress": "192.0.2.7"}})).await, [all[2].clone()]);
    assert_eq!(ids(&admin, json!({"filter": {"ipAddress": "::ffff:192.0.2.7"}})).await, [all[2].clone()]);
    assert_eq!(ids(&admin, json!({"filter": {"ipAddress": "2001:DB8:0::7"}})).await, [all[3].clone()]);
    let at = entity::Timestamp::from_millis(gateway.clock.now().millis() - 90_000).to_string();
    assert_eq!(ids(&admin, json!({"filter": {"createdAfter": at}})).await, newest_first[..2]);
    change(&gateway, &all[2], |row| row.risk_score = Set(60)).await;
    change(&gateway, &all[2], |row| (row.status, row.is_suspicious) = (Set(Status::Suspicious), Set(true))).await;
    change(&gateway, &all[3], |row| row.risk_score = Set(85)).await;
    admin.try_revoke_sessions(&ada.user_id, Some(&all[4])).await.expect_done();
    let filtered = async |filter: Value| ids(&admin, json!({"filter": filter})).await;
    assert_eq!(filtered(json!({"riskScoreAtLeast": 60})).await, [all[3].clone(), all[2].clone()]);
    assert_eq!(filtered(json!({"riskScoreAtLeast": 61})).await, [all[3].clone()]);
    assert_eq!(filtered(json!({"riskScoreAtLeast": 0})).await.len(), 5);
    assert_eq!(filtered(json!({"suspicious": true})).await, [all[2].clone()]);
    assert_eq!(filtered(json!({"suspicious": false})).await.len(), 4);
    assert_eq!(filtered(json!({"status": ["SUSPICIOUS"]})).await, [all[2].clone()]);
    assert_eq!(filtered(json!({"status": ["REVOKED", "SUSPICIOUS"]})).await, [all[4].clone(), all[2].clone()]);
    assert_eq!(filtered(json!({"status": ["ACTIVE"]})).await.len(), 3);
    assert_eq!(filtered(json!({"status": []})).await, Vec::<String>::new());
    let page = admin.try_sessions(json!({"filter": {"userId": ada.user_id, "status": ["REVOKED"]}})).await.expect_field();
    assert_eq!((&page["totalCount"], &page["nodes"][0]["user"]["email"]), (&json!(1), &json!("ada@example.com")));
    // One by its id.
    let one = admin.graphql("query ($id: ID!) { session(id: $id) { id user { id } } }", json!({"id": all[2]})).await.expect_field();
    assert_eq!(one, json!({"id": all[2], "user": {"id": ada.user_id}}));
    // What a user gives is for their own alone.
    ada.graphql("query ($id: ID) { me { sessions(filter: {userId: $id}) { nodes { id } } } }", json!({"id": admin.user_id}))
        .await
        .expect_error("BAD_REQUEST");
}

// H15: page by page, both ways, and by one's own cursors alone.
#[tokio::test]
async fn pages_of_sessions_meet() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let other = gateway.administrator("other@example.com").await;
    for _ in 0..7 {
        gateway.app_user().sign_in("root@example.com", PASSWORD).await;
    }
    let all = ids(&admin, json!({"first": 100})).await;
    assert_eq!(all.len(), 9);
    for (size, cursor, info) in [("first", "after", ("hasNextPage", "endCursor")), ("last", "before", ("hasPreviousPage", "startCursor"))] {
        let (mut met, mut at) = (Vec::new(), Value::Null);
        loop {
            let page = admin.try_sessions(json!({size: 2, cursor: at})).await.expect_field();
            let nodes: Vec<String> = page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect();
            if size == "first" {
                met.extend(nodes);
            } else {
                met.splice(0..0, nodes);
            }
            at = page["pageInfo"][info.1].clone();
            if page["pageInfo"][info.0] == false {
                break;
            }
        }
        assert_eq!(met, all, "{size}");
        other.try_sessions(json!({"first": 2, cursor: at})).await.expect_error("BAD_REQUEST");
    }
    let _: Uuid = all[0].parse().unwrap();
    gateway.expect_undelivered();
}
