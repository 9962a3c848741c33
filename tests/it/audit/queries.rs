//! Looking through it.

use std::time::Duration;

use async_graphql::InputType;
use postern::graphql::object::audit_event::AuditFilter;
use serde_json::{Value, json};

use super::{becomes_admin, catch_up, rows, set_role, told};
use crate::support::{Gateway, Member, PASSWORD};

const PAGE: &str = "query Page($filter: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
    auditEvents(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        nodes { id cursor type status category severity actor ipAddress requestId tags message responseStatus createdAt expiresAt
            user { id email } actorUser { id } session { id } }
        edges { cursor node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } }";

async fn page(member: &Member, variables: Value) -> Value {
    member.graphql(PAGE, variables).await.expect_field()
}

async fn types(member: &Member, filter: Value) -> Vec<Value> {
    told(member.graphql(PAGE, json!({"filter": filter, "first": 100})).await, "type")
}

async fn started() -> Gateway {
    Gateway::start_with(|config| config.rate_limits.enabled = false).await
}

// C14: seen whole, by administrators alone.
#[tokio::test]
async fn administrators_see_everything_newest_first() {
    let gateway = started().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    gateway.advance(Duration::from_secs(1));
    let eve = gateway.app_user();
    let member = eve.becomes_member("eve@example.com").await;
    eve.try_sign_in("eve@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    member.graphql(PAGE, json!({})).await.expect_error("FORBIDDEN");
    eve.graphql(PAGE, json!({})).await.expect_error("UNAUTHENTICATED");

    let seen = page(&admin, json!({"first": 100})).await;
    let expected: Vec<String> = rows(&gateway).await.iter().rev().map(|row| row.id.to_string()).collect();
    let ids: Vec<&str> = seen["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected);
    let failed = &seen["nodes"][0];
    assert_eq!((&failed["type"], &failed["status"], &failed["severity"]), (&json!("login"), &json!("FAILURE"), &json!("WARNING")));
    assert_eq!((&failed["user"]["email"], &failed["actorUser"]), (&json!("eve@example.com"), &Value::Null));
    assert_eq!(failed["ipAddress"], eve.address().to_string());
    assert!(failed["requestId"].is_string() && failed["expiresAt"].is_string());
    assert_eq!(seen["edges"][0]["cursor"], failed["cursor"], "one cursor for list and stream");
    let login = seen["nodes"].as_array().unwrap().iter().find(|node| node["type"] == "login" && node["status"] == "SUCCESS").unwrap();
    assert_eq!((&login["session"]["id"], &login["actorUser"]["id"]), (&json!(member.session_id), &json!(member.user_id)));
}

#[tokio::test]
async fn pages_follow_one_another_in_both_directions() {
    let gateway = started().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    // All of one moment, and of several.
    for round in 0..8 {
        if round % 3 == 0 {
            gateway.advance(Duration::from_millis(1));
        }
        admin.visitor.try_sign_in("root@example.com", "wrong").await;
    }
    let all: Vec<Value> = told(admin.graphql(PAGE, json!({"first": 100})).await, "id");
    assert!(all.len() > 9, "{}", all.len());
    for (size, cursor) in [("first", "after"), ("last", "before")] {
        let mut seen: Vec<Vec<Value>> = Vec::new();
        let mut at = Value::Null;
        loop {
            let part = page(&admin, json!({size: 3, cursor: at})).await;
            seen.push(part["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect());
            let (more, next) = if size == "first" { ("hasNextPage", "endCursor") } else { ("hasPreviousPage", "startCursor") };
            if part["pageInfo"][more] == false {
                break;
            }
            at = part["pageInfo"][next].clone();
        }
        if size == "last" {
            seen.reverse();
        }
        assert_eq!(seen.concat(), all, "{size}");
    }
    // H15: its cursors are for whom they were made, and for nothing else.
    let other = becomes_admin(&gateway, &gateway.app_user(), "other@example.com").await;
    let cursor = page(&admin, json!({"first": 1})).await["pageInfo"]["endCursor"].clone();
    other.graphql(PAGE, json!({"after": cursor})).await.expect_error("BAD_REQUEST");
    let resets = "query R($after: String) { passwordResetAttempts(after: $after) { nodes { id } } }";
    admin.graphql(resets, json!({"after": cursor})).await.expect_error("BAD_REQUEST");
    for wrong in [json!({"first": 0}), json!({"first": 101}), json!({"first": 1, "last": 1}), json!({"after": "x"})] {
        admin.graphql(PAGE, wrong.clone()).await.expect_error("BAD_REQUEST");
    }
    let mut forged = cursor.as_str().unwrap().to_owned();
    forged.insert(20, 'A');
    admin.graphql(PAGE, json!({"after": forged})).await.expect_error("BAD_REQUEST");
}

#[tokio::test]
async fn every_filter_narrows_as_the_filter_in_memory_does() {
    let gateway = started().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let visitor = gateway.app_user();
    let member = visitor.becomes_member("ada@example.com").await;
    gateway.advance(Duration::from_mins(1));
    let since = gateway.clock.now();
    visitor.try_sign_in("ada@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    gateway.advance(Duration::from_mins(1));
    let until = gateway.clock.now();
    member.try_change_password(PASSWORD, "another Kettle 48 sundial").await.expect_done();
    member.sign_out().await;
    gateway.next_message("ada@example.com").await;

    let address = visitor.address();
    let filters = [
        json!({}),
        json!({"userId": member.user_id}),
        json!({"actorUserId": admin.user_id}),
        json!({"sessionId": member.session_id}),
        json!({"category": ["SECURITY", "ACCOUNT"]}),
        json!({"category": []}),
        json!({"type": ["login", "logout"]}),
        json!({"type": ["nothing_like_it"]}),
        json!({"status": ["FAILURE", "PENDING"]}),
        json!({"severityAtLeast": "WARNING"}),
        json!({"severityAtLeast": "DEBUG"}),
        json!({"ipAddress": address}),
        json!({"ipAddress": format!("::ffff:{address}")}),
        json!({"tags": ["session"]}),
        json!({"tags": ["session", "by_admin"]}),
        json!({"since": since.to_string()}),
        json!({"until": until.to_string()}),
        json!({"since": since.to_string(), "until": until.to_string(), "status": ["FAILURE"], "type": ["login"]}),
        json!({"userId": member.user_id, "category": ["AUTHENTICATION"], "status": ["SUCCESS"], "tags": ["session"]}),
    ];
    let all = rows(&gateway).await;
    let mut counts = Vec::new();
    for filter in filters {
        let seen = told(admin.graphql(PAGE, json!({"filter": filter, "first": 100})).await, "id");
        let asked = async_graphql::Value::from_json(filter.clone()).unwrap();
        let asked = <AuditFilter as InputType>::parse(Some(asked)).unwrap_or_else(|_| panic!("{filter}"));
        let wanted = asked.read().unwrap();
        let expected: Vec<Value> = all.iter().rev().filter(|row| wanted.matches(row)).map(|row| json!(row.id)).collect();
        assert_eq!(seen, expected, "{filter}");
        counts.push(seen.len());
    }
    assert!(counts.iter().filter(|count| **count == 0).count() <= 4 && counts[0] > 8, "{counts:?}");
    let between = json!({"since": since.to_string(), "until": until.to_string()});
    assert_eq!(types(&admin, between).await, ["login"]);
    for wrong in [json!({"userId": "x"}), json!({"ipAddress": "x"}), json!({"type": ["a\u{0}b"]}), json!({"tags": [""]})] {
        admin.graphql(PAGE, json!({"filter": wrong})).await.expect_error("BAD_REQUEST");
    }
}

#[tokio::test]
async fn users_and_sessions_of_a_page_are_read_at_once() {
    let gateway = started().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    for name in ["ada", "eve", "bob", "kim"] {
        gateway.app_user().becomes_member(&format!("{name}@example.com")).await;
    }
    page(&admin, json!({"first": 1})).await;
    let before = gateway.app().database.statements();
    let seen = page(&admin, json!({"first": 100})).await;
    assert!(seen["nodes"].as_array().unwrap().len() > 10);
    // The page, its users, its sessions; and others look after their work meanwhile.
    let asked = gateway.app().database.statements() - before;
    assert!(asked <= 8, "{asked}");
}

#[tokio::test]
async fn security_events_and_failed_sign_ins_of_late() {
    let gateway = started().await;
    catch_up(&gateway);
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let (ada, eve) = (gateway.app_user(), gateway.app_user());
    let member = ada.becomes_member("ada@example.com").await;
    eve.becomes_member("eve@example.com").await;
    for _ in 0..4 {
        ada.try_sign_in("ada@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    }
    gateway.app_user().try_sign_in("ada@example.com", "wrong").await;
    for _ in 0..2 {
        eve.try_sign_in("eve@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    }
    let query = "{ failedSignIns { user { id } attemptCount lastAttemptAt ipAddresses } }";
    let failed = admin.graphql(query, json!({})).await.expect_field();
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!((&failed[0]["user"]["id"], &failed[0]["attemptCount"]), (&json!(member.user_id), &json!(5)));
    assert_eq!(failed[0]["ipAddresses"].as_array().unwrap().len(), 2);
    eve.try_sign_in("eve@example.com", "wrong").await;
    let first = admin.graphql("{ failedSignIns(first: 1) { user { id } } }", json!({})).await.expect_field();
    assert_eq!(first, json!([{"user": {"id": member.user_id}}]), "most first");
    admin.graphql("{ failedSignIns(first: 101) { attemptCount } }", json!({})).await.expect_error("BAD_REQUEST");

    let recent = "query R($after: String) { recentSecurityEvents(first: 3, after: $after) { nodes { type severity category } pageInfo { hasNextPage endCursor } } }";
    let page = admin.graphql(recent, json!({})).await.expect_field();
    for node in page["nodes"].as_array().unwrap() {
        assert!(node["category"] == "SECURITY" || node["severity"] != "INFO", "{node}");
    }
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let next = admin.graphql(recent, json!({"after": page["pageInfo"]["endCursor"]})).await.expect_field();
    assert_ne!(next["nodes"], json!([]));
    gateway.expect_undelivered();
}

#[tokio::test]
async fn password_resets_that_were_asked_for() {
    let gateway = started().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let visitor = gateway.app_user();
    visitor.becomes_member("ada@example.com").await;
    gateway.next_message("ada@example.com").await;
    let challenge = visitor.request_password_reset("ada@example.com").await;
    let code = gateway.next_message("ada@example.com").await.code();
    visitor.try_reset_by_code(&challenge, &code, "another Kettle 48 sundial").await.expect_done();
    gateway.next_message("ada@example.com").await;
    gateway.advance(Duration::from_secs(90));
    let stranger = gateway.app_user();
    stranger.request_password_reset("nobody@example.com").await;
    let query = "query R($filter: PasswordResetAttemptFilter, $first: Int, $after: String) {
        passwordResetAttempts(filter: $filter, first: $first, after: $after) {
            nodes { id contact ipAddress userAgent tokenGenerated success createdAt } pageInfo { hasNextPage endCursor } } }";
    let contacts = async |filter: Value| told(admin.graphql(query, json!({"filter": filter})).await, "contact");
    let both = ["nobody@example.com", "ada@example.com"];
    assert_eq!(contacts(json!({})).await, both);
    assert_eq!(contacts(json!({"contact": " ADA@Example.com "})).await, both[1..]);
    assert_eq!(contacts(json!({"success": true})).await, both[1..]);
    assert_eq!(contacts(json!({"success": false})).await, both[..1]);
    assert_eq!(contacts(json!({"ipAddress": stranger.address()})).await, both[..1]);
    let between = gateway.clock.now() - Duration::from_mins(1);
    assert_eq!(contacts(json!({"since": between.to_string()})).await, both[..1]);
    assert_eq!(contacts(json!({"until": between.to_string()})).await, both[1..]);
    admin.graphql(query, json!({"filter": {"contact": "not a contact"}})).await.expect_error("BAD_REQUEST");
    let first = admin.graphql(query, json!({"first": 1})).await.expect_field();
    assert_eq!((&first["nodes"][0]["tokenGenerated"], &first["pageInfo"]["hasNextPage"]), (&json!(false), &json!(true)));
    let next = admin.graphql(query, json!({"first": 1, "after": first["pageInfo"]["endCursor"]})).await;
    assert_eq!(told(next, "contact"), both[1..]);
}

// C16: the role is the one of now.
#[tokio::test]
async fn a_demoted_administrator_sees_nothing_more() {
    let gateway = started().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    page(&admin, json!({})).await;
    set_role(&gateway, &admin.user_id, entity::users::Role::User).await;
    for query in [PAGE, "{ statistics { users } }", "{ migrations { name } }", "{ failedSignIns { attemptCount } }"] {
        admin.graphql(query, json!({})).await.expect_error("FORBIDDEN");
    }
}
