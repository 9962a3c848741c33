//! Who may do what: every field by everybody, and what is asked once more where the act is done.

use entity::users::Role;
use postern::config::Mode;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use super::{NOBODY, account, audited, id_of, without_buckets};
use crate::support::{Answer, AuthenticatorApp, Gateway, PASSWORD, Visitor};

/// A field: how it is asked for, with what, and whether a recent proof is needed.
fn fields() -> Vec<(&'static str, String, Value, bool)> {
    let query = |name: &'static str, text: &str| (name, format!("query {{ {text} }}"), json!({}), false);
    let act = |name: &'static str, input: Value, recent: bool| {
        let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        let text = format!("mutation ($input: {capital}Input!) {{ {name}(input: $input) {{ problems {{ code }} }} }}");
        (name, text, json!({"input": input}), recent)
    };
    vec![
        query("user", &format!(r#"user(id: "{NOBODY}") {{ id }}"#)),
        query("users", "users(first: 1) { nodes { id } }"),
        query("session", &format!(r#"session(id: "{NOBODY}") {{ id }}"#)),
        query("sessions", "sessions(first: 1) { nodes { id } }"),
        act("updateUser", json!({"userId": NOBODY, "username": null}), true),
        act("setUserStatus", json!({"userId": NOBODY, "status": "BANNED"}), true),
        act("setUserRole", json!({"userId": NOBODY, "role": "ADMIN"}), true),
        act("unlockUser", json!({"userId": NOBODY}), false),
        act("resetSecondFactors", json!({"userId": NOBODY, "reason": "lost"}), true),
        act("revokeUserSessions", json!({"userId": NOBODY}), false),
        act("deleteUser", json!({"userId": NOBODY, "reason": "asked"}), true),
    ]
}

async fn ask(visitor: &Visitor, field: &(&str, String, Value, bool), token: Option<&str>) -> Answer {
    visitor.graphql_with(&field.1, field.2.clone(), token).await
}

fn refusal(answer: &Answer) -> Option<(&str, Option<&str>)> {
    answer.code().map(|code| (code, answer.reason()))
}

// C16, H16
#[tokio::test]
async fn every_field_asks_everybody_for_their_level() {
    let gateway = without_buckets().await;
    account(&gateway, "user@example.com").await;
    let half = account(&gateway, "half@example.com").await;
    half.enable_totp(&gateway.clock).await;
    gateway.next_message("half@example.com").await;
    let half_signed_in = gateway.app_user().first_factor("half@example.com", PASSWORD).await;
    let admin = gateway.administrator("root@example.com").await;
    let demoted = gateway.administrator("was@example.com").await;
    admin.try_set_role(&demoted.user_id, "USER").await.expect_done();
    let visitor = gateway.app_user();
    let user_token = gateway.app_user().sign_in("user@example.com", PASSWORD).await.tokens().access;
    for field in &fields() {
        let name = field.0;
        assert_eq!(refusal(&ask(&visitor, field, None).await), Some(("UNAUTHENTICATED", Some("TOKEN_MISSING"))), "{name}");
        let half = ask(&visitor, field, Some(&half_signed_in)).await;
        assert_eq!(refusal(&half), Some(("UNAUTHENTICATED", Some("TOKEN_INVALID"))), "{name}");
        assert_eq!(refusal(&ask(&visitor, field, Some(&user_token)).await), Some(("FORBIDDEN", None)), "{name} by a user");
        let by_demoted = ask(&visitor, field, Some(&demoted.tokens().access)).await;
        assert_eq!(refusal(&by_demoted), Some(("FORBIDDEN", None)), "{name} by a demoted one");
        assert_eq!(refusal(&ask(&visitor, field, Some(&admin.tokens().access)).await), None, "{name} by an administrator");
    }
    // What was tried without the right to it is written down.
    let denied = audited(&gateway, "access_denied").await;
    let denied: Vec<_> = denied.iter().map(|row| (row.actor_user_id.unwrap(), row.metadata["field"].clone())).collect();
    let mutations: Vec<_> = fields().iter().filter(|field| field.1.starts_with("mutation")).map(|field| json!(field.0)).collect();
    assert_eq!(denied.len(), 2 * mutations.len(), "{denied:?}");
    for mutation in &mutations {
        assert!(denied.contains(&(id_of(&demoted), mutation.clone())), "{mutation}: {denied:?}");
    }
    gateway.advance(gateway.config.sessions.recent);
    admin.refresh().await;
    for field in &fields() {
        let answer = ask(&visitor, field, Some(&admin.tokens().access)).await;
        let expected = field.3.then_some(("REAUTHENTICATION_REQUIRED", None));
        assert_eq!(refusal(&answer), expected, "{} by an old proof: {answer:?}", field.0);
    }
    gateway.read_all("user@example.com").await;
}

// Whatever a client sends, and whoever does not exist: a problem or an empty answer, never a fault.
#[tokio::test]
async fn no_input_breaks_a_field() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let texts = ["", "x", NOBODY, "\u{0}", "a\u{0}b", "\u{202E}\u{FFFF}", "'\"\\`${}%s_%;--", "../../\r\nX: y", &"\u{1F994}".repeat(3000)];
    for text in texts {
        for query in [
            "query ($t: ID!) { user(id: $t) { id } }",
            "query ($t: ID!) { session(id: $t) { id } }",
            "query ($t: ID!) { node(id: $t) { id } }",
        ] {
            assert_eq!(admin.graphql(query, json!({"t": text})).await.expect_field(), Value::Null, "{text:?}");
        }
        for order in ["CREATED_AT", "LAST_SIGN_IN_AT", "EMAIL"] {
            let answer = admin.try_users(json!({"filter": {"search": text}, "orderBy": {"field": order, "direction": "ASC"}})).await;
            answer.expect_field();
        }
        let answer = admin.try_users(json!({"after": text})).await;
        assert_eq!(answer.code(), Some("BAD_REQUEST"), "{}", answer.body);
        for filter in [json!({"userId": text}), json!({"ipAddress": text})] {
            let answer = admin.try_sessions(json!({"filter": filter})).await;
            assert!(answer.status < 500 && answer.code() != Some("INTERNAL"), "{}", answer.body);
        }
        for (field, input) in [
            ("updateUser", json!({"userId": text, "username": "somebody"})),
            ("setUserStatus", json!({"userId": text, "status": "BANNED"})),
            ("setUserRole", json!({"userId": text, "role": "ADMIN"})),
            ("unlockUser", json!({"userId": text})),
            ("resetSecondFactors", json!({"userId": text, "reason": "lost"})),
            ("revokeUserSessions", json!({"userId": text})),
            ("deleteUser", json!({"userId": text, "reason": "asked"})),
        ] {
            let problem = admin.act(field, input, "").await.expect_problem("USER_NOT_FOUND");
            assert_eq!(problem["path"], json!(["input", "userId"]), "{field}");
        }
        for field in ["setUserStatus", "resetSecondFactors", "revokeUserSessions", "deleteUser"] {
            let mut input = json!({"userId": NOBODY, "reason": text});
            if field == "setUserStatus" {
                input["status"] = json!("BANNED");
            }
            let payload = admin.act(field, input, "").await.expect_field();
            assert_eq!(payload["problems"].as_array().unwrap().len(), 1, "{field} {text:?}: {payload}");
        }
        for key in ["email", "phone", "username"] {
            let payload = admin.try_update(&admin.user_id, json!({key: text})).await.expect_field();
            assert_eq!(payload["problems"].as_array().unwrap().len(), 1, "{key} {text:?}: {payload}");
        }
    }
    assert_eq!(admin.me().await["email"], "root@example.com");
}

// C16: the act itself asks once more, whatever the instance remembers of the session.
#[tokio::test]
async fn a_role_that_is_remembered_opens_nothing() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    assert_eq!(admin.me().await["email"], "root@example.com");
    // By hand, so that no event says it: the session is remembered as an administrator's.
    let change = entity::users::ActiveModel { id: Set(id_of(&admin)), role: Set(Role::User), ..Default::default() };
    entity::users::Entity::update(change).exec(&gateway.database().await).await.unwrap();
    for field in fields().iter().filter(|field| field.1.starts_with("mutation")) {
        let mut variables = field.2.clone();
        variables["input"]["userId"] = json!(ada.user_id);
        let answer = admin.graphql(&field.1, variables).await;
        assert_eq!((answer.status, answer.code()), (403, Some("FORBIDDEN")), "{}", field.0);
    }
    assert_eq!(ada.me().await["email"], "ada@example.com");
    assert_eq!(super::row(&gateway, id_of(&ada)).await.unwrap().status, entity::users::Status::Active);
}

// In production a password alone administrates nothing; what is one's own is reached all the same.
#[tokio::test]
async fn production_asks_administrators_for_a_second_factor() {
    let gateway = Gateway::start_in_real_time().await;
    let ada = account(&gateway, "ada@example.com").await;
    gateway.create_administrator("root@example.com").await;
    let production = gateway.start_beside_with(|config| config.mode = Mode::Production).await;
    let root = production.app_user().administrates("root@example.com").await;
    for field in &fields() {
        let answer = ask(&root.visitor, field, Some(&root.tokens().access)).await;
        assert_eq!(refusal(&answer), Some(("FORBIDDEN", Some("SECOND_FACTOR_REQUIRED"))), "{}", field.0);
    }
    let node = async |id: &str| root.graphql("query ($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
    assert_eq!(node(&root.user_id).await.expect_field()["id"], root.user_id);
    assert_eq!(node(&root.session_id).await.expect_field()["id"], root.session_id);
    for other in [&ada.user_id, &ada.session_id, &NOBODY.to_owned()] {
        assert_eq!(refusal(&node(other).await), Some(("FORBIDDEN", Some("SECOND_FACTOR_REQUIRED"))));
    }
    // With an app at hand it goes.
    let app = AuthenticatorApp::of(root.try_begin_totp().await.expect_done()["secret"].as_str().unwrap());
    root.try_confirm_totp(&app.code(&production.clock)).await.expect_done();
    for field in &fields() {
        assert_eq!(refusal(&ask(&root.visitor, field, Some(&root.tokens().access)).await), None, "{}", field.0);
    }
    for other in [&ada.user_id, &ada.session_id] {
        assert_eq!(node(other).await.expect_field()["id"], other.as_str());
    }
    // Who is no administrator learns nothing.
    let there = production.app_user().sign_in("ada@example.com", PASSWORD).await;
    let answer = there.graphql("query ($id: ID!) { node(id: $id) { id } }", json!({"id": root.user_id})).await;
    assert_eq!(answer.expect_field(), Value::Null);
    gateway.expect_undelivered();
}
