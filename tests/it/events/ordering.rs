//! Nothing is lost, nothing comes twice, and all who listen see the same order.

use std::time::Duration;

use entity::account_events::Kind;
use futures::{StreamExt, future::join_all};
use postern::{events::Of, storage::account_events::Positions};
use uuid::Uuid;

use super::world::{self, ids, postgres, silent, take, until, worlds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_goes_over_into_live_without_a_gap_or_a_double() {
    for world in worlds().await {
        const WRITERS: usize = 4;
        const EACH: usize = 60;
        let user = world.user().await;
        let session = world.session(user).await;
        let (one, two) = (world.instance().await, world.instance().await);
        let start = one.events.position_now().await.unwrap();

        let write = |writer: usize| {
            let (world, one) = (&world, &one);
            async move {
                let mut written = Vec::new();
                for number in 0..EACH {
                    let transaction = world.database.begin().await.unwrap();
                    let event = world.event(Kind::SessionRefreshed, user, Some(session));
                    let rows = world::insert(&transaction, world.epoch, &[event]).await;
                    tokio::time::sleep(Duration::from_micros(((writer * 31 + number * 17) % 7 * 700) as u64)).await;
                    transaction.commit().await.unwrap();
                    // Only some are told: for the others the log has to do.
                    if number % 3 != 0 {
                        one.events.publish(&rows);
                    }
                    written.push(rows[0].id);
                }
                written
            }
        };
        let listen = |number: usize| {
            let (world, instance) = (&world, if number.is_multiple_of(2) { &one } else { &two });
            async move {
                tokio::time::sleep(Duration::from_millis((number * 23) as u64)).await;
                let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Sessions, Some(start)));
                // Halfway it reconnects with its last cursor.
                let mut events = take(&mut stream, WRITERS * EACH / 2).await;
                drop(stream);
                let resume = events.last().unwrap().resume;
                let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Sessions, Some(resume)));
                events.extend(take(&mut stream, WRITERS * EACH / 2).await);
                silent(&mut stream, Duration::from_millis(300)).await;
                ids(&events)
            }
        };
        let (written, heard) = tokio::join!(join_all((0..WRITERS).map(write)), join_all((0..12).map(listen)));
        let mut written: Vec<Uuid> = written.into_iter().flatten().collect();
        for order in &heard {
            assert_eq!(order, &heard[0], "{:?}: listeners disagree", world.backend());
        }
        let mut heard = heard[0].clone();
        written.sort_unstable();
        heard.sort_unstable();
        assert_eq!(written, heard);
        until("all streams are gone", || one.events.listeners() == (0, 0) && two.events.listeners() == (0, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_is_not_skipped() {
    let Some(world) = postgres().await else { return };
    let user = world.user().await;
    let session = world.session(user).await;
    let (one, two) = (world.instance().await, world.instance().await);
    let start = one.events.position_now().await.unwrap();
    let mut live = two.events.subscribe(&world.listen(user, session, Of::Account, None));

    // The first transaction takes the lower number and commits last.
    let slow = world.database.begin().await.unwrap();
    let first = world::insert(&slow, world.epoch, &[world.event(Kind::Updated, user, None)]).await;
    let second = world.write(&[world.event(Kind::EmailChanged, user, None)]).await;
    one.events.publish(&second);
    assert!(first[0].xid < second[0].xid);

    silent(&mut live, Duration::from_millis(600)).await;
    let mut replay = one.events.subscribe(&world.listen(user, session, Of::Account, Some(start)));
    silent(&mut replay, Duration::from_millis(300)).await;
    // A cursor taken now lies before both.
    let between = one.events.position_now().await.unwrap();

    slow.commit().await.unwrap();
    let expected = vec![first[0].id, second[0].id];
    assert_eq!(ids(&take(&mut live, 2).await), expected);
    assert_eq!(ids(&take(&mut replay, 2).await), expected);
    let mut resumed = one.events.subscribe(&world.listen(user, session, Of::Account, Some(between)));
    assert_eq!(ids(&take(&mut resumed, 2).await), expected);
    // The cursor of the first goes on with the second.
    let mut again = one.events.subscribe(&world.listen(user, session, Of::Account, Some(start)));
    let resume = take(&mut again, 1).await[0].resume;
    let mut rest = two.events.subscribe(&world.listen(user, session, Of::Account, Some(resume)));
    assert_eq!(ids(&take(&mut rest, 1).await), vec![second[0].id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rolled_back_is_never_told() {
    for world in worlds().await {
        let user = world.user().await;
        let session = world.session(user).await;
        let instance = world.instance().await;
        let start = instance.events.position_now().await.unwrap();
        let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Account, Some(start)));
        let transaction = world.database.begin().await.unwrap();
        world::insert(&transaction, world.epoch, &[world.event(Kind::Updated, user, None)]).await;
        transaction.rollback().await.unwrap();
        let told = world.write(&[world.event(Kind::EmailChanged, user, None)]).await;
        assert_eq!(ids(&take(&mut stream, 1).await), vec![told[0].id]);
        silent(&mut stream, Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_before_a_restore_are_read_without_the_condition() {
    let Some(world) = postgres().await else { return };
    let user = world.user().await;
    let session = world.session(user).await;
    // As if a dump of a cluster with far higher transaction numbers had been restored here.
    let old = world.write(&[world.event(Kind::Updated, user, None)]).await;
    let shift = format!("UPDATE account_events SET xid = {} WHERE seq = {}", i64::MAX / 2, old[0].seq);
    sea_orm::ConnectionTrait::execute_unprepared(world.database.write(), &shift).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(world.database.write(), "UPDATE deployment SET epoch = epoch + 1").await.unwrap();
    let instance = world.instance().await;
    let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Account, Some(Positions::default())));
    let transaction = world.database.begin().await.unwrap();
    let new = world::insert(&transaction, world.epoch + 1, &[world.event(Kind::EmailChanged, user, None)]).await;
    transaction.commit().await.unwrap();
    assert_eq!(ids(&take(&mut stream, 2).await), vec![old[0].id, new[0].id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_listener_costs_no_memory_and_loses_nothing() {
    for world in worlds().await {
        let (user, other) = (world.user().await, world.user().await);
        let (session, others) = (world.session(user).await, world.session(other).await);
        let instance = world.instance().await;
        let mut slow = instance.events.subscribe(&world.listen(user, session, Of::Account, None));
        let mut quick = instance.events.subscribe(&world.listen(user, session, Of::Account, None));
        let mut foreign = instance.events.subscribe(&world.listen(other, others, Of::Account, None));
        let mut expected = Vec::new();
        for _ in 0..12 {
            let events: Vec<_> = (0..100).map(|_| world.event(Kind::Updated, user, None)).collect();
            let rows = world.write(&events).await;
            instance.events.publish(&rows);
            expected.extend(rows.iter().map(|row| row.id));
            // Reads on, though bursts are larger than its buffer.
            take(&mut quick, 100).await;
        }
        until("the slow one is detached", || instance.events.listeners().0 < 3).await;
        assert_eq!(ids(&take(&mut slow, expected.len()).await), expected, "{:?}", world.backend());
        silent(&mut foreign, Duration::from_millis(50)).await;
        // Caught up, it is live again.
        let more = world.write(&[world.event(Kind::Updated, user, None)]).await;
        instance.events.publish(&more);
        assert_eq!(ids(&take(&mut slow, 1).await), vec![more[0].id]);
        drop((slow, quick, foreign));
        assert_eq!(instance.events.listeners(), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_listeners_hear_within_a_second() {
    for world in worlds().await {
        let instance = world.instance().await;
        let users: Vec<Uuid> = (0..2000).map(|_| world.entropy.uuid(world.clock.now())).collect();
        let mut streams: Vec<_> =
            users.iter().map(|user| instance.events.subscribe(&world.listen(*user, *user, Of::Account, None))).collect();
        assert_eq!(instance.events.listeners(), (2000, 2000));
        let events: Vec<_> = users.iter().map(|user| world.event(Kind::Updated, *user, None)).collect();
        let begin = std::time::Instant::now();
        let mut rows = Vec::new();
        for part in events.chunks(500) {
            rows.extend(world.write(part).await);
        }
        let written = begin.elapsed();
        instance.events.publish(&rows);
        for stream in &mut streams {
            tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("in time").expect("an event");
        }
        let heard = begin.elapsed().saturating_sub(written);
        println!("{:?}: written in {written:?}, heard {heard:?} later", world.backend());
        assert!(heard < Duration::from_secs(1), "{heard:?}");
    }
}
