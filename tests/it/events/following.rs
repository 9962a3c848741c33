//! Streams of everybody and of the audit log: nothing is lost, nothing comes twice, and nothing is read while nobody listens.

use std::time::{Duration, Instant};

use entity::{
    account_events::Kind,
    user_audit_log::{self, Category},
};
use futures::{Stream, StreamExt, future::join_all};
use postern::{
    events::{Event, Of, Whose},
    storage::{
        audit::{self, Entry, NewRow},
        database::Backend,
    },
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::world::{self, World, ids, postgres, take, until, worlds};

// Many changes cost few readings where nobody listens; whoever begins to listen then hears the next one all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_listens_for_is_read_together() {
    // On PostgreSQL it also reads again what waits for others' transactions.
    for world in worlds().await.into_iter().filter(|world| world.backend() == Backend::Sqlite) {
        let user = world.user().await;
        let session = world.session(user).await;
        let instance = world.instance().await;
        let write = async |count: usize| {
            for _ in 0..count {
                let rows = world.write(&[world.event(Kind::Updated, user, None)]).await;
                instance.events.publish(&rows);
            }
        };
        // That makes it busy.
        write(60).await;
        let busy = instance.events.position_now().await.unwrap().events;
        until("the first ones are read", || instance.events.positions().events >= busy).await;
        let (before, began) = (instance.database.statements(), Instant::now());
        write(200).await;
        let readings = instance.database.statements() - before;
        let allowed = began.elapsed().as_millis() / 50 + 3;
        assert!(u128::from(readings) <= allowed, "{readings} of {allowed}");
        let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Account, None));
        let rows = world.write(&[world.event(Kind::EmailChanged, user, None)]).await;
        instance.events.publish(&rows);
        // Perhaps after some of just before, which nobody had read yet.
        while ids(&take(&mut stream, 1).await) != [rows[0].id] {}
    }
}

/// Writes an audit row in a transaction that the caller commits.
async fn audit(world: &World, transaction: &DatabaseTransaction, about: Option<Uuid>) -> Uuid {
    let now = world.clock.now();
    let id = world.entropy.uuid(now);
    let rows = vec![NewRow { id, entry: Entry::success("login", Category::Authentication, about) }];
    audit::insert(transaction, world.epoch, rows, None, now).await.unwrap();
    id
}

async fn take_rows(
    stream: &mut (impl Stream<Item = Event<user_audit_log::Model>> + Unpin),
    count: usize,
) -> Vec<Event<user_audit_log::Model>> {
    let mut rows = Vec::with_capacity(count);
    while rows.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        rows.push(next.unwrap_or_else(|_| panic!("only {} of {count} rows came", rows.len())).expect("the stream ended"));
    }
    rows
}

fn row_ids(rows: &[Event<user_audit_log::Model>]) -> Vec<Uuid> {
    rows.iter().map(|event| event.row.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybodys_events_and_the_audit_log_are_told_whole() {
    for world in worlds().await {
        const WRITERS: usize = 4;
        const EACH: usize = 40;
        let mut users = Vec::new();
        for _ in 0..WRITERS {
            let user = world.user().await;
            users.push((user, world.session(user).await));
        }
        let (one, two) = (world.instance().await, world.instance().await);
        let start = one.events.position_now().await.unwrap();
        let write = |writer: usize| {
            let (world, one, (user, session)) = (&world, &one, users[writer]);
            async move {
                let (mut events, mut rows) = (Vec::new(), Vec::new());
                for number in 0..EACH {
                    let transaction = world.database.begin().await.unwrap();
                    rows.push(audit(world, &transaction, Some(user)).await);
                    let event = world.event(Kind::SessionRefreshed, user, Some(session));
                    let written = world::insert(&transaction, world.epoch, &[event]).await;
                    tokio::time::sleep(Duration::from_micros(((writer * 31 + number * 17) % 7 * 700) as u64)).await;
                    transaction.commit().await.unwrap();
                    if number % 3 != 0 {
                        one.events.publish(&written);
                    }
                    events.push(written[0].id);
                }
                (events, rows)
            }
        };
        let follow = |number: usize| {
            let instance = if number.is_multiple_of(2) { &one } else { &two };
            async move {
                tokio::time::sleep(Duration::from_millis((number * 29) as u64)).await;
                let mut stream = instance.events.follow(Whose::Everybody, Of::Sessions, Some(start));
                // Halfway it reconnects with its last cursor.
                let mut events = take(&mut stream, WRITERS * EACH / 2).await;
                drop(stream);
                let mut stream = instance.events.follow(Whose::Everybody, Of::Sessions, Some(events.last().unwrap().resume));
                events.extend(take(&mut stream, WRITERS * EACH / 2).await);
                assert!(tokio::time::timeout(Duration::from_millis(300), stream.next()).await.is_err(), "one too many");
                ids(&events)
            }
        };
        let follow_audit = |number: usize| {
            let instance = if number.is_multiple_of(2) { &one } else { &two };
            async move {
                tokio::time::sleep(Duration::from_millis((number * 31) as u64)).await;
                let mut stream = instance.events.follow_audit(|_| true, Some(start));
                let mut rows = take_rows(&mut stream, WRITERS * EACH / 2).await;
                drop(stream);
                let mut stream = instance.events.follow_audit(|_| true, Some(rows.last().unwrap().resume));
                rows.extend(take_rows(&mut stream, WRITERS * EACH / 2).await);
                assert!(tokio::time::timeout(Duration::from_millis(300), stream.next()).await.is_err(), "one too many");
                row_ids(&rows)
            }
        };
        let (written, heard, read) =
            tokio::join!(join_all((0..WRITERS).map(write)), join_all((0..6).map(follow)), join_all((0..6).map(follow_audit)));
        let (mut events, mut rows): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
        for (of_events, of_rows) in written {
            events.extend(of_events);
            rows.extend(of_rows);
        }
        for (orders, written) in [(heard, &mut events), (read, &mut rows)] {
            for order in &orders {
                assert_eq!(order, &orders[0], "{:?}: listeners disagree", world.backend());
            }
            let mut told = orders[0].clone();
            told.sort_unstable();
            written.sort_unstable();
            assert_eq!(&told, written);
        }
        until("all streams are gone", || one.events.listeners() == (0, 0) && two.events.listeners() == (0, 0)).await;
        // One user's alone.
        let mut stream = two.events.follow(Whose::One(users[1].0), Of::Sessions, Some(start));
        for event in take(&mut stream, EACH).await {
            assert_eq!(event.row.user_id, users[1].0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_row_of_the_audit_log_is_not_skipped() {
    let Some(world) = postgres().await else { return };
    let instance = world.instance().await;
    let start = instance.events.position_now().await.unwrap();
    let mut live = instance.events.follow_audit(|_| true, None);
    let open = world.database.begin().await.unwrap();
    let late = audit(&world, &open, None).await;
    let transaction = world.database.begin().await.unwrap();
    let early = audit(&world, &transaction, None).await;
    transaction.commit().await.unwrap();
    // It is committed, but something may still come before it.
    assert!(tokio::time::timeout(Duration::from_millis(700), live.next()).await.is_err());
    open.commit().await.unwrap();
    assert_eq!(row_ids(&take_rows(&mut live, 2).await), [late, early]);
    let mut replayed = instance.events.follow_audit(|_| true, Some(start));
    assert_eq!(row_ids(&take_rows(&mut replayed, 2).await), [late, early]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_not_wanted_are_passed_over() {
    for world in worlds().await {
        let (wanted, other) = (world.user().await, world.user().await);
        let instance = world.instance().await;
        let start = instance.events.position_now().await.unwrap();
        let write = async |about: Uuid, count: usize| {
            let transaction = world.database.begin().await.unwrap();
            let mut last = None;
            for _ in 0..count {
                last = Some(audit(&world, &transaction, Some(about)).await);
            }
            transaction.commit().await.unwrap();
            last.unwrap()
        };
        write(other, 1_200).await;
        let first = write(wanted, 1).await;
        let mut stream = instance.events.follow_audit(move |row| row.user_id == Some(wanted), Some(start));
        assert_eq!(row_ids(&take_rows(&mut stream, 1).await), [first]);
        // Live, more at once than is kept for a slow reader.
        write(other, 2_500).await;
        let second = write(wanted, 1).await;
        assert_eq!(row_ids(&take_rows(&mut stream, 1).await), [second]);
    }
}
