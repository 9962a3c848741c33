//! Streams of ended sessions, cursors, and the subscriptions of the API.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::account_events::Kind;
use futures::StreamExt;
use postern::{
    config::Mode,
    crypto::{access_token::Claims, key_ring::KeyRing},
    events::{Of, cursor::KEPT},
    flows::{
        caller::SignedIn,
        event_streams::{EventStreams, Refusal},
        machine_tokens::MachineTokens,
    },
};
use secrecy::SecretString;
use uuid::Uuid;

use super::world::{self, Instance, World, ids, postgres, silent, take, worlds};
use crate::support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_is_told_and_its_streams_end() {
    for world in worlds().await {
        let user = world.user().await;
        let (ending, staying) = (world.session(user).await, world.session(user).await);
        let (one, two) = (world.instance().await, world.instance().await);
        for (instance, told) in [(&one, true), (&two, false)] {
            let ending = if told { ending } else { world.session(user).await };
            let now = Some(instance.events.position_now().await.unwrap());
            let mut sessions = instance.events.subscribe(&world.listen(user, ending, Of::Sessions, now));
            let mut account = instance.events.subscribe(&world.listen(user, ending, Of::Account, now));
            let mut other = instance.events.subscribe(&world.listen(user, staying, Of::Sessions, now));
            let socket = instance.events.session_ended(ending, world.clock.now() + Duration::from_mins(1));
            let begin = Instant::now();
            let rows = world.revoke(user, ending).await;
            if told {
                instance.events.publish(&rows);
            }
            assert_eq!(ids(&take(&mut sessions, 1).await), vec![rows[0].id]);
            assert!(sessions.next().await.is_none());
            assert!(account.next().await.is_none());
            socket.await;
            assert!(begin.elapsed() < Duration::from_secs(1), "{:?}: {:?}", world.backend(), begin.elapsed());
            assert_eq!(ids(&take(&mut other, 1).await), vec![rows[0].id]);
            silent(&mut other, Duration::from_millis(30)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_does_not_wait_for_older_transactions() {
    let Some(world) = postgres().await else { return };
    let user = world.user().await;
    let (session, staying) = (world.session(user).await, world.session(user).await);
    let (one, two) = (world.instance().await, world.instance().await);
    // Warm on both, so that the end has something to drop.
    for instance in [&one, &two] {
        assert!(instance.live.get(session, world.clock.now()).await.unwrap().is_some());
    }
    let mut stream = two.events.subscribe(&world.listen(user, session, Of::Sessions, None));
    let mut other = two.events.subscribe(&world.listen(user, staying, Of::Sessions, None));

    let open = world.database.begin().await.unwrap();
    let late = world::insert(&open, world.epoch, &[world.event(Kind::SessionTrusted, user, Some(staying))]).await;
    let begin = Instant::now();
    // Nobody is told: a kill between commit and publish.
    let rows = world.revoke(user, session).await;
    let end = take(&mut stream, 1).await.remove(0);
    assert_eq!(end.row.id, rows[0].id);
    assert!(stream.next().await.is_none());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(two.live.get(session, world.clock.now()).await.unwrap().is_none());
    let over = async || one.live.get(session, world.clock.now()).await.unwrap().is_none();
    support::until("it is over", Duration::from_secs(1).saturating_sub(begin.elapsed()), over).await;
    silent(&mut other, Duration::from_millis(200)).await;

    open.commit().await.unwrap();
    assert_eq!(ids(&take(&mut other, 2).await), vec![late[0].id, rows[0].id]);
    // What could not be told before the end is replayed after it.
    let mut resumed = one.events.subscribe(&world.listen(user, staying, Of::Sessions, Some(end.resume)));
    assert_eq!(ids(&take(&mut resumed, 2).await), vec![late[0].id, rows[0].id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_runs_out_ends_its_streams_unless_it_was_refreshed() {
    for world in worlds().await {
        let user = world.user().await;
        let session = world.session(user).await;
        let instance = world.instance().await;
        let hour = Duration::from_hours(1);
        // What is believed is earlier than what the row says: it was refreshed meanwhile.
        let socket = instance.events.session_ended(session, world.clock.now() + Duration::from_mins(1));
        let mut stream = instance.events.subscribe(&world.listen(user, session, Of::Sessions, None));
        tokio::pin!(socket);
        world.clock.advance(Duration::from_secs(61));
        assert!(tokio::time::timeout(Duration::from_millis(700), &mut socket).await.is_err());
        silent(&mut stream, Duration::from_millis(10)).await;
        world.clock.advance(hour);
        let begin = Instant::now();
        assert!(stream.next().await.is_none());
        socket.await;
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
        assert!(instance.live.get(session, world.clock.now()).await.unwrap().is_none());
    }
}

fn streams(world: &World, instance: &Instance) -> EventStreams {
    EventStreams {
        events: instance.events.clone(),
        live_sessions: Arc::clone(&instance.live),
        machine_tokens: Arc::new(MachineTokens::new(instance.database.clone(), instance.events.freshness())),
        mode: Mode::Development,
        key_ring: KeyRing::new(&[SecretString::from("0123456789abcdef0123456789abcdef")]).unwrap(),
        clock: world.clock.clone(),
    }
}

async fn signed_in(world: &World, instance: &Instance, session: Uuid) -> Arc<SignedIn> {
    let live = instance.live.get(session, world.clock.now()).await.unwrap().unwrap();
    let claims = Claims {
        iss: String::new(),
        aud: String::new(),
        sub: live.user.id,
        sid: session,
        generation: 1,
        jti: session,
        iat: 0,
        exp: 0,
        auth_time: 0,
        amr: Vec::new(),
        acr: String::new(),
        role: String::new(),
    };
    Arc::new(SignedIn { claims: Arc::new(claims), live })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_serves_its_owner_for_as_long_as_the_log() {
    for world in worlds().await {
        let (owner, other) = (world.user().await, world.user().await);
        let (session, others) = (world.session(owner).await, world.session(other).await);
        let instance = world.instance().await;
        let streams = streams(&world, &instance);
        let owner = signed_in(&world, &instance, session).await;
        let other = signed_in(&world, &instance, others).await;
        let cursor = streams.cursor_at(owner.live.user.id, streams.events.caught_up().await.unwrap());
        let row = world.write(&[world.event(Kind::Updated, owner.live.user.id, None)]).await;

        let told = Box::pin(streams.open(&owner, Of::Account, Some(&cursor)).await.unwrap()).next().await.unwrap();
        assert_eq!(told.event.row.id, row[0].id);
        let mut after = Box::pin(streams.open(&owner, Of::Account, Some(&told.cursor)).await.unwrap());
        assert!(tokio::time::timeout(Duration::from_millis(300), after.next()).await.is_err());

        let open = async |who: &SignedIn, cursor: &str| streams.open(who, Of::Account, Some(cursor)).await.err();
        assert_eq!(open(&other, &cursor).await, Some(Refusal::CursorInvalid));
        for wrong in ["", "x", "=", &cursor[1..], &format!("{cursor}A"), &"A".repeat(100_000)] {
            assert_eq!(open(&owner, wrong).await, Some(Refusal::CursorInvalid), "{wrong:.20}");
        }
        for place in [0, 10, 40, cursor.len() - 1] {
            let mut bytes = cursor.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&owner, std::str::from_utf8(&bytes).unwrap()).await, Some(Refusal::CursorInvalid));
        }
        world.clock.advance(KEPT + Duration::from_millis(1));
        assert_eq!(open(&owner, &cursor).await, Some(Refusal::CursorExpired));
        assert_eq!(streams.open(&owner, Of::Account, None).await.err(), Some(Refusal::SessionEnded));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_has_own_events_alone_and_begins_now() {
    for world in worlds().await {
        let (user, stranger) = (world.user().await, world.user().await);
        let (session, strange) = (world.session(user).await, world.session(stranger).await);
        let instance = world.instance().await;
        let streams = streams(&world, &instance);
        let me = signed_in(&world, &instance, session).await;
        for _ in 0..5 {
            // Committed before the stream is opened, and not yet read by this instance.
            world.write(&[world.event(Kind::SessionRefreshed, user, Some(session))]).await;
            let mut stream = Box::pin(streams.open(&me, Of::Sessions, None).await.unwrap());
            world.write(&[world.event(Kind::SessionTrusted, stranger, Some(strange)), world.event(Kind::Updated, user, None)]).await;
            let trusted = world.write(&[world.event(Kind::SessionTrusted, user, Some(session))]).await;
            assert_eq!(stream.next().await.unwrap().event.row.id, trusted[0].id, "{:?}", world.backend());
        }
        let mut stream = Box::pin(streams.open(&me, Of::Sessions, None).await.unwrap());
        world.revoke(stranger, strange).await;
        let end = world.revoke(user, session).await;
        assert_eq!(stream.next().await.unwrap().event.row.id, end[0].id);
        assert!(stream.next().await.is_none());
        assert_eq!(streams.open(&me, Of::Sessions, None).await.err(), Some(Refusal::SessionEnded));
    }
}
