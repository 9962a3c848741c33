//! The database away, Redis away, and both coming back.

use std::time::{Duration, Instant};

use entity::account_events::Kind;
use postern::events::Of;

use super::world::{bridged, ids, postgres, setting, take, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_nothing_is_believed_and_it_recovers_alone() {
    let Some(world) = postgres().await else { return };
    let user = world.user().await;
    let (session, revoked) = (world.session(user).await, world.session(user).await);
    let (bridge, url) = bridged(&world.url).await;
    let instance = world.instance_at(&url, None).await;
    let now = world.clock.now();
    for session in [session, revoked] {
        assert!(instance.live.get(session, now).await.unwrap().is_some());
    }
    let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Sessions, None));
    let mut ended = instance.events.subscribe(&world.listen(user, revoked, Of::Sessions, None));

    bridge.cut();
    let cut = Instant::now();
    let rows = world.revoke(user, revoked).await;
    // Believed for a second at most, then nobody is let in.
    until("nothing is believed", || !instance.events.freshness().is_current()).await;
    assert!(cut.elapsed() < Duration::from_millis(1_300), "{:?}", cut.elapsed());
    assert!(instance.live.get(revoked, now).await.is_err());
    assert!(instance.live.get(session, now).await.is_err());

    bridge.mend();
    until("the log is read again", || instance.events.freshness().is_current()).await;
    assert!(instance.live.get(revoked, now).await.unwrap().is_none());
    assert!(instance.live.get(session, now).await.unwrap().is_some());
    assert_eq!(ids(&take(&mut stream, 1).await), vec![rows[0].id]);
    assert_eq!(ids(&take(&mut ended, 1).await), vec![rows[0].id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_are_quick_and_the_tick_does_without_them() {
    let Some(world) = postgres().await else { return };
    let Some(redis) = setting("POSTERN_TEST_REDIS") else {
        println!("POSTERN_TEST_REDIS is not set: not tested with Redis");
        return;
    };
    let user = world.user().await;
    let session = world.session(user).await;
    let (bridge, url) = bridged(&redis).await;
    let (one, two) = (world.instance_at(&world.url, Some(&url)).await, world.instance_at(&world.url, Some(&url)).await);
    let mut stream = two.events.subscribe(&world.listen(user, session, Of::Account, None));
    let mut round = async || {
        const TIMES: u32 = 20;
        let mut total = Duration::ZERO;
        let mut longest = Duration::ZERO;
        for _ in 0..TIMES {
            // Out of step with the tick.
            tokio::time::sleep(Duration::from_millis(37)).await;
            let rows = world.write(&[world.event(Kind::Updated, user, None)]).await;
            let begin = Instant::now();
            one.events.publish(&rows);
            assert_eq!(ids(&take(&mut stream, 1).await), vec![rows[0].id]);
            total += begin.elapsed();
            longest = longest.max(begin.elapsed());
        }
        (total / TIMES, longest)
    };

    // Both have subscribed once the mean is below what the tick alone could reach.
    let mut with_hints = round().await;
    for _ in 0..10 {
        if with_hints.0 > Duration::from_millis(50) {
            with_hints = round().await;
        }
    }
    println!("with hints: mean and longest {with_hints:?}");
    assert!(with_hints.0 < Duration::from_millis(50), "{with_hints:?}");

    bridge.cut();
    let without = round().await;
    println!("without: {without:?}");
    assert!(without.0 > Duration::from_millis(50), "hints came although Redis is away: {without:?}");
    assert!(without.1 < Duration::from_millis(500), "{without:?}");

    bridge.mend();
    let mut again = round().await;
    for _ in 0..10 {
        if again.0 > Duration::from_millis(50) {
            again = round().await;
        }
    }
    println!("again: {again:?}");
    assert!(again.0 < Duration::from_millis(50), "{again:?}");
}
