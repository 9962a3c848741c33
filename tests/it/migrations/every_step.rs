//! Every step, undone and taken again with data in what the others hold.

use std::collections::BTreeMap;

use postern::storage::migrate;
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use super::scratch::{Scratch, clock, databases};

async fn all(scratch: &Scratch, sql: &str) -> Vec<QueryResult> {
    let db = scratch.database.read();
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql.to_owned())).await.unwrap()
}

async fn sql(scratch: &Scratch, sql: &str) {
    scratch.database.write().execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// An account with a row in every table of the first three steps, written in what those steps know.
async fn fill(scratch: &Scratch) {
    let postgres = scratch.is_postgres();
    let (id, hash) = if postgres { ("gen_random_uuid()", "decode(repeat('ab', 32), 'hex')") } else { ("randomblob(16)", "zeroblob(32)") };
    let now = "'2026-11-20T12:00:00.000001Z'";
    let users = format!(
        "INSERT INTO users (id, email, email_verified_at, role, status, created_at, updated_at)
         VALUES ({id}, 'ada@example.com', {now}, 'admin', 'active', {now}, {now}), ({id}, 'eve@example.com', NULL, 'user', 'banned', {now}, {now})"
    );
    sql(scratch, &users).await;
    let sessions = format!(
        "INSERT INTO user_sessions (id, user_id, refresh_generation, confirmed_generation, refresh_key_id, refresh_token_hash, refreshed_at,
         token_delivery, status, device_type, device_name, login_method, authenticated_at, expires_at, absolute_expires_at, last_activity_at,
         created_at, updated_at)
         SELECT {id}, id, 1, 0, 'k', {hash}, {now}, 'body', 'active', 'desktop', 'x', 'password', {now}, {now}, {now}, {now}, {now}, {now} FROM users"
    );
    sql(scratch, &sessions).await;
    let counters = format!(
        "INSERT INTO attempt_counters (id, kind, key, user_id, failures, total, locks, created_at, updated_at)
         SELECT {id}, 'password', {hash}, id, 1, 1, 0, {now}, {now} FROM users WHERE role = 'admin'"
    );
    sql(scratch, &counters).await;
    sql(scratch, &format!("INSERT INTO account_events (id, epoch, kind, user_id, at) SELECT {id}, 1, 'created', id, {now} FROM users"))
        .await;
    let audit = format!(
        "INSERT INTO user_audit_log (id, epoch, user_id, actor, event_type, event_category, action, status, ip_address, severity,
         retention_policy, created_at) SELECT {id}, 1, id, 'user', 'login', 'authentication', 'login', 'failure', '192.0.2.1', 'warning',
         'permanent', {now} FROM users"
    );
    sql(scratch, &audit).await;
    sql(scratch, &format!("INSERT INTO leases (job, holder, until, position, updated_at) VALUES ('x', 'y', {now}, '1/2/3', {now})")).await;
}

/// What the rows say in columns of the first three steps.
async fn told(scratch: &Scratch) -> BTreeMap<&'static str, Vec<String>> {
    let mut told = BTreeMap::new();
    for (table, text) in [
        ("users", "email || ' ' || role || ' ' || status"),
        ("user_sessions", "device_name || refresh_key_id || status"),
        ("attempt_counters", "kind"),
        ("account_events", "kind"),
        ("user_audit_log", "event_type || status || ip_address || retention_policy"),
        ("leases", "position"),
    ] {
        let rows = all(scratch, &format!("SELECT {text} AS told FROM {table} ORDER BY told")).await;
        told.insert(table, rows.iter().map(|row| row.try_get("", "told").unwrap()).collect());
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_undone_and_taken_again_with_data() {
    for scratch in databases().await {
        migrate::up(&scratch.database, &clock()).await.unwrap();
        fill(&scratch).await;
        let before = told(&scratch).await;
        assert!(before.values().all(|rows| !rows.is_empty()), "{before:?}");
        // One, then two, then three …: those that made the tables take their rows with them.
        for count in 1..=migration::STEPS.len() {
            let undone = migrate::down(&scratch.database, &clock(), count, "test").await.unwrap();
            assert_eq!(undone, migration::STEPS.iter().rev().take(count).map(|step| step.name).collect::<Vec<_>>());
            let again = migrate::up(&scratch.database, &clock()).await.unwrap();
            assert_eq!(again.len(), count);
            assert_eq!(migrate::verify(&scratch.database).await.unwrap(), [], "after {undone:?}");
            let keeps_all = migration::STEPS.len() - count >= 3;
            if keeps_all {
                assert_eq!(told(&scratch).await, before, "after {undone:?}");
            }
            // The guard of the audit log is there again.
            assert!(!keeps_all || scratch.database.write().execute_unprepared("DELETE FROM user_audit_log").await.is_err());
        }
        fill(&scratch).await;
        assert_eq!(told(&scratch).await, before);
        scratch.remove().await;
    }
}

/// What a step leaves when it is undone is what was there before it was taken.
#[tokio::test(flavor = "multi_thread")]
async fn undone_steps_leave_nothing_behind() {
    for scratch in databases().await {
        let catalogue = if scratch.is_postgres() {
            "SELECT kind || ' ' || name || ' ' || told AS told FROM (
               SELECT 'column' AS kind, c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) || a.attnotnull AS told
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
               UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
               UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = current_schema()
               UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
               UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                 WHERE c.relnamespace = current_schema()::regnamespace AND NOT tgisinternal
               UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
             ) AS all_of_it ORDER BY told"
        } else {
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS told FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY told"
        };
        let schema = async || -> Vec<String> {
            let rows = all(&scratch, catalogue).await;
            rows.iter().map(|row| row.try_get::<String>("", "told").unwrap().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        migrate::up(&scratch.database, &clock()).await.unwrap();
        let mut before = vec![schema().await];
        for _ in migration::STEPS {
            migrate::down(&scratch.database, &clock(), 1, "test").await.unwrap();
            before.push(schema().await);
        }
        // Whether a step was undone beside the newer ones or after them, what is left is the same.
        for (left, wanted) in before.iter().enumerate().skip(1) {
            migrate::up(&scratch.database, &clock()).await.unwrap();
            assert_eq!(schema().await, before[0], "taken again");
            migrate::down(&scratch.database, &clock(), left, "test").await.unwrap();
            assert_eq!(schema().await, *wanted, "{left} undone at once");
        }
        scratch.remove().await;
    }
}
