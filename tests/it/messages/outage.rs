//! A thousand messages, a mail server that is away for ten minutes, and an instance that is killed twice: while it is away, and while
//! everything goes out at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use entity::messages::{Entity as Messages, State};
use postern::jobs::deliver_messages::Pace;
use sea_orm::{
    ColumnTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Statement,
};
use serde_json::json;

use super::fake_smtp::{FakeSmtp, Mood, free_port};
use crate::support::{Place, Steered, Visitor, until};

const MESSAGES: usize = 1_000;
const MINUTES: usize = 10;
const MINUTE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_secs(20);

/// Sign-ups one after the other, four at a time; how long each took.
async fn sign_ups(instance: &Steered, numbers: std::ops::Range<usize>) -> Vec<Duration> {
    let left = Arc::new(Mutex::new(numbers));
    let worker = async |visitor: Visitor, left: Arc<Mutex<std::ops::Range<usize>>>| {
        let mut took = Vec::new();
        loop {
            let Some(number) = left.lock().unwrap().next() else { return took };
            let began = Instant::now();
            visitor.try_sign_up(json!({"contact": {"email": recipient(number)}})).await.expect_done();
            took.push(began.elapsed());
        }
    };
    let workers = [(); 4].map(|()| worker(instance.app_user(), Arc::clone(&left)));
    futures::future::join_all(workers).await.concat()
}

fn recipient(number: usize) -> String {
    format!("n{number}@example.com")
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

async fn count(database: &DatabaseConnection, state: State) -> usize {
    let count = Messages::find().filter(entity::messages::Column::State.eq(state)).count(database).await.unwrap();
    usize::try_from(count).unwrap()
}

/// Whether the courier has nothing to do now, and nothing under way: time must not end the lease of what is.
async fn rests(database: &DatabaseConnection, place: &Place) -> bool {
    use entity::{Timestamp, messages::Column};
    let waiting = Messages::find().filter(Column::State.eq(State::Pending)).select_only();
    let waiting = waiting.column(Column::NextAttemptAt).column(Column::UpdatedAt).into_tuple::<(Timestamp, Timestamp)>();
    let (now, lease) = (place.clock.now(), Pace::default().lease);
    // What was leased comes back a whole lease after that; what was put off, after a time drawn by lot.
    waiting.all(database).await.unwrap().into_iter().all(|(due, since)| due > now && due != since + lease)
}

/// Every word that lies in a text or in bytes of any table, as whoever stole a dump could read it.
async fn words(database: &DatabaseConnection) -> HashSet<String> {
    let is_sqlite = database.get_database_backend() == sea_orm::DbBackend::Sqlite;
    let texts = async |query: String| -> Vec<String> {
        let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), query)).await.unwrap();
        rows.iter().filter_map(|row| row.try_get_by_index::<Option<String>>(0).unwrap()).collect()
    };
    let tables = if is_sqlite {
        "SELECT name FROM sqlite_master WHERE type = 'table'"
    } else {
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'"
    };
    let mut words = HashSet::new();
    for table in texts(tables.to_owned()).await {
        let columns = if is_sqlite {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                // Numbers and times hold no secret; microseconds have six digits, too.
                "SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_name = '{table}' AND data_type NOT LIKE '%int%' AND data_type NOT LIKE 'timestamp%'"
            )
        };
        for column in texts(columns).await {
            let cells = if is_sqlite {
                format!("SELECT '\\x' || hex(\"{column}\") FROM \"{table}\" WHERE typeof(\"{column}\") IN ('text', 'blob')")
            } else {
                format!("SELECT CAST(\"{column}\" AS TEXT) FROM \"{table}\"")
            };
            for cell in texts(cells).await {
                let bytes = cell.strip_prefix("\\x").map(|digits| hex::decode(digits).unwrap());
                let text = bytes.map_or(cell, |bytes| String::from_utf8_lossy(&bytes).into_owned());
                let found = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter)));
                words.extend(found.map(str::to_owned));
            }
        }
    }
    words
}

/// The value after a mark, up to the end of its word.
fn after<'a>(mail: &'a str, mark: &str) -> &'a str {
    let rest = mail.split(mark).nth(1).unwrap_or_else(|| panic!("{mark} in {mail}"));
    rest.split(['\n', '\r', '&', '>', ' ']).next().unwrap()
}

// The promise of the outbox for messages: none lost, none expired, one copy more for a kill at most, and nobody waits for a mail server. A17, C15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_outlive_the_mail_server_and_two_kills() {
    let place = Arc::new(Place::create().await);
    let port = free_port().await;
    let server = FakeSmtp::start_on(port, Mood::Well).await;
    let mut instance = Steered::start(Arc::clone(&place), port);
    let database = Database::connect(&place.config().database.url).await.unwrap();
    let each = MESSAGES / (MINUTES + 1);

    let well = sign_ups(&instance, 0..each).await;
    until("what is sent while all is well arrives", MINUTE, async || count(&database, State::Sent).await == each).await;
    let mut mails = server.mails.lock().unwrap().clone();
    drop(server);

    let mut meanwhile = Vec::new();
    for minute in 1..=MINUTES {
        let last = if minute == MINUTES { MESSAGES } else { each * (minute + 1) };
        meanwhile.extend(sign_ups(&instance, each * minute..last).await);
        if minute == MINUTES / 2 {
            instance = instance.kill_and_restart(STEP, port);
        }
        instance.advance(MINUTE);
    }
    assert_eq!(count(&database, State::Sent).await, each, "it was away");
    // Or this test would look at nothing.
    let kept = words(&database).await;
    assert!(kept.contains("sign_up_code") && kept.contains("n999"));

    let server = FakeSmtp::start_on(port, Mood::Well).await;
    while server.count() < MESSAGES / 3 {
        instance.advance(STEP);
        until("what is due goes out", MINUTE, async || server.count() >= MESSAGES / 3 || rests(&database, &place).await).await;
    }
    // In the middle of its deliveries, the leases of which are over when it is there again.
    instance = instance.kill_and_restart(Pace::default().lease, port);
    while count(&database, State::Pending).await > 0 {
        until("what is due goes out", MINUTE, async || rests(&database, &place).await).await;
        instance.advance(STEP);
    }
    assert_eq!(count(&database, State::Sent).await, MESSAGES, "none dead, none expired");

    mails.extend(server.mails.lock().unwrap().iter().cloned());
    let mut copies: HashMap<&str, usize> = HashMap::new();
    for mail in &mails {
        *copies.entry(after(mail, "Message-ID: <")).or_default() += 1;
    }
    assert_eq!(copies.len(), MESSAGES, "each arrived");
    let more = mails.len() - MESSAGES;
    assert!(more <= 1, "{more} copies more; one at most, of the kill while everything went out");

    for mail in &mails {
        let plain = mail.replace("=\n", "").replace("=3D", "=");
        let (token, code) = (after(&plain, "verify-email?token=").to_owned(), after(&plain, "Your code: ").to_owned());
        assert_eq!((token.len(), code.len()), (43, 6), "{plain}");
        assert!(!kept.contains(&token) && !kept.contains(&code), "{token} or {code} lies there in clear");
    }

    // Where the mail server is away, four at a time wait no longer than where it is there; a busy machine is allowed for.
    let (well, meanwhile) = (median(well), median(meanwhile));
    println!("a sign-up took {well:?}, and {meanwhile:?} while the mail server was away; {more} copies more");
    assert!(meanwhile < 2 * well + Duration::from_millis(20), "{meanwhile:?} instead of {well:?}");
}
