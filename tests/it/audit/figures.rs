//! Figures of the deployment, and the history of its schema.

use std::time::Duration;

use serde_json::{Value, json};

use super::{becomes_admin, set_role};
use crate::support::{Gateway, PASSWORD};

const FIGURES: &str = "{ statistics { users activeUsers verifiedUsers lockedUsers usersWithSecondFactor activeSessions suspiciousSessions
    pendingChallenges signInsLast24Hours failedSignInsLast24Hours at database { backend version sizeBytes tables { name rows } } } }";

#[tokio::test]
async fn figures_are_of_one_moment_and_kept_for_some_seconds() {
    let gateway = Gateway::start_with(|config| config.rate_limits.enabled = false).await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let ada = gateway.app_user();
    let member = ada.becomes_member("ada@example.com").await;
    member.enable_totp(&gateway.clock).await;
    gateway.next_message("ada@example.com").await;
    gateway.app_user().becomes_member("eve@example.com").await.sign_out().await;
    gateway.app_user().sign_up("kim@example.com", PASSWORD).await;
    gateway.next_message("kim@example.com").await;
    for _ in 0..5 {
        gateway.app_user().try_sign_in("eve@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    }
    let before = gateway.app().database.statements();
    let first = admin.graphql(FIGURES, json!({})).await.expect_field();
    let asked = gateway.app().database.statements() - before;
    let expected = json!({
        "users": 3, "activeUsers": 3, "verifiedUsers": 3, "lockedUsers": 1, "usersWithSecondFactor": 1, "activeSessions": 2, "suspiciousSessions": 0,
        "pendingChallenges": 1, "signInsLast24Hours": 3, "failedSignInsLast24Hours": 5,
    });
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(first[name], *count, "{name}: {first}");
    }
    assert_eq!(first["at"], gateway.clock.now().to_string());
    let database = &first["database"];
    assert!(database["sizeBytes"].as_f64().unwrap() > 10_000.0 && database["version"].as_str().unwrap().contains('.'), "{database}");
    let postgres = gateway.config.database.url.starts_with("postgres");
    assert_eq!(database["backend"], if postgres { "PostgreSQL" } else { "SQLite" });
    let users = database["tables"].as_array().unwrap().iter().find(|table| table["name"] == "users").unwrap();
    // PostgreSQL's own count comes a moment late.
    assert!(postgres || users["rows"] == 3.0, "{users}");

    // Whoever asks again within some seconds gets the same, and the database is not asked.
    gateway.app_user().becomes_member("bob@example.com").await;
    let before = gateway.app().database.statements();
    for _ in 0..20 {
        assert_eq!(admin.graphql(FIGURES, json!({})).await.expect_field(), first);
    }
    assert!(gateway.app().database.statements() - before < asked + 10);
    gateway.advance(postern::flows::statistics::KEPT);
    let later = admin.graphql(FIGURES, json!({})).await.expect_field();
    assert_eq!((&later["users"], &later["activeUsers"]), (&json!(4), &json!(4)));
    // A day later.
    gateway.advance(Duration::from_hours(24));
    set_role(&gateway, &admin.user_id, entity::users::Role::Admin).await;
    let admin = admin.visitor.sign_in("root@example.com", PASSWORD).await;
    let later = admin.graphql(FIGURES, json!({})).await.expect_field();
    assert_eq!((&later["signInsLast24Hours"], &later["failedSignInsLast24Hours"]), (&json!(1), &json!(0)));
    assert_eq!((&later["lockedUsers"], &later["pendingChallenges"]), (&json!(0), &json!(0)));
    gateway.expect_undelivered();
}

#[tokio::test]
async fn the_history_of_the_schema_tells_what_is_pending() {
    use sea_orm::ConnectionTrait;
    let gateway = Gateway::start().await;
    let admin = becomes_admin(&gateway, &gateway.app_user(), "root@example.com").await;
    let query = "{ migrations { name type batch description checksum status executionTimeMs errorMessage canRollBack appliedAt completedAt
        rolledBackAt rolledBackBy } }";
    let all = admin.graphql(query, json!({})).await.expect_field();
    let told =
        |all: &Value, name: &str| all.as_array().unwrap().iter().map(|step| step[name].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(told(&all, "name"), migration::STEPS.iter().map(|step| step.name).collect::<Vec<_>>(), "the oldest first");
    let first = &all[0];
    assert_eq!((&first["type"], &first["status"], &first["batch"]), (&json!("SCHEMA"), &json!("COMPLETED"), &json!(1)));
    assert_eq!((&first["checksum"], &first["canRollBack"]), (&json!(migration::STEPS[0].checksum()), &json!(true)));
    assert!(first["appliedAt"].is_string() && first["completedAt"].is_string() && first["rolledBackAt"].is_null(), "{first}");
    // What a newer version would find: one step undone by somebody, one that never ran.
    let database = gateway.database().await;
    let last = migration::STEPS.last().unwrap().name;
    database.execute_unprepared(&format!("DELETE FROM migration_history WHERE name = '{last}'")).await.unwrap();
    let undo = "UPDATE migration_history SET status = 'rolled_back', rolled_back_at = started_at, rolled_back_by = 'ada' WHERE name = '0001_accounts'";
    database.execute_unprepared(undo).await.unwrap();
    let all = admin.graphql(query, json!({})).await.expect_field();
    assert_eq!((&all[0]["status"], &all[0]["rolledBackBy"]), (&json!("ROLLED_BACK"), &json!("ada")));
    let pending = all.as_array().unwrap().last().unwrap();
    assert_eq!((&pending["name"], &pending["status"], &pending["batch"]), (&json!(last), &json!("PENDING"), &Value::Null));
    assert!(pending["checksum"].is_string() && pending["appliedAt"].is_null());
}
