//! What a thousand times as many people cost those who sign in, and those who look through users, sessions and the audit log.
//!
//! A small and a large deployment are asked the same in turns. PostgreSQL counts how often it reads a table from end to end meanwhile.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use entity::{Timestamp, users::Role};
use futures::{StreamExt, stream};
use postern::{clock::Clock, crypto::password_hash::hash_alone, entropy::Entropy};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    figures::{median, millis, percentile},
    gateway::{Backing, Gateway, Place},
    people::{self, COSTS, Client, PASSWORD, Session},
    report::{Bar, Report, Row},
};

const FEW: usize = 1_000;
/// `BENCH_USERS` names fewer, to try this out.
const MANY: usize = 1_000_000;
const SESSIONS_EACH: usize = 3;
const AUDIT_ROWS_EACH: usize = 10;
/// Rows that one statement adds.
const PART: usize = 50_000;

const WARM_UP: usize = 40;
const SAMPLES: usize = 400;
/// Who signs in: each once while it is measured.
const PEOPLE: usize = WARM_UP + SAMPLES;
/// Until the notices about new devices are written, and until connections of PostgreSQL have told what they counted.
const SETTLE: Duration = Duration::from_secs(12);

/// A table of those that grow with the users.
struct Table {
    name: &'static str,
    /// Adds the rows `:from` to `:to`, each written `:at` a time of its own, where there are so many `:users`.
    sql: &'static str,
    rows_each: usize,
    /// The days that its rows are spread over: so few that the clean-up finds nothing to do.
    days: usize,
}

/// Ids ascend with time, as those of the program. Addresses do not: who signed up first has any letter.
const TABLES: [Table; 4] = [
    Table {
        name: "users",
        sql: "
INSERT INTO users (id, email, email_verified_at, phone, phone_verified_at, username, display_name, full_name, first_name, last_name,
                   password_hash, role, status, last_login_at, created_at, updated_at)
SELECT ('0001' || lpad(to_hex(n), 28, '0'))::uuid, 'person' || shuffled || '@example.com', at,
       CASE WHEN n % 3 = 0 THEN '+6681' || lpad(n::text, 7, '0') END, CASE WHEN n % 60 = 0 THEN at END,
       CASE WHEN n % 2 = 0 THEN 'name' || shuffled END, 'Nick' || lpad((n % 1000)::text, 4, '0'), given || ' ' || family, given, family,
       ':hash', 'user',
       CASE WHEN n % 500 = 0 THEN 'banned' WHEN n % 300 = 0 THEN 'suspended' ELSE 'active' END,
       CASE WHEN n % 10 <> 0 THEN at + interval '1 hour' END, at, at
FROM (SELECT n, :at AS at, 1 + n::bigint * 7919 % :users AS shuffled, 'Given' || lpad((n % 200)::text, 3, '0') AS given,
             'Family' || lpad((n % 10007)::text, 5, '0') AS family
      FROM generate_series(:from, :to) AS n) AS numbers",
        rows_each: 1,
        days: 700,
    },
    // The issue names no devices, but who has signed in has one.
    Table {
        name: "known_devices",
        sql: "
INSERT INTO known_devices (id, user_id, token_hash, name, last_seen_at, created_at)
SELECT ('0002' || lpad(to_hex(n), 28, '0'))::uuid, ('0001' || lpad(to_hex(n), 28, '0'))::uuid, decode(repeat('00', 32), 'hex'),
       'Firefox on Linux', :at, :at
FROM generate_series(:from, :to) AS n",
        rows_each: 1,
        days: 80,
    },
    Table {
        name: "user_sessions",
        sql: "
INSERT INTO user_sessions (id, user_id, refresh_generation, confirmed_generation, confirmed_at, refresh_key_id, refresh_token_hash,
                           refreshed_at, token_delivery, amr, status, known_device_id, device_type, device_name, browser, os, user_agent,
                           ip_address, login_method, authenticated_at, risk_score, is_suspicious, expires_at, absolute_expires_at,
                           last_activity_at, revoked_at, revoked_by, revoked_reason, created_at, updated_at)
SELECT ('0003' || lpad(to_hex(n), 28, '0'))::uuid, ('0001' || lpad(to_hex(owner), 28, '0'))::uuid, 1, 1, at, 'k',
       decode(repeat('00', 32), 'hex'), at, 'cookie', '[\"pwd\"]', status, ('0002' || lpad(to_hex(owner), 28, '0'))::uuid, 'desktop',
       'Firefox on Linux', 'Firefox', 'Linux', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
       host(inet '10.0.0.0' + owner / 4), 'password', at, CASE WHEN n % 500 = 0 THEN 60 + n / 500 % 40 ELSE 0 END, n % 800 = 0,
       at + CASE status WHEN 'expired' THEN interval '1 day' ELSE interval '85 days' END, at + interval '90 days', at,
       CASE status WHEN 'revoked' THEN at + interval '1 hour' END, CASE status WHEN 'revoked' THEN 'user' END,
       CASE status WHEN 'revoked' THEN 'signed out' END, at, at
FROM (SELECT n, :at AS at, 1 + n % :users AS owner,
             CASE WHEN n % 1000 = 0 THEN 'suspicious' WHEN n % 3 = 0 THEN 'revoked' WHEN n % 3 = 1 THEN 'expired' ELSE 'active'
             END AS status
      FROM generate_series(:from, :to) AS n) AS numbers",
        rows_each: SESSIONS_EACH,
        days: 80,
    },
    Table {
        name: "user_audit_log",
        sql: "
INSERT INTO user_audit_log (id, epoch, user_id, actor, actor_user_id, session_id, request_id, event_type, event_category, action,
                            resource_type, resource_id, status, message, ip_address, user_agent, request_method, request_path,
                            request_params, response_status, metadata, tags, severity, retention_policy, expires_at, created_at)
SELECT ('0004' || lpad(to_hex(n), 28, '0'))::uuid, 1, whom, 'user', whom, session, n::text, kind.name, kind.category, kind.name,
       'session', session, kind.status, initcap(kind.name), host(inet '10.0.0.0' + owner / 4),
       'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'POST', '/graphql', '{}', 200,
       '{\"method\": \"password\", \"newDevice\": false}', kind.tags, kind.severity, 'extended', at + interval '1 year', at
FROM (SELECT n, owner, ('0001' || lpad(to_hex(owner), 28, '0'))::uuid AS whom, :at AS at,
             ('0003' || lpad(to_hex(1 + (n - 1) % (:users * 3)), 28, '0'))::uuid AS session,
             CASE WHEN n % 5000 = 0 THEN 5 WHEN n % 997 = 0 THEN 4 WHEN n % 101 = 0 THEN 3 WHEN n % 11 = 0 THEN 2 WHEN n % 3 = 0 THEN 0
                  ELSE 1 END AS kind
      FROM (SELECT n, 1 + n % :users AS owner FROM generate_series(:from, :to) AS n) AS owned) AS numbers
JOIN (VALUES
      (0, 'login', 'authentication', 'success', 'info', jsonb '[\"session\"]'),
      (1, 'token_refresh', 'authentication', 'success', 'info', jsonb '[\"session\"]'),
      (2, 'login', 'authentication', 'failure', 'warning', jsonb '[\"session\"]'),
      (3, 'password_change', 'security', 'success', 'info', jsonb '[\"password\"]'),
      (4, 'account_locked', 'security', 'failure', 'error', jsonb '[\"lockout\"]'),
      (5, 'user_banned', 'admin', 'success', 'critical', jsonb '[\"by_admin\"]')
     ) AS kind (number, name, category, status, severity, tags) ON kind.number = numbers.kind",
        rows_each: AUDIT_ROWS_EACH,
        days: 300,
    },
];

/// What is measured.
#[derive(Clone, Copy)]
enum Operation {
    SignIn,
    Refresh,
    Users,
    Sessions,
    AuditEvents,
}

const OPERATIONS: [(Operation, &str); 5] = [
    (Operation::SignIn, "sign-in"),
    (Operation::Refresh, "refresh"),
    (Operation::Users, "`users` search"),
    (Operation::Sessions, "`sessions` page"),
    (Operation::AuditEvents, "`auditEvents` page"),
];

const REFRESH: &str = "mutation ($input: RefreshSessionInput) { refreshSession(input: $input) {
    session { id } tokens { accessToken refreshToken } problems { code } } }";
const USERS: &str = "query ($filter: UserFilter, $orderBy: UserOrder, $after: String) {
    list: users(filter: $filter, orderBy: $orderBy, after: $after) {
        nodes { id email displayName status role createdAt lastSignInAt } pageInfo { endCursor } } }";
const SESSIONS: &str = "query ($filter: SessionFilter, $last: Int, $before: String) {
    list: sessions(filter: $filter, last: $last, before: $before) {
        nodes { id status ipAddress createdAt device { name } user { id email } } pageInfo { startCursor } } }";
const AUDIT_EVENTS: &str = "query ($filter: AuditFilter, $after: String) {
    list: auditEvents(filter: $filter, after: $after) {
        nodes { id type status severity ipAddress createdAt user { id email } } pageInfo { endCursor } } }";

pub async fn measure(backing: &Backing, report: &mut Report) {
    let many = many();
    let begun = Instant::now();
    let places = [filled(backing, FEW).await, filled(backing, many).await];
    println!("filled in {:.0} s", begun.elapsed().as_secs_f64());
    let before = sequential_scans(&places[1]).await;
    let deployments = [Deployment::start(&places[0], FEW).await, Deployment::start(&places[1], many).await];
    let mut took = [(); OPERATIONS.len()].map(|()| [vec![], vec![]]);
    for turn in 0..PEOPLE {
        for (number, (operation, _)) in OPERATIONS.into_iter().enumerate() {
            // Each of the two comes first every other time.
            for which in [turn % 2, 1 - turn % 2] {
                let taken = deployments[which].time(operation, turn).await;
                if turn >= WARM_UP {
                    took[number][which].push(taken);
                }
            }
        }
    }
    drop(deployments);
    for ((_, name), took) in OPERATIONS.into_iter().zip(took) {
        let [(few_p99, few_median), (many_p99, many_median)] = took.each_ref().map(|all| {
            let all = || all.iter().map(|taken| taken.millis);
            (percentile(all(), 99.0), median(all()))
        });
        report.add(Row {
            what: format!("p99 of {name} with {} users, of that with {}", grouped(many), grouped(FEW)),
            on: backing.name,
            bar: Bar::AtMost(2.0, "times"),
            figure: many_p99 / few_p99,
            remark: format!("{many_p99:.1} and {few_p99:.1} ms, medians {many_median:.1} and {few_median:.1}; {SAMPLES} each, in turns"),
        });
        // For whoever wants to know what was slow.
        for taken in took[1].iter().filter(|taken| taken.millis >= many_p99 && !taken.asked.is_null()) {
            println!("    {:.1} ms: {}", taken.millis, taken.asked);
        }
    }
    let mut scans = sequential_scans(&places[1]).await;
    for (table, count) in &mut scans {
        *count -= before[table];
    }
    scans.retain(|_, count| *count > 0);
    report.add(Row {
        what: format!("sequential scans with {} users meanwhile, those of jobs too", grouped(many)),
        on: backing.name,
        bar: Bar::AtMost(0.0, "scans"),
        figure: scans.values().sum::<i64>() as f64,
        remark: if scans.is_empty() { format!("of {}", TABLES.map(|table| table.name).join(", ")) } else { format!("{scans:?}") },
    });
    for place in &places {
        remove(place).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "how much benches do is no setting of the program")]
fn many() -> usize {
    let named = std::env::var("BENCH_USERS").ok().filter(|value| !value.is_empty());
    let many = named.map_or(MANY, |value| value.parse().expect("BENCH_USERS is a number"));
    assert!(many >= FEW, "BENCH_USERS is at least {FEW}");
    many
}

/// As people write it: 1,000.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

// ---- filling ---------------------------------------------------------------------------------------------------------------------------

/// Room with a database that so many have used.
async fn filled(backing: &Backing, users: usize) -> Place {
    let place = backing.place().await;
    // It makes the tables, and is gone before they are filled.
    drop(place.start().await);
    let database = connect(&place).await;
    fill(&database, users).await;
    database.close().await.unwrap();
    place
}

/// Statements that run at once: each takes a core.
fn hands() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(4)
}

/// Connections whose statements have time and look at no foreign key: what is added fits, whichever table is filled first.
async fn connect(place: &Place) -> DatabaseConnection {
    let mut options = ConnectOptions::new(place.database_url());
    options.max_connections(u32::try_from(hands()).unwrap()).sqlx_logging(false).map_sqlx_postgres_opts(|options| {
        options.options([
            // Only for superusers, such as that of the throwaway server.
            ("session_replication_role", "replica"),
            ("maintenance_work_mem", "512MB"),
            ("max_parallel_maintenance_workers", "0"),
        ])
    });
    sea_orm::Database::connect(options).await.unwrap()
}

/// Adds all rows, and makes the indexes afterwards: that takes a fraction of the time.
async fn fill(database: &DatabaseConnection, users: usize) {
    let indexes = indexes(database).await;
    let names: Vec<&str> = indexes.iter().map(|(name, _)| name.as_str()).collect();
    run_all(database, [format!("DROP INDEX {}", names.join(", "))]).await;
    let hash = hash_alone(COSTS, PASSWORD.as_bytes(), &Entropy::system().bytes()).unwrap();
    let now = Clock::system().now();
    // In parts, so that all hands have something to do.
    run_all(database, TABLES.iter().flat_map(|table| parts(table, users, now)).map(|sql| sql.replace(":hash", &hash))).await;
    run_all(database, indexes.into_iter().map(|(_, definition)| definition)).await;
    run_all(database, ["VACUUM ANALYZE".to_owned()]).await;
    // So that nothing of it is still to be written while something is measured.
    run_all(database, ["CHECKPOINT".to_owned()]).await;
}

/// Names and definitions of the indexes that carry no constraint.
async fn indexes(database: &DatabaseConnection) -> Vec<(String, String)> {
    let sql = format!(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indrelid = ANY ('{{{}}}'::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        TABLES.map(|table| table.name).join(",")
    );
    let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

/// The statements that fill a table.
fn parts(table: &Table, users: usize, now: Timestamp) -> impl Iterator<Item = String> {
    let rows = users * table.rows_each;
    let step = table.days * 24 * 60 * 60 * 1000 / rows;
    // Whole milliseconds and a microsecond, as the program writes them.
    let at = format!("timestamptz '{now}' + interval '1 microsecond' - ({rows} - n) * interval '{step} milliseconds'");
    let sql = table.sql.replace(":at", &at).replace(":users", &users.to_string());
    (1..=rows).step_by(PART).map(move |from| {
        let to = rows.min(from + PART - 1);
        sql.replace(":from", &from.to_string()).replace(":to", &to.to_string())
    })
}

/// Runs statements in any order.
async fn run_all(database: &DatabaseConnection, statements: impl IntoIterator<Item = String>) {
    stream::iter(statements)
        .for_each_concurrent(hands(), |sql| async move {
            database.execute_unprepared(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        })
        .await;
}

/// How often each table was read from end to end so far.
async fn sequential_scans(place: &Place) -> BTreeMap<String, i64> {
    tokio::time::sleep(SETTLE).await;
    let sql = format!(
        "SELECT relname::text, seq_scan FROM pg_stat_user_tables WHERE relname IN ('{}')",
        TABLES.map(|table| table.name).join("', '")
    );
    let database = connect(place).await;
    let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    database.close().await.unwrap();
    rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

/// Drops the database: twelve gigabytes are too many to leave them behind.
async fn remove(place: &Place) {
    let mut server = Url::parse(place.database_url()).unwrap();
    let name = server.path().trim_start_matches('/').to_owned();
    server.set_path("postgres");
    let admin = sea_orm::Database::connect(server.as_str()).await.unwrap();
    admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    admin.close().await.unwrap();
}

// ---- asking ----------------------------------------------------------------------------------------------------------------------------

/// A running instance, with people who have signed in to it.
struct Deployment {
    _gateway: Gateway,
    client: Client,
    users: usize,
    /// When it was about to be measured.
    now: Timestamp,
    /// `Bearer …` of an administrator.
    administrator: String,
    people: Vec<Session>,
}

/// What one request took.
struct Taken {
    millis: f64,
    /// What a list was asked for.
    asked: Value,
}

impl Deployment {
    async fn start(place: &Place, users: usize) -> Self {
        let gateway = place.start().await;
        let client = Client::of(&gateway);
        let mut people = Vec::with_capacity(PEOPLE);
        for turn in 0..PEOPLE {
            people.push(client.sign_in(&email(users, turn), None).await);
        }
        people::add_with(&place.database().await, "administrator", 1, |user| user.role = Role::Admin).await;
        tokio::time::sleep(SETTLE).await;
        // Last of all: access tokens live for minutes. Development asks for no second factor.
        let administrator = client.sign_in(&people::email("administrator", 0), None).await;
        let administrator = format!("Bearer {}", administrator.access_token);
        Self { _gateway: gateway, client, users, now: Clock::system().now(), administrator, people }
    }

    async fn time(&self, operation: Operation, turn: usize) -> Taken {
        let (query, asked) = match operation {
            Operation::SignIn => return Taken { millis: self.sign_in(turn).await, asked: Value::Null },
            Operation::Refresh => return Taken { millis: self.refresh(turn).await, asked: Value::Null },
            Operation::Users => (USERS, self.users_wanted(turn).await),
            Operation::Sessions => (SESSIONS, self.sessions_wanted(turn).await),
            Operation::AuditEvents => (AUDIT_EVENTS, self.audit_events_wanted(turn).await),
        };
        let begun = Instant::now();
        let list = self.list(query, &asked).await;
        let taken = Taken { millis: millis(begun.elapsed()), asked };
        assert!(list["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()), "{}: {list}", taken.asked);
        taken
    }

    /// From a device that the account knows.
    async fn sign_in(&self, turn: usize) -> f64 {
        let email = email(self.users, turn);
        let begun = Instant::now();
        self.client.sign_in(&email, Some(&self.people[turn].device_token)).await;
        millis(begun.elapsed())
    }

    /// Of a session that began before all this.
    async fn refresh(&self, turn: usize) -> f64 {
        // Not of who has just signed in, whose rows are at hand.
        let token = &self.people[(turn + PEOPLE / 2) % PEOPLE].refresh_token;
        let begun = Instant::now();
        let answer = self.client.ask(REFRESH, json!({"input": {"refreshToken": token}}), None).await;
        let took = millis(begun.elapsed());
        assert!(answer["data"]["refreshSession"]["tokens"]["refreshToken"].is_string(), "{answer}");
        took
    }

    /// A page, as an administrator.
    async fn list(&self, query: &str, asked: &Value) -> Value {
        let mut answer = self.client.ask(query, asked.clone(), Some(("authorization", &self.administrator))).await;
        assert!(answer["errors"].is_null(), "{asked}: {answer}");
        answer["data"]["list"].take()
    }

    /// A moment of the last days, another one in each turn.
    fn moment(&self, days: usize, turn: usize) -> Timestamp {
        let minutes = days * 24 * 60 * (turn * 37 % PEOPLE) / PEOPLE;
        self.now - Duration::from_secs(60 * minutes as u64)
    }

    /// Starts of what one user has, of a million a tenth, a hundred, five thousand, a thousand, all, a half; a page from the middle.
    async fn users_wanted(&self, turn: usize) -> Value {
        let number = number(self.users, turn * 7 % PEOPLE);
        let (email, nick) = (shuffled(self.users, number).to_string(), format!("nick{:04}", number % 1_000));
        let (given, family) = (format!("given{:03}", number % 200), format!("family{:05}", number % 10_007));
        match turn % 10 {
            0 => json!({"filter": {"search": format!("person{email}@")}}),
            1 => json!({"filter": {"search": format!("person{}", &email[..1])}, "orderBy": {"field": "EMAIL", "direction": "ASC"}}),
            2 => json!({"filter": {"search": format!("{given} {family}")}}),
            3 => json!({"filter": {"search": family}, "orderBy": {"field": "LAST_SIGN_IN_AT"}}),
            4 => json!({"filter": {"search": given}}),
            5 => json!({"filter": {"search": given}, "orderBy": {"field": "EMAIL"}}),
            6 => json!({"filter": {"search": nick}, "orderBy": {"field": "CREATED_AT", "direction": "ASC"}}),
            7 => json!({"filter": {"search": "person"}, "orderBy": {"field": "LAST_SIGN_IN_AT"}}),
            8 => json!({"filter": {"search": "given1"}, "orderBy": {"field": "LAST_SIGN_IN_AT", "direction": "ASC"}}),
            _ => {
                let mut asked = json!({"filter": {"createdBefore": self.moment(600, turn).to_string()}});
                let cursor = self.list(USERS, &asked).await["pageInfo"]["endCursor"].take();
                asked["after"] = cursor;
                asked
            }
        }
    }

    /// The newest, those of a user, of a status that many have or few, from an address; a page from the middle.
    async fn sessions_wanted(&self, turn: usize) -> Value {
        let number = number(self.users, turn * 7 % PEOPLE);
        match turn % 6 {
            0 => json!({}),
            1 => json!({"filter": {"userId": user_id(number)}}),
            2 => json!({"filter": {"status": ["ACTIVE"]}}),
            3 => json!({"filter": {"status": ["SUSPICIOUS"]}}),
            4 => json!({"filter": {"ipAddress": address(number)}}),
            _ => {
                let mut asked = json!({"filter": {"createdAfter": self.moment(70, turn).to_string()}, "last": 20});
                let cursor = self.list(SESSIONS, &asked).await["pageInfo"]["startCursor"].take();
                asked["before"] = cursor;
                asked
            }
        }
    }

    /// The newest, those about a user, of a common type or a rare one, from an address, of a day; a page from the middle.
    async fn audit_events_wanted(&self, turn: usize) -> Value {
        let number = number(self.users, turn * 7 % PEOPLE);
        let moment = self.moment(280, turn);
        match turn % 7 {
            0 => json!({}),
            1 => json!({"filter": {"userId": user_id(number)}}),
            2 => json!({"filter": {"type": ["login"]}}),
            3 => json!({"filter": {"type": ["user_banned"]}}),
            4 => json!({"filter": {"ipAddress": address(number)}}),
            5 => json!({"filter": {"since": (moment - Duration::from_hours(24)).to_string(), "until": moment.to_string()}}),
            _ => {
                let mut asked = json!({"filter": {"until": moment.to_string()}});
                let cursor = self.list(AUDIT_EVENTS, &asked).await["pageInfo"]["endCursor"].take();
                asked["after"] = cursor;
                asked
            }
        }
    }
}

/// Whose turn it is, from all over the table. Odd numbers are active.
const fn number(users: usize, turn: usize) -> usize {
    1 + users / PEOPLE / 2 * 2 * turn
}

// What the statements above make of a number.

const fn shuffled(users: usize, number: usize) -> usize {
    1 + number * 7_919 % users
}

fn email(users: usize, turn: usize) -> String {
    people::email("person", shuffled(users, number(users, turn)))
}

fn user_id(number: usize) -> Uuid {
    Uuid::from_u128((1 << 112) | number as u128)
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + u32::try_from(number / 4).unwrap())
}
