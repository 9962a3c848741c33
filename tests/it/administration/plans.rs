//! With a hundred thousand users PostgreSQL answers every list by its indexes: no query reads a table from end to end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{Timestamp, user_sessions, users};
use postern::storage::{
    sessions,
    user_lists::{self, Field, Filter, Key, Order, Window},
    user_search::{self, Found, Search},
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryTrait, Statement, sea_query::PostgresQueryBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Gateway, PASSWORD, fill, postgres};

const USERS: &str = "
INSERT INTO users (id, email, email_verified_at, phone, phone_verified_at, username, display_name, full_name, first_name, last_name,
                   role, status, last_login_at, created_at, updated_at)
SELECT md5('user' || n)::uuid, 'user' || n || '@example.com',
       CASE WHEN n % 50 <> 0 THEN at END,
       CASE WHEN n % 3 = 0 THEN '+6681' || lpad(n::text, 7, '0') END, CASE WHEN n % 60 = 0 THEN at END,
       CASE WHEN n % 2 = 0 THEN 'name' || n END, 'Person ' || n, 'Person ' || n || ' Of Many', 'First' || n % 5000, 'Last' || n % 7000,
       CASE WHEN n % 20000 = 0 THEN 'admin' ELSE 'user' END,
       CASE WHEN n % 500 = 0 THEN 'banned' WHEN n % 300 = 0 THEN 'suspended' ELSE 'active' END,
       CASE WHEN n % 10 <> 0 THEN at + interval '1 day' END, at, at
FROM (SELECT n, timestamptz '2026-01-01 00:00:00.000001+00' + n * interval '1 minute' AS at FROM generate_series(:from, :to) AS n) AS numbers";

const SESSIONS: &str = "
INSERT INTO user_sessions (id, user_id, refresh_generation, confirmed_generation, refresh_key_id, refresh_token_hash, refreshed_at,
                           token_delivery, status, device_type, device_name, ip_address, login_method, authenticated_at, risk_score,
                           is_suspicious, expires_at, absolute_expires_at, last_activity_at, created_at, updated_at)
SELECT md5('session' || n)::uuid, md5('user' || 1 + n % 100000)::uuid, 1, 1, 'k', decode(repeat('00', 32), 'hex'), at, 'cookie',
       CASE WHEN n % 1000 = 0 THEN 'suspicious' WHEN n % 3 = 0 THEN 'revoked' WHEN n % 3 = 1 THEN 'expired' ELSE 'active' END,
       'desktop', 'Firefox', '10.' || n % 200 || '.' || n % 251 || '.1', 'password', at, CASE WHEN n % 500 = 0 THEN 60 + n % 40 ELSE 0 END,
       n % 800 = 0, at + interval '300 days', at + interval '300 days', at, at, at
FROM (SELECT n, timestamptz '2026-01-01 00:00:00.000001+00' + n * interval '30 seconds' AS at FROM generate_series(:from, :to) AS n) AS numbers";

const COUNTERS: &str = "
INSERT INTO attempt_counters (id, kind, key, user_id, failures, total, locks, locked_until, created_at, updated_at, is_account)
SELECT md5('counter' || n)::uuid, 'password', decode(md5('counter' || n), 'hex'), md5('user' || n)::uuid, 5, 5, 1,
       CASE WHEN n % 200 = 0 THEN timestamptz '2030-01-01 00:00:00+00' END, now(), now(), true
FROM generate_series(:from, :to) AS n";

/// The nodes of a plan that read a table from end to end.
fn sequential(plan: &Value, found: &mut Vec<String>) {
    if plan["Node Type"] == "Seq Scan" {
        found.push(plan["Relation Name"].to_string());
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        sequential(part, found);
    }
}

/// What was found wanting, with its plan.
type Wanting = Vec<String>;

async fn explain(database: &DatabaseConnection, wanting: &mut Wanting, (what, sql): (&str, &str)) {
    let explain = Statement::from_string(DbBackend::Postgres, format!("EXPLAIN (FORMAT JSON) {sql}"));
    let plan: Value = database.query_one_raw(explain).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let mut found = Vec::new();
    sequential(&plan[0]["Plan"], &mut found);
    if !found.is_empty() {
        wanting.push(format!("{what} reads {found:?} from end to end:\n{sql}\n{plan:#}"));
    }
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + minutes * 60_000)
}

fn searches() -> Vec<(&'static str, Search)> {
    let search = |word: &str, phones: &[&str]| Search {
        word: word.to_owned(),
        names: vec![word.to_owned()],
        phones: phones.iter().map(|phone| (*phone).to_owned()).collect(),
    };
    vec![
        ("one", search("user77777@", &[])),
        ("some", search("person 12", &[])),
        ("a number", search("+668100123", &["+668100123"])),
        ("many", search("user", &[])),
        ("everybody", search("p", &["+66"])),
        ("nobody", search("zzz", &[])),
    ]
}

fn filters() -> Vec<(&'static str, Filter)> {
    use users::{Role, Status};
    let all = Filter::default();
    vec![
        ("nothing", all.clone()),
        ("active", Filter { status: Some(vec![Status::Active]), ..all.clone() }),
        ("banned", Filter { status: Some(vec![Status::Banned]), ..all.clone() }),
        ("not active", Filter { status: Some(vec![Status::Banned, Status::Suspended, Status::Inactive]), ..all.clone() }),
        ("administrators", Filter { role: Some(vec![Role::Admin]), ..all.clone() }),
        ("users", Filter { role: Some(vec![Role::User]), ..all.clone() }),
        ("verified address", Filter { email_verified: Some(true), ..all.clone() }),
        ("unverified address", Filter { email_verified: Some(false), ..all.clone() }),
        ("verified number", Filter { phone_verified: Some(true), ..all.clone() }),
        ("unverified number", Filter { phone_verified: Some(false), ..all.clone() }),
        ("locked", Filter { locked: Some(true), ..all.clone() }),
        ("not locked", Filter { locked: Some(false), ..all.clone() }),
        ("created within", Filter { created_after: Some(at(40_000)), created_before: Some(at(40_100)), ..all.clone() }),
        ("created after", Filter { created_after: Some(at(50_000)), ..all.clone() }),
        ("signed in within", Filter { last_sign_in_after: Some(at(60_000)), last_sign_in_before: Some(at(60_100)), ..all.clone() }),
        ("signed in before", Filter { last_sign_in_before: Some(at(2_000)), ..all }),
    ]
}

fn key(field: Field, minutes: i64) -> Key {
    match field {
        Field::CreatedAt => Key::CreatedAt(at(minutes)),
        Field::LastSignInAt => Key::LastSignInAt(Some(at(minutes))),
        Field::Email => Key::Email(Some(format!("user{minutes}@example.com"))),
    }
}

fn windows(field: Field) -> Vec<Window> {
    let (here, id) = (key(field, 50_000), Uuid::from_u128(7));
    let start = Window { after: None, before: None, from_end: false, limit: 21 };
    vec![
        start.clone(),
        Window { after: Some((here.clone(), id)), ..start.clone() },
        Window { before: Some((here, id)), from_end: true, ..start.clone() },
        Window { from_end: true, ..start },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_reads_a_table_from_end_to_end() {
    if postgres().is_none() {
        println!("skipped: needs POSTERN_TEST_POSTGRES");
        return;
    }
    let gateway = Gateway::start().await;
    let database = gateway.database().await;
    for (sql, rows) in [(USERS, 100_000), (SESSIONS, 200_000), (COUNTERS, 50_000)] {
        fill(&database, sql, rows).await;
    }
    database.execute_unprepared("ANALYZE users; ANALYZE user_sessions; ANALYZE attempt_counters").await.unwrap();
    let (backend, now) = (DbBackend::Postgres, gateway.clock.now());
    let mut wanting = Wanting::new();
    for field in [Field::CreatedAt, Field::LastSignInAt, Field::Email] {
        for descends in [true, false] {
            let order = Order { field, descends };
            for window in windows(field) {
                for (name, filter) in filters() {
                    let query = user_lists::query(backend, &filter, None, (order, &window), now);
                    explain(&database, &mut wanting, (&format!("{name} by {order:?}"), &query.build(backend).to_string())).await;
                }
                for (name, search) in searches() {
                    let found = user_search::find(&database, &search, 100).await.unwrap();
                    let is_many = matches!(found, Found::Many(_));
                    assert_eq!(is_many, ["many", "everybody", "some"].contains(&name), "{name}: {found:?}");
                    let query = user_lists::query(backend, &Filter::default(), Some(&found), (order, &window), now);
                    explain(&database, &mut wanting, (&format!("a search for {name} by {order:?}"), &query.build(backend).to_string()))
                        .await;
                }
            }
        }
    }
    for (name, search) in searches() {
        let query = user_search::starts(backend, &search, 101).unwrap().to_string(PostgresQueryBuilder);
        explain(&database, &mut wanting, (&format!("the search for {name}"), &query)).await;
    }
    explain_sessions(&database, &mut wanting, now).await;
    assert!(wanting.is_empty(), "{}", wanting.join("\n\n"));
    // Beyond ten thousand a count is what the planner expects, and near enough.
    let count = user_lists::count(&database, &Filter::default(), 10_000, now).await.unwrap();
    assert!((90_000..=110_000).contains(&count), "{count}");
    let banned = Filter { status: Some(vec![users::Status::Banned]), ..Filter::default() };
    assert_eq!(user_lists::count(&database, &banned, 10_000, now).await.unwrap(), 200);
    // As numbers: what is searched for comes back, in its order.
    let window = Window { after: None, before: None, from_end: false, limit: 3 };
    let order = Order { field: Field::CreatedAt, descends: true };
    let filter = Filter { search: Some(searches()[1].1.clone()), ..Filter::default() };
    let page = user_lists::list(&database, &filter, order, &window, now).await.unwrap();
    let names: Vec<_> = page.iter().map(|user| user.display_name.as_deref().unwrap()).collect();
    assert_eq!(names, ["Person 12999", "Person 12998", "Person 12997"]);
    // Further down and back again.
    let place = |user: &users::Model| Some((Key::of(order.field, user), user.id));
    let next = Window { after: place(&page[2]), before: None, from_end: false, limit: 3 };
    let next = user_lists::list(&database, &filter, order, &next, now).await.unwrap();
    let names: Vec<_> = next.iter().map(|user| user.display_name.as_deref().unwrap()).collect();
    assert_eq!(names, ["Person 12996", "Person 12995", "Person 12994"]);
    let back = Window { after: None, before: place(&next[0]), from_end: true, limit: 3 };
    let back = user_lists::list(&database, &filter, order, &back, now).await.unwrap();
    assert_eq!(back.iter().rev().map(|user| user.id).collect::<Vec<_>>(), page.iter().map(|user| user.id).collect::<Vec<_>>());
    // What a connection did is counted when it closes, at the latest.
    database.close().await.unwrap();
    Box::pin(flows_read_no_table_from_end_to_end(gateway)).await;
}

/// One number, or more, of the statistics of PostgreSQL.
async fn statistics(url: &str, sql: &str) -> Vec<(String, i64)> {
    let database = Database::connect(url).await.unwrap();
    let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    database.close().await.unwrap();
    rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

/// The flows of every day ask what no list above asks, the history of the risk among it: PostgreSQL itself counts how it found the rows.
async fn flows_read_no_table_from_end_to_end(gateway: Gateway) {
    const SCANS: &str = "SELECT relname::text, seq_scan FROM pg_stat_user_tables WHERE n_live_tup > 10000 ORDER BY relname";
    const OTHERS: &str =
        "SELECT 'connections', count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (url, place) = (gateway.config.database.url.clone(), Arc::clone(gateway.door()));
    let before = statistics(&url, SCANS).await;
    assert_eq!(before.len(), 3, "{before:?}");
    let beside = gateway.start_beside().await;
    let member = beside.app_user().becomes_member("ada@example.com").await;
    let other = beside.app_user().sign_in("ada@example.com", PASSWORD).await;
    beside.app_user().try_sign_in("ada@example.com", "not the password").await.expect_problem("CREDENTIALS_INVALID");
    other.refresh().await;
    other.sessions().await;
    let challenge = beside.app_user().request_sign_in_code("ada@example.com").await;
    // A notice of the other device came before it.
    let code = loop {
        if let Some(code) = beside.next_message("ada@example.com").await.code {
            break code;
        }
    };
    let third = beside.app_user().sign_in_with_code(&challenge, &code).await;
    third.try_change_password(PASSWORD, "another long password of hers").await.expect_done();
    third.try_export_account().await.expect_done();
    beside.app_user().request_password_reset("ada@example.com").await;
    let admin = beside.administrator("root@example.com").await;
    admin.try_users(json!({"filter": {"search": "person 77"}})).await.expect_field();
    admin.try_sessions(json!({"filter": {"userId": member.user_id}})).await.expect_field();
    admin.try_set_role(&member.user_id, "ADMIN").await.expect_done();
    third.revoke_others().await;
    third.sign_out().await;
    gateway.expect_undelivered();
    drop((beside, gateway));
    let began = Instant::now();
    while statistics(&url, OTHERS).await[0].1 > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "connections stay");
    }
    assert_eq!(statistics(&url, SCANS).await, before);
    drop(place);
}

async fn explain_sessions(database: &DatabaseConnection, wanting: &mut Wanting, now: Timestamp) {
    use user_sessions::Status;
    let all = sessions::Filter::default();
    let of = |status: &[Status]| sessions::Filter { status: Some(status.to_vec()), ..sessions::Filter::default() };
    let filters = [
        ("nothing", all.clone()),
        ("a user", sessions::Filter { user_id: Some(Uuid::from_u128(7)), ..all.clone() }),
        ("active", of(&[Status::Active])),
        ("suspicious", of(&[Status::Suspicious])),
        ("expired", of(&[Status::Expired])),
        ("revoked", of(&[Status::Revoked])),
        ("marked suspicious", sessions::Filter { suspicious: Some(true), ..all.clone() }),
        ("not marked", sessions::Filter { suspicious: Some(false), ..all.clone() }),
        ("risky", sessions::Filter { risk_score_at_least: Some(80), ..all.clone() }),
        ("any risk", sessions::Filter { risk_score_at_least: Some(0), ..all.clone() }),
        ("an address", sessions::Filter { ip_address: Some("10.7.7.1".to_owned()), ..all.clone() }),
        ("lately", sessions::Filter { created_after: Some(at(90_000)), ..all }),
    ];
    let here = Some((at(50_000), Uuid::from_u128(7)));
    for (name, filter) in filters {
        for (after, before, from_end) in [(None, None, false), (here, None, false), (None, here, true), (None, None, true)] {
            let query = sessions::page(&filter, sessions::Window { after, before, from_end, limit: 21 }, now);
            explain(database, wanting, (&format!("sessions: {name}"), &query.build(DbBackend::Postgres).to_string())).await;
        }
    }
}
