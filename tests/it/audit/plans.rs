//! How PostgreSQL goes about every way to ask, with a hundred thousand rows: never through all of them.

use entity::{
    Timestamp,
    user_audit_log::{Category, Severity, Status},
};
use postern::storage::{
    audit_search::{self, Filter, Place, Window},
    password_reset_attempts, statistics,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    migrations::scratch::{Scratch, migrated_postgres},
    support::fill,
};

/// As a deployment has them: many sign-ins of many users, few of everything else.
const ROWS: &str = "INSERT INTO user_audit_log (id, epoch, user_id, actor, actor_user_id, session_id, request_id, event_type, event_category, action,
        status, ip_address, severity, retention_policy, expires_at, tags, created_at)
    SELECT gen_random_uuid(), 1, u, 'user', u, md5('session' || n % 40000)::uuid, n::text, kind.name, kind.category, kind.name, kind.status,
        '198.18.' || n % 200 || '.' || n % 250, kind.severity, 'extended', now() + interval '1 year',
        jsonb_build_array(kind.tag),
        date_trunc('milliseconds', now()) - (100000 - n) * interval '5 minutes' + interval '1 microsecond'
    FROM generate_series(:from, :to) AS n
    CROSS JOIN LATERAL (SELECT md5('user' || n % 20000)::uuid AS u) AS users
    CROSS JOIN LATERAL (SELECT * FROM (VALUES
        (0, 'login', 'authentication', 'success', 'info', 'session'), (1, 'token_refresh', 'authentication', 'success', 'info', 'session'),
        (2, 'login', 'authentication', 'failure', 'warning', 'session'), (3, 'password_change', 'security', 'success', 'info', 'password'),
        (4, 'account_locked', 'security', 'failure', 'error', 'lockout'), (5, 'user_banned', 'admin', 'success', 'critical', 'by_admin')
        ) AS kinds (number, name, category, status, severity, tag)
        WHERE number = CASE WHEN n % 5000 = 0 THEN 5 WHEN n % 997 = 0 THEN 4 WHEN n % 101 = 0 THEN 3 WHEN n % 11 = 0 THEN 2 WHEN n % 3 = 0 THEN 0 ELSE 1 END
    ) AS kind";

const ATTEMPTS: &str = "INSERT INTO password_reset_attempts (id, contact, ip_address, token_generated, success, created_at, updated_at)
    SELECT gen_random_uuid(), 'user' || n % 20000 || '@example.com', '198.18.' || n % 200 || '.' || n % 250, true, n % 50 = 0,
        now() - n * interval '1 minute', now() FROM generate_series(:from, :to) AS n";

const PEOPLE: &str = "INSERT INTO users (id, email, email_verified_at, role, status, created_at, updated_at)
    SELECT md5('user' || n)::uuid, 'user' || n || '@example.com', CASE WHEN n % 100 > 0 THEN now() END, 'user',
        CASE WHEN n % 200 = 0 THEN 'banned' ELSE 'active' END, now(), now() FROM generate_series(:from, :to) AS n";

const SESSIONS: &str = "INSERT INTO user_sessions (id, user_id, refresh_generation, confirmed_generation, refresh_key_id, refresh_token_hash,
        refreshed_at, token_delivery, status, device_type, device_name, login_method, authenticated_at, expires_at, absolute_expires_at,
        last_activity_at, created_at, updated_at)
    SELECT gen_random_uuid(), md5('user' || n)::uuid, 1, 0, 'k', decode(repeat('ab', 32), 'hex'), now(), 'body',
        CASE WHEN n % 2 = 0 THEN 'active' ELSE 'expired' END, 'desktop', 'x', 'password', now(), now() + interval '1 day', now() + interval '1 day',
        now(), now(), now() FROM generate_series(:from, :to) AS n";

const COUNTERS: &str = "INSERT INTO attempt_counters (id, kind, key, user_id, failures, total, locks, locked_until, created_at, updated_at)
    SELECT gen_random_uuid(), 'password', decode(md5('user' || n), 'hex'), md5('user' || n)::uuid, 1, 1, 0,
        CASE WHEN n % 500 = 0 THEN now() + interval '1 hour' END, now(), now() FROM generate_series(:from, :to) AS n";

async fn filled() -> Option<Scratch> {
    let scratch = migrated_postgres().await.pop()?;
    let patient = sea_orm::Database::connect(&scratch.url).await.unwrap();
    for sql in [PEOPLE, SESSIONS, COUNTERS, ROWS, ATTEMPTS] {
        fill(&patient, sql, 100_000).await;
    }
    patient.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    patient.close().await.unwrap();
    Some(scratch)
}

/// The plan of a statement, as text.
async fn plan(scratch: &Scratch, statement: &Statement) -> String {
    let explain = Statement { sql: format!("EXPLAIN (FORMAT JSON) {}", statement.sql), ..statement.clone() };
    let row = scratch.database.read().query_one_raw(explain).await.unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
    let plan: Value = row.unwrap().try_get_by_index(0).unwrap();
    plan.to_string()
}

async fn expect_index(scratch: &Scratch, statement: &Statement, what: &str) {
    let plan = plan(scratch, statement).await;
    assert!(!plan.contains("\"Seq Scan\""), "{what}: {}\n{plan}", statement.sql);
}

/// Runs it for real, and looks at how much was read for it.
async fn expect_few_pages(scratch: &Scratch, statement: &Statement, what: &str) {
    let explain = Statement { sql: format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", statement.sql), ..statement.clone() };
    let row = scratch.database.read().query_one_raw(explain).await.unwrap();
    let plan: Value = row.unwrap().unwrap_json();
    let pages = ["Shared Hit Blocks", "Shared Read Blocks"].map(|name| plan[0]["Plan"][name].as_i64().unwrap()).iter().sum::<i64>();
    assert!(pages < 700, "{what}: {pages} pages: {}\n{plan}", statement.sql);
}

trait UnwrapJson {
    fn unwrap_json(self) -> Value;
}

impl UnwrapJson for sea_orm::QueryResult {
    fn unwrap_json(self) -> Value {
        self.try_get_by_index(0).unwrap()
    }
}

fn windows(at: Timestamp) -> [Window; 3] {
    let place = Some(Place { at, seq: 50_000 });
    let window = Window { after: None, before: None, from_end: false, limit: 21 };
    [window, Window { after: place, ..window }, Window { before: place, from_end: true, ..window }]
}

/// Each part, or not.
fn filters(at: Timestamp) -> Vec<Filter> {
    let parts: [fn(&mut Filter, Timestamp); 11] = [
        |filter, _| filter.user_id = Some(Uuid::from_u128(7)),
        |filter, _| filter.actor_user_id = Some(Uuid::from_u128(7)),
        |filter, _| filter.session_id = Some(Uuid::from_u128(7)),
        |filter, _| filter.ip_address = Some("198.18.7.7".to_owned()),
        |filter, _| filter.tags = vec!["lockout".to_owned()],
        |filter, _| filter.categories = Some(vec![Category::Security, Category::Admin]),
        |filter, _| filter.types = Some(vec!["login".to_owned(), "user_banned".to_owned()]),
        |filter, _| filter.statuses = Some(vec![Status::Failure, Status::Partial]),
        |filter, _| filter.severity_at_least = Some(Severity::Warning),
        |filter, at| filter.since = Some(Timestamp::from_millis(at.millis() - 86_400_000)),
        |filter, at| filter.until = Some(Timestamp::from_millis(at.millis() + 86_400_000)),
    ];
    let chosen = |number: usize| {
        let mut filter = Filter::default();
        parts.iter().enumerate().filter(|(part, _)| number >> part & 1 == 1).for_each(|(_, set)| set(&mut filter, at));
        filter
    };
    (0..1 << parts.len()).map(chosen).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_ask_goes_through_all_rows() {
    let Some(scratch) = filled().await else {
        println!("skipped: needs POSTERN_TEST_POSTGRES");
        return;
    };
    let now = postern::clock::Clock::system().now();
    let at = Timestamp::from_millis(now.millis() - 170 * 86_400_000);
    for (number, filter) in filters(at).iter().enumerate() {
        let window = windows(at)[number % 3];
        expect_index(&scratch, &audit_search::statement(DbBackend::Postgres, filter, window), &format!("{filter:?}")).await;
    }
    // What is rare, alone and beside what is common, and what is not there at all: few pages are read.
    let rare = [
        Filter { categories: Some(vec![Category::Admin]), ..Filter::default() },
        Filter { statuses: Some(vec![Status::Partial]), ..Filter::default() },
        Filter { types: Some(vec!["login".to_owned()]), statuses: Some(vec![Status::Pending]), ..Filter::default() },
        Filter { severity_at_least: Some(Severity::Critical), until: Some(at), ..Filter::default() },
        Filter { until: Some(at), ..Filter::default() },
        Filter { categories: Some(vec![Category::Authentication]), since: Some(at), ..Filter::default() },
        Filter::default(),
    ];
    for filter in rare {
        for window in windows(at) {
            expect_few_pages(&scratch, &audit_search::statement(DbBackend::Postgres, &filter, window), &format!("{filter:?}")).await;
        }
    }
    for window in windows(at) {
        expect_index(&scratch, &audit_search::recent_security_statement(DbBackend::Postgres, window), "recent").await;
    }
    expect_index(&scratch, &audit_search::failed_sign_ins_statement(DbBackend::Postgres, 50), "failed").await;
    expect_index(
        &scratch,
        &statistics::counting_statement(DbBackend::Postgres, now, Timestamp::from_millis(now.millis() - 86_400_000)),
        "figures",
    )
    .await;
    for number in 0..32 {
        let filter = password_reset_attempts::Filter {
            contact: (number & 1 > 0).then(|| "user7@example.com".to_owned()),
            ip_address: (number & 2 > 0).then(|| "198.18.7.7".to_owned()),
            success: (number & 4 > 0).then_some(number & 8 > 0),
            since: (number & 8 > 0).then_some(at),
            until: (number & 16 > 0).then_some(now),
        };
        let window = password_reset_attempts::Window { after: Some((now, Uuid::from_u128(7))), before: None, from_end: false, limit: 21 };
        expect_index(&scratch, &password_reset_attempts::statement(DbBackend::Postgres, &filter, window), &format!("{filter:?}")).await;
    }
    pages_by_kind_are_the_pages_of_the_filter(&scratch).await;
    scratch.remove().await;
}

// The two ways to find a page give the same rows, and so does the filter in memory.
async fn pages_by_kind_are_the_pages_of_the_filter(scratch: &Scratch) {
    use sea_orm::{EntityTrait, QueryOrder};
    let column = entity::user_audit_log::Column::CreatedAt;
    let patient = sea_orm::Database::connect(&scratch.url).await.unwrap();
    let all = entity::user_audit_log::Entity::find()
        .order_by_desc(column)
        .order_by_desc(entity::user_audit_log::Column::Seq)
        .all(&patient)
        .await
        .unwrap();
    patient.close().await.unwrap();
    let at = all[60_000].created_at;
    for filter in
        filters(at).into_iter().filter(|filter| filter.user_id.is_none() && filter.session_id.is_none() && filter.actor_user_id.is_none())
    {
        let matching: Vec<_> = all.iter().filter(|row| filter.matches(row)).collect();
        for window in windows(at) {
            let found = audit_search::list(scratch.database.read(), &filter, window).await.unwrap();
            let is_within = |row: &&&entity::user_audit_log::Model| {
                let place = (row.created_at, row.seq);
                window.after.is_none_or(|after| place < (after.at, after.seq))
                    && window.before.is_none_or(|before| place > (before.at, before.seq))
            };
            let wanted = matching.iter().filter(is_within).map(|row| row.seq);
            let wanted: Vec<i64> = if window.from_end { wanted.rev().take(21).collect() } else { wanted.take(21).collect() };
            assert_eq!(found.iter().map(|row| row.seq).collect::<Vec<_>>(), wanted, "{filter:?} {window:?}");
        }
    }
}
