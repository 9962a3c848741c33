//! The check at the start says what is missing and what is not as it was.

use postern::storage::migrate;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::scratch::{Scratch, migrated};

async fn problems(scratch: &Scratch) -> Vec<String> {
    migrate::verify(&scratch.database).await.unwrap().iter().map(ToString::to_string).collect()
}

/// Breaks it, sees what is said, and mends it.
async fn check(scratch: &Scratch, breaks: &str, mends: &str, said: &str) {
    let db = scratch.database.write();
    db.execute_unprepared(breaks).await.unwrap_or_else(|error| panic!("{breaks}: {error}"));
    assert_eq!(problems(scratch).await, [said], "{breaks}");
    db.execute_unprepared(mends).await.unwrap_or_else(|error| panic!("{mends}: {error}"));
    assert_eq!(problems(scratch).await, Vec::<String>::new(), "{mends}");
}

/// What made a part of the schema, as SQLite keeps it.
async fn source(scratch: &Scratch, name: &str) -> String {
    let sql = format!("SELECT sql FROM sqlite_master WHERE name = '{name}'");
    let row = scratch.database.read().query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

// F: with these a row of the audit log, or a second account of an address, comes and goes unseen.
#[tokio::test(flavor = "multi_thread")]
async fn what_acts_besides_is_told() {
    for scratch in migrated().await {
        let besides = |kind: &str| format!("the table user_audit_log is not as the migrations made it: it has a {kind} swallow besides");
        if scratch.is_postgres() {
            let function = "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$";
            scratch.database.write().execute_unprepared(function).await.unwrap();
            let trigger = "CREATE TRIGGER swallow BEFORE INSERT ON user_audit_log FOR EACH ROW EXECUTE FUNCTION swallow()";
            check(&scratch, trigger, "DROP TRIGGER swallow ON user_audit_log", &besides("trigger")).await;
            let rule = "CREATE RULE swallow AS ON INSERT TO user_audit_log DO INSTEAD NOTHING";
            check(&scratch, rule, "DROP RULE swallow ON user_audit_log", &besides("rule")).await;
            let doubles = "DROP INDEX users_email_key; CREATE INDEX users_email_key ON users (email)";
            let back = "DROP INDEX users_email_key; CREATE UNIQUE INDEX users_email_key ON users (email)";
            check(&scratch, doubles, back, "the index users_email_key is not as the migrations made it: it is not unique").await;
        } else {
            let trigger = "CREATE TRIGGER swallow BEFORE INSERT ON user_audit_log BEGIN SELECT raise(IGNORE); END";
            check(&scratch, trigger, "DROP TRIGGER swallow", &besides("trigger")).await;
            let index = source(&scratch, "users_email_key").await;
            let doubles = format!("DROP INDEX users_email_key; {}", index.replace("UNIQUE ", ""));
            let back = format!("DROP INDEX users_email_key; {index}");
            let said = "the index users_email_key is not as the migrations made it: it does something else";
            check(&scratch, &doubles, &back, said).await;
            let view = source(&scratch, "recent_security_events").await;
            let empty = "DROP VIEW recent_security_events; CREATE VIEW recent_security_events AS SELECT 1 AS one";
            let back = format!("DROP VIEW recent_security_events; {view}");
            let said = "the view recent_security_events is not as the migrations made it: it does something else";
            check(&scratch, empty, &back, said).await;
        }
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_is_missed_by_its_name() {
    for scratch in migrated().await {
        check(
            &scratch,
            "DROP INDEX user_audit_log_ip_address_idx",
            "CREATE INDEX user_audit_log_ip_address_idx ON user_audit_log (ip_address, created_at, seq) WHERE ip_address IS NOT NULL",
            "the index user_audit_log_ip_address_idx is missing or disabled: restore it",
        )
        .await;
        let view = if scratch.is_postgres() {
            "CREATE VIEW recent_security_events AS SELECT 1 AS one".to_owned()
        } else {
            source(&scratch, "recent_security_events").await
        };
        let missing = "the view recent_security_events is missing or disabled: restore it";
        check(&scratch, "DROP VIEW recent_security_events", &view, missing).await;
        let guard = "the trigger user_audit_log_no_delete is missing or disabled: restore it";
        if scratch.is_postgres() {
            let (disable, enable) = ("DISABLE", "ENABLE");
            let alter = |how: &str| format!("ALTER TABLE user_audit_log {how} TRIGGER user_audit_log_no_delete");
            check(&scratch, &alter(disable), &alter(enable), guard).await;
        } else {
            let trigger = source(&scratch, "user_audit_log_no_delete").await;
            check(&scratch, "DROP TRIGGER user_audit_log_no_delete", &trigger, guard).await;
        }
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_changed_table_is_told_with_its_difference() {
    for scratch in migrated().await {
        check(
            &scratch,
            "ALTER TABLE users ADD COLUMN shoe_size integer",
            "ALTER TABLE users DROP COLUMN shoe_size",
            "the table users is not as the migrations made it: it has a column shoe_size besides",
        )
        .await;
        if scratch.is_postgres() {
            for (breaks, mends, how) in [
                ("ALTER COLUMN position SET NOT NULL", "ALTER COLUMN position DROP NOT NULL", "its column position must not be null"),
                ("ALTER COLUMN holder DROP NOT NULL", "ALTER COLUMN holder SET NOT NULL", "its column holder may be null"),
                (
                    "ALTER COLUMN holder TYPE varchar(9)",
                    "ALTER COLUMN holder TYPE text",
                    "its column holder has the type character varying(9) in place of text",
                ),
            ] {
                let alter = |change: &str| format!("ALTER TABLE leases {change}");
                let said = format!("the table leases is not as the migrations made it: {how}");
                check(&scratch, &alter(breaks), &alter(mends), &said).await;
            }
        }
        // Two differences of one table.
        let db = scratch.database.write();
        db.execute_unprepared("ALTER TABLE leases RENAME COLUMN position TO place").await.unwrap();
        let said = problems(&scratch).await;
        assert!(said.contains(&"the table leases is not as the migrations made it: its column position is missing".to_owned()), "{said:?}");
        assert!(said.contains(&"the table leases is not as the migrations made it: it has a column place besides".to_owned()), "{said:?}");
        db.execute_unprepared("ALTER TABLE leases RENAME COLUMN place TO position").await.unwrap();
        scratch.remove().await;
    }
}

// Somebody makes the guard of the audit log look away.
#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_does_something_else_is_told() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        let said = if scratch.is_postgres() {
            let look_away = "CREATE OR REPLACE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$";
            db.execute_unprepared(look_away).await.unwrap();
            "the function keep_audit_log is not as the migrations made it: it does something else"
        } else {
            db.execute_unprepared("DROP TRIGGER user_audit_log_no_delete").await.unwrap();
            let look_away = "CREATE TRIGGER user_audit_log_no_delete BEFORE DELETE ON user_audit_log BEGIN SELECT 1; END";
            db.execute_unprepared(look_away).await.unwrap();
            "the trigger user_audit_log_no_delete is not as the migrations made it: it does something else"
        };
        assert_eq!(problems(&scratch).await, [said]);
        scratch.remove().await;
    }
}

// An older program beside a newer one: what that one added is none of its business.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_program_added_is_fine() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        db.execute_unprepared("ALTER TABLE users ADD COLUMN shoe_size integer").await.unwrap();
        let newer = "INSERT INTO migration_history (name, type, batch, description, file, checksum, status, started_at, can_rollback)
                     SELECT '9999_newer', 'expanding', 2, 'newer', file, checksum, status, started_at, can_rollback
                     FROM migration_history WHERE name = '0001_accounts'";
        db.execute_unprepared(newer).await.unwrap();
        assert_eq!(problems(&scratch).await, Vec::<String>::new());
        scratch.remove().await;
    }
}
