//! What a row keeps of the request and of what happened.

use entity::user_audit_log::{Retention, Status};
use serde_json::json;

use super::{becomes_admin, rows, set_role, told};
use crate::support::{Gateway, PASSWORD};

// C14: every column, by whichever flow.
#[tokio::test]
async fn a_row_tells_the_whole_request() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let visitor = gateway.app_user();
    let member = visitor.becomes_member("ada@example.com").await;
    let answer = visitor.try_sign_in("ada@example.com", "wrong").await;
    let request_id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    member.sign_out().await;
    let rows = rows(&gateway).await;
    for row in &rows {
        assert_eq!(row.request_method.as_deref(), Some("POST"));
        assert_eq!((row.request_path.as_deref(), row.response_status), (Some("/graphql"), Some(200)));
        assert!(row.user_agent.as_ref().is_some_and(|agent| agent.contains("Firefox")), "{row:?}");
        assert_eq!(row.ip_address, Some(visitor.address().to_string()));
        assert!(row.message.is_some() && row.request_params.is_some() && row.request_id.is_some());
        assert_eq!(row.action, row.event_type);
    }
    let failed = rows.iter().find(|row| row.event_type == "login" && row.status == Status::Failure).unwrap();
    assert_eq!(failed.request_id, Some(request_id));
    assert_eq!(failed.message.as_deref(), Some("Login refused: CREDENTIALS_INVALID"));
    let hidden = json!({"signIn": {"input": {"identifier": "[hidden]", "password": "[hidden]", "tokenDelivery": "BODY"}}});
    assert_eq!(failed.request_params, Some(hidden));
    assert_eq!((failed.resource_type.as_deref(), failed.resource_id.as_deref()), (Some("user"), Some(member.user_id.as_str())));
    assert_eq!((&failed.tags, failed.retention_policy), (&json!(["session"]), Retention::Extended));
    let left = rows.iter().find(|row| row.event_type == "logout").unwrap();
    assert_eq!((left.resource_type.as_deref(), left.resource_id.as_deref()), (Some("session"), Some(member.session_id.as_str())));
    assert_eq!(left.actor_user_id.map(|id| id.to_string()), Some(member.user_id));
}

// C15: whatever a mutation is asked with, nothing of it that somebody typed is kept.
#[tokio::test]
async fn no_row_keeps_what_was_typed() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let visitor = gateway.app_user();
    visitor.becomes_member("ada@example.com").await;
    let types = crate::access::types();
    let before = rows(&gateway).await.len();
    for field in crate::access::fields(&types, "Mutation") {
        let member = visitor.sign_in("ada@example.com", PASSWORD).await;
        for text in ["canary-typed-47", "CANARYTYPED"] {
            let (query, variables) = crate::access::operation(&types, "Mutation", field, text);
            member.graphql(&query, variables).await;
        }
        visitor
            .graphql(
                "mutation M($p: String!) { signIn(input: {identifier: $p, password: \"canary-typed-47\"}) { problems { code } } }",
                json!({"p": "canary-typed-47"}),
            )
            .await;
    }
    let rows = rows(&gateway).await;
    assert!(rows.len() > before + 40, "{}", rows.len());
    for row in &rows {
        let kept = format!("{row:?}");
        // Names of a provider or of a session's device are no business of the parameters.
        let params = row.request_params.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(!kept.contains("canary-typed-47") && !params.contains("CANARYTYPED"), "{kept}");
        assert!(params.len() <= 4096, "{params}");
    }
    gateway.expect_undelivered();
}

// Erasing a person takes them out of every column that tells of them.
#[tokio::test]
async fn an_erased_person_is_in_no_column() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let visitor = gateway.app_user();
    let member = visitor.becomes_member("ada@example.com").await;
    visitor.try_sign_in("ada@example.com", "wrong").await;
    member.try_delete_account().await.expect_done();
    let query = "query A($id: ID) { auditEvents(filter: {userId: $id}) { nodes { type } } }";
    assert!(told(admin.graphql(query, json!({"id": member.user_id})).await, "type").len() > 3);
    gateway.advance(std::time::Duration::from_hours(24) * gateway.config.accounts.deletion_grace_days);
    crate::clean_up::tidy(&gateway).await;
    let admin = admin.visitor.sign_in("root@example.com", PASSWORD).await;
    assert_eq!(told(admin.graphql(query, json!({"id": member.user_id})).await, "type"), Vec::<serde_json::Value>::new());
    for row in rows(&gateway).await {
        let kept = format!("{row:?}");
        assert!(!kept.contains(&member.user_id), "{kept}");
        // What came before there was an account is nobody's.
        assert!(row.event_type == "sign_up" || !kept.contains(&visitor.address().to_string()), "{kept}");
    }
    gateway.expect_undelivered();
}

// An administrator has a right to privacy too: the owner of an account is not told where they sit.
#[tokio::test]
async fn an_owner_does_not_see_an_administrators_request() {
    use entity::{user_audit_log::Category, user_sessions::Actor};
    use postern::{flows::change, storage::audit::Entry};
    let gateway = Gateway::start().await;
    let member = gateway.app_user().becomes_member("ada@example.com").await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let (owner, root) = (member.user_id.parse().unwrap(), admin.user_id.parse().unwrap());
    let caller = postern::flows::caller::Caller {
        request_id: "r".to_owned(),
        ip: admin.visitor.address(),
        user_agent: Some("Firefox".to_owned()),
        locale: None,
        device_token: None,
        refresh_cookie: None,
        method: "POST",
        path: "/graphql",
        params: None,
        identity: postern::flows::caller::Identity::Anonymous,
    };
    let entry = Entry::success("account_unlocked", Category::Security, Some(owner)).by(Actor::Admin, Some(root));
    let record = change::record(gateway.app(), &caller, vec![entry.in_session(admin.session_id.parse().unwrap())], gateway.clock.now());
    gateway.inside(record).await.unwrap();
    let query = "{ me { activity(first: 1) { nodes { type actor ipAddress device { browser } session { id } } } } }";
    let seen = member.graphql(query, json!({})).await.expect_field();
    let hidden = json!({"type": "account_unlocked", "actor": "ADMIN", "ipAddress": null, "device": null, "session": null});
    assert_eq!(seen["activity"]["nodes"][0], hidden);
    set_role(&gateway, &admin.user_id, entity::users::Role::User).await;
}
