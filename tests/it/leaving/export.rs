//! What a person can take along.

use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use super::{account, id_of, without_buckets};
use crate::support::PASSWORD;

const PICTURE: &str = "0123456789abcdef0123456789abcdef.png";

fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

// C14, C15: everything of the person and nothing of anybody else, without anything that proves who they are.
#[tokio::test]
async fn the_document_has_everything_of_the_person_but_secrets() {
    let gateway = without_buckets().await;
    let bystander = account(&gateway, "bob@example.com").await;
    // From before the account, by the contact alone; and by one that it has not proved.
    gateway.visitor().request_password_reset("ada@example.com").await;
    gateway.visitor().request_password_reset("unproved@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    let profile = json!({"displayName": "Ada L.", "dateOfBirth": "1990-04-01", "address": {"country": "TH", "postalCode": "10110"}});
    let input = json!({"input": {"username": "ada_l", "profile": profile}});
    ada.graphql("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }", input).await.expect_done();
    let app = gateway.app_user();
    app.try_sign_in("ada@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    let second = app.sign_in("ada@example.com", PASSWORD).await;
    let notice = gateway.next_message("ada@example.com").await;
    app.request_password_reset("ada@example.com").await;
    let reset = gateway.next_message("ada@example.com").await;
    second.try_reauthenticate("wrong").await.expect_problem("CREDENTIALS_INVALID");

    let picture = entity::users::ActiveModel { id: Set(id_of(&ada)), avatar_key: Set(Some(PICTURE.to_owned())), ..Default::default() };
    entity::users::Entity::update(picture).exec(&gateway.database().await).await.unwrap();
    let export = ada.try_export_account().await.expect_done()["export"].clone();
    assert_eq!(export["exportedAt"], gateway.clock.now().to_string());
    let of_account = &export["account"];
    assert_eq!((&of_account["id"], &of_account["email"]), (&json!(ada.user_id), &json!("ada@example.com")));
    assert_eq!((&of_account["username"], &of_account["displayName"]), (&json!("ada_l"), &json!("Ada L.")));
    assert_eq!((&of_account["dateOfBirth"], &of_account["address"]["postalCode"]), (&json!("1990-04-01"), &json!("10110")));
    assert_eq!((&of_account["hasPassword"], &of_account["status"]), (&json!(true), &json!("ACTIVE")));
    let list = |name: &str| export[name].as_array().unwrap_or_else(|| panic!("{name}: {export}")).clone();
    let url = format!("{}/avatars/{PICTURE}", gateway.origin);
    assert_eq!((&of_account["avatar"]["key"], &of_account["avatar"]["url"]), (&json!(PICTURE), &json!(url)));
    let ids: Vec<_> = list("sessions").iter().map(|session| session["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&json!(ada.session_id)) && ids.contains(&json!(second.session_id)));
    assert!(list("sessions").iter().all(|session| session["ipAddress"].is_string() && session["device"]["userAgent"].is_string()));
    assert_eq!(list("devices").len(), 2);
    let attempts = list("passwordResetAttempts");
    assert!(attempts.len() == 2 && attempts.iter().all(|attempt| attempt["contact"] == "ada@example.com"), "{attempts:?}");
    assert!(!export.to_string().contains("unproved@example.com"));
    assert!(list("links").iter().any(|link| link["purpose"] == "PASSWORD_RESET"));
    assert!(list("messages").iter().any(|message| message["template"] == "new_device"));
    assert!(list("failedAttempts").iter().any(|counter| counter["kind"] == "PASSWORD"));
    let kinds: Vec<_> = list("activity").iter().map(|row| row["type"].as_str().unwrap().to_owned()).collect();
    for kind in ["account_created", "login", "profile_update", "account_export"] {
        assert!(kinds.contains(&kind.to_owned()), "{kind}: {kinds:?}");
    }
    assert!(list("activity").iter().all(|row| row["request"]["ipAddress"].is_string()));
    assert!(list("events").iter().any(|event| event["kind"] == "UPDATED"));

    // Nothing that serves a thief, in any writing.
    let mut said = Vec::new();
    texts(&export, &mut said);
    let document = export.to_string();
    let tokens = [ada.tokens().access, second.tokens().access, second.tokens().refresh.unwrap()];
    let sent = [notice.link_token(), reset.link_token(), second.visitor.device_token().unwrap(), PASSWORD.to_owned()];
    for secret in tokens.iter().chain(&sent) {
        assert!(!document.contains(secret.as_str()), "the document has {secret}");
    }
    assert!(!said.contains(&reset.code()));
    let database = gateway.database().await;
    let user = entity::users::Entity::find_by_id(id_of(&ada)).one(&database).await.unwrap().unwrap();
    assert!(!document.contains(&user.password_hash.unwrap()) && !document.contains("argon2"));
    for word in ["hash", "sealed", "secret", "token"] {
        assert!(!document.to_lowercase().replace("token_refresh", "").contains(&format!("\"{word}")), "a column named {word}");
    }
    // And nothing of others.
    for other in [bystander.user_id.as_str(), "bob@example.com", bystander.session_id.as_str()] {
        assert!(!document.contains(other), "the document has {other}");
    }
}

// A list that is longer than a page comes whole.
#[tokio::test]
async fn long_lists_come_whole() {
    use entity::user_audit_log;
    use sea_orm::{
        ActiveValue::{NotSet, Set},
        ColumnTrait, QueryFilter,
    };
    let gateway = without_buckets().await;
    let ada = account(&gateway, "ada@example.com").await;
    let database = gateway.database().await;
    let of_ada = user_audit_log::Entity::find().filter(user_audit_log::Column::UserId.eq(id_of(&ada)));
    let template = of_ada.clone().one(&database).await.unwrap().unwrap();
    for sensitive in [false, true, false, false, false, false, false] {
        let rows = (0..200).map(|_| {
            let id = gateway.app().entropy.uuid(gateway.clock.now());
            user_audit_log::ActiveModel { seq: NotSet, id: Set(id), is_sensitive: Set(sensitive), ..template.clone().into() }
        });
        user_audit_log::Entity::insert_many(rows).exec_without_returning(&database).await.unwrap();
    }
    let export = ada.try_export_account().await.expect_done()["export"].clone();
    let all = of_ada.filter(user_audit_log::Column::IsSensitive.eq(false)).all(&database).await.unwrap();
    assert!(all.len() > 1_200);
    let mut ids: Vec<_> = export["activity"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
}
