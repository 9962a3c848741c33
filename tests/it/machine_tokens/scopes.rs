//! What each scope opens, field by field, and what is behind the fields.

use postern::{
    domain::machine_scope::MachineScope::{self, CoinsWrite, EventsRead, UsersRead},
    graphql::scopes::ROOT_FIELDS,
};
use serde_json::{Value, json};

use super::Machine;
use crate::{
    access::{ask, fields, operation, refusal, required, types},
    support::Gateway,
};

const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

#[test]
fn every_field_of_a_scope_is_one_of_the_contract() {
    let types = types();
    for (scope, names) in ROOT_FIELDS {
        for name in names {
            let found: Vec<_> = ROOTS.iter().flat_map(|root| fields(&types, root)).filter(|field| field.name.node == *name).collect();
            assert_eq!(found.len(), 1, "{scope}: {name}");
            assert!(["SIGNED_IN", "ADMIN"].contains(&required(found[0]).as_deref().unwrap_or_default()), "{scope}: {name} needs no token");
        }
    }
}

// C16: every field that needs somebody, asked for with each scope and with all.
#[tokio::test]
async fn a_token_opens_the_fields_of_its_scopes_and_nothing_else() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let types = types();
    let combinations: [&[MachineScope]; 4] = [&[EventsRead], &[UsersRead], &[CoinsWrite], &MachineScope::ALL];
    for scopes in combinations {
        let machine = Machine::with(&gateway, scopes).await;
        let mut opened = 0;
        for root in ROOTS {
            for field in fields(&types, root) {
                let name = field.name.node.as_str();
                let answer = ask(&machine.visitor, root, &operation(&types, root, field, "x"), Some(&machine.token)).await;
                let is_covered = ROOT_FIELDS.iter().any(|(scope, fields)| scopes.contains(scope) && fields.contains(&name));
                let expected = (required(field).is_some() && !is_covered).then_some("FORBIDDEN");
                assert_eq!(refusal(&answer), expected, "{scopes:?} {root}.{name}: {answer:?}");
                if expected.is_some() {
                    assert_eq!((answer.status, answer.reason()), (if answer.data().is_null() { 403 } else { 200 }, None), "{name}");
                }
                opened += usize::from(is_covered);
            }
        }
        assert!(opened > 0 || scopes == [CoinsWrite], "{scopes:?}");
    }
}

#[tokio::test]
async fn a_machine_is_nobody() {
    let gateway = Gateway::start().await;
    let machine = Machine::with(&gateway, &MachineScope::ALL).await;
    let answer = machine.graphql("{ me { id } currentSession { id } authConfig { passwordPolicy { minLength } } }", json!({})).await;
    let data = answer.expect_data();
    assert_eq!((&data["me"], &data["currentSession"]), (&Value::Null, &Value::Null));
    // Not as a cookie of a browser beside it either: the token wins.
    let member = gateway.visitor().becomes_member("ann@example.com").await;
    let me = member.visitor.graphql_with("{ me { id } }", json!({}), Some(&machine.token)).await.expect_field();
    assert_eq!(me, Value::Null);
    let done = machine.graphql("mutation { signOut { sessionId problems { code } } }", json!({})).await.expect_done();
    assert_eq!(done["sessionId"], Value::Null);
}

// D1: cut, extended, changed and invented tokens are refused alike, also at a socket.
#[tokio::test]
async fn other_tokens_are_not_valid() {
    let gateway = Gateway::start().await;
    let machine = Machine::with(&gateway, &MachineScope::ALL).await;
    let token = machine.token.as_str();
    assert!(token.starts_with("postern_mt_"));
    let changed = format!("{}{}", &token[..20], token[20..].chars().rev().collect::<String>());
    for wrong in [&token[..token.len() - 1], &format!("{token}A"), &changed, "postern_mt_", &token["postern_mt_".len()..]] {
        let answer = machine.visitor.graphql_with("{ me { id } }", json!({}), Some(wrong)).await;
        assert_eq!((answer.code(), answer.reason()), (Some("UNAUTHENTICATED"), Some("TOKEN_INVALID")), "{wrong}");
        let guarded = machine.visitor.graphql_with("{ eventCursor }", json!({}), Some(wrong)).await;
        assert_eq!((guarded.status, guarded.reason()), (401, Some("TOKEN_INVALID")), "{wrong}");
    }
    machine.event_cursor().await;
}

// H16: what a user is made of is behind `users:read`, wherever a user stands, and the ways into the account behind no token at all.
#[tokio::test]
async fn what_is_behind_a_field_needs_its_scope_too() {
    let gateway = Gateway::start().await;
    let listener = Machine::with(&gateway, &[EventsRead]).await;
    let reader = Machine::with(&gateway, &[UsersRead]).await;
    let both = Machine::with(&gateway, &[EventsRead, UsersRead]).await;
    let query = "subscription ($after: String) { userEvents(after: $after) { kind userId user { id email } } }";
    let (after, of_both) = (listener.event_cursor().await, both.event_cursor().await);
    let member = gateway.app_user().becomes_member("ann@example.com").await;

    let mut socket = both.socket().await;
    let id = socket.subscribe(query, json!({"after": of_both})).await;
    let event = socket.next(&id).await;
    assert_eq!((&event["kind"], &event["user"]["email"]), (&json!("CREATED"), &json!("ann@example.com")));

    let mut socket = listener.socket().await;
    let id = socket.subscribe(query, json!({"after": after})).await;
    let payload = socket.next_payload(&id).await;
    assert_eq!(payload["data"]["userEvents"]["user"], Value::Null, "{payload}");
    assert_eq!(payload["data"]["userEvents"]["userId"], member.user_id, "{payload}");
    assert_eq!(payload["errors"][0]["extensions"]["code"], "FORBIDDEN");
    // That is no end of the stream.
    let sessions = "subscription ($after: String) { allSessionEvents(after: $after) { session { device { name } user { id email } } } }";
    let other = socket.subscribe(sessions, json!({"after": after})).await;
    let payload = socket.next_payload(&other).await;
    assert_eq!(payload["data"]["allSessionEvents"]["session"], Value::Null, "{payload}");
    assert_eq!(payload["errors"][0]["extensions"]["code"], "FORBIDDEN");

    let node = "query ($id: ID!) { node(id: $id) { __typename id ... on User { email status } } }";
    let user = reader.graphql(node, json!({"id": member.user_id})).await.expect_field();
    assert_eq!(user, json!({"__typename": "User", "id": member.user_id, "email": "ann@example.com", "status": "ACTIVE"}));
    for none in ["x", &member.session_id, &reader.id] {
        assert_eq!(reader.graphql(node, json!({"id": none})).await.expect_field(), Value::Null, "{none}");
    }
    for behind in [
        "sessions { nodes { id } }",
        "activity { nodes { id } }",
        "passkeys { id }",
        "identities { id }",
        "pendingEmail { contact }",
        "pendingPhone { contact }",
    ] {
        let query =
            format!("query ($id: ID!) {{ node(id: $id) {{ ... on User {{ {} }} }} }}", behind.replace("{ contact }", "{ __typename }"));
        let answer = reader.graphql(&query, json!({"id": member.user_id})).await;
        assert_eq!(answer.code(), Some("FORBIDDEN"), "{behind}: {answer:?}");
    }
    member.try_revoke(&member.session_id).await.expect_done();
}
