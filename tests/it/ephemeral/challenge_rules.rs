//! Challenges: what may be done with one, when, and how often at once.

use futures::future::join_all;
use postern::ephemeral::{
    Step,
    challenges::{Challenges, Reissue, Reservation},
};

use super::*;

#[tokio::test]
async fn a_challenge_lives_ten_minutes_and_is_told_for_an_hour_more() {
    for (name, store) in stores() {
        let challenges = Challenges::new(store);
        let begun = challenge(3);
        assert_eq!(challenges.find(begun.id, noon()).await, Ok(None), "{name}");
        challenges.create(&begun, noon()).await.unwrap();
        assert_eq!(challenges.find(begun.id, noon()).await, Ok(Some(begun.clone())), "{name}");

        let over = noon() + 10 * MINUTE;
        assert_eq!(challenges.find(begun.id, over - Duration::from_millis(1)).await.unwrap().unwrap().state, State::Pending, "{name}");
        let expired = Challenge { state: State::Expired, ..begun.clone() };
        assert_eq!(challenges.find(begun.id, over).await, Ok(Some(expired.clone())), "{name}");
        assert_eq!(challenges.reserve(begun.id, over).await, Ok(Reservation::Refused(expired.clone())), "{name}");
        assert_eq!(challenges.finish(begun.id, over).await, Ok(false), "{name}");
        assert_eq!(challenges.reissue(begun.id, None, over, over).await, Ok(Reissue::Refused(expired)), "{name}");

        let gone = over + HOUR;
        assert!(challenges.find(begun.id, gone - Duration::from_millis(1)).await.unwrap().is_some(), "{name}");
        assert_eq!(challenges.find(begun.id, gone).await, Ok(None), "{name}");
        assert_eq!(challenges.reserve(begun.id, gone).await, Ok(Reservation::Unknown), "{name}");
        assert_eq!(challenges.reissue(begun.id, None, gone, gone).await, Ok(Reissue::Unknown), "{name}");
    }
}

#[tokio::test]
async fn attempts_are_reserved_given_back_and_used_up() {
    for (name, store) in stores() {
        let challenges = Challenges::new(store);
        let begun = challenge(2);
        challenges.create(&begun, noon()).await.unwrap();
        assert_eq!(challenges.give_back(begun.id, noon()).await, Ok(false), "{name}: nothing was taken");
        let with = |attempts_left| Challenge { attempts_left, ..begun.clone() };
        assert_eq!(challenges.reserve(begun.id, noon()).await, Ok(Reservation::Reserved(with(1))), "{name}");
        assert_eq!(challenges.give_back(begun.id, noon()).await, Ok(true), "{name}");
        assert_eq!(challenges.give_back(begun.id, noon()).await, Ok(false), "{name}");
        assert_eq!(challenges.reserve(begun.id, noon()).await, Ok(Reservation::Reserved(with(1))), "{name}");
        assert_eq!(challenges.reserve(begun.id, noon()).await, Ok(Reservation::Reserved(with(0))), "{name}");
        assert_eq!(challenges.reserve(begun.id, noon()).await, Ok(Reservation::Refused(with(0))), "{name}");
        assert_eq!(challenges.exhaust(begun.id, noon()).await, Ok(true), "{name}");
        assert_eq!(challenges.exhaust(begun.id, noon()).await, Ok(false), "{name}");
        assert_eq!(challenges.give_back(begun.id, noon()).await, Ok(false), "{name}");
        assert_eq!(challenges.finish(begun.id, noon()).await, Ok(false), "{name}");
        assert_eq!(challenges.find(begun.id, noon() + HOUR).await.unwrap().unwrap().state, State::Exhausted, "{name}");
    }
}

#[tokio::test]
async fn another_code_comes_not_too_soon_and_changes_nothing_else() {
    for (name, store) in stores() {
        let challenges = Challenges::new(store);
        let begun = challenge(3);
        challenges.create(&begun, noon()).await.unwrap();
        challenges.reserve(begun.id, noon()).await.unwrap();
        let soon = noon() + Duration::from_secs(59);
        let Ok(Reissue::TooSoon(kept)) = challenges.reissue(begun.id, Some([9; 32]), noon() + HOUR, soon).await else {
            panic!("{name}: too soon")
        };
        assert_eq!(kept.code_hash, Some([7; 32]), "{name}");

        let due = noon() + MINUTE;
        let reissued = Challenge { code_hash: Some([9; 32]), resend_at: due + MINUTE, attempts_left: 2, ..begun.clone() };
        assert_eq!(challenges.reissue(begun.id, Some([9; 32]), due + MINUTE, due).await, Ok(Reissue::Reissued(reissued.clone())), "{name}");
        assert_eq!(challenges.find(begun.id, due).await, Ok(Some(reissued)), "{name}");
        let anonymous = challenges.reissue(begun.id, None, due + 2 * MINUTE, due + MINUTE).await;
        assert!(matches!(anonymous, Ok(Reissue::Reissued(Challenge { code_hash: None, .. }))), "{name}");

        challenges.reserve(begun.id, due).await.unwrap();
        challenges.reserve(begun.id, due).await.unwrap();
        let used_up = challenges.reissue(begun.id, Some([1; 32]), due, due + 5 * MINUTE).await;
        assert!(matches!(used_up, Ok(Reissue::Refused(Challenge { state: State::Pending, .. }))), "{name}");
        assert_eq!(challenges.finish(begun.id, due).await, Ok(true), "{name}");
        let done = challenges.reissue(begun.id, Some([1; 32]), due, due + 5 * MINUTE).await;
        assert!(matches!(done, Ok(Reissue::Refused(Challenge { state: State::Done, .. }))), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_gets_as_many_attempts_as_there_are_and_one_success() {
    for (name, store) in stores() {
        for _ in 0..5 {
            let challenges = Challenges::new(Arc::clone(&store));
            let begun = challenge(3);
            challenges.create(&begun, noon()).await.unwrap();
            let reserved = join_all((0..100).map(|_| {
                let (challenges, id) = (challenges.clone(), begun.id);
                tokio::spawn(async move { matches!(challenges.reserve(id, noon()).await.unwrap(), Reservation::Reserved(_)) })
            }));
            assert_eq!(reserved.await.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 3, "{name}");
            let finished = join_all((0..50).map(|_| {
                let (challenges, id) = (challenges.clone(), begun.id);
                tokio::spawn(async move { challenges.finish(id, noon()).await.unwrap() })
            }));
            assert_eq!(finished.await.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1, "{name}");
            assert_eq!(challenges.find(begun.id, noon()).await.unwrap().unwrap().state, State::Done, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_come_and_go_in_a_crowd_are_never_more_than_there_were() {
    for (name, store) in stores() {
        let challenges = Challenges::new(store);
        let begun = challenge(3);
        challenges.create(&begun, noon()).await.unwrap();
        join_all((0..40).map(|_| {
            let (challenges, id) = (challenges.clone(), begun.id);
            tokio::spawn(async move {
                if let Reservation::Reserved(reserved) = challenges.reserve(id, noon()).await.unwrap() {
                    assert!(reserved.attempts_left < 3);
                    assert!(challenges.give_back(id, noon()).await.unwrap());
                }
            })
        }))
        .await
        .into_iter()
        .for_each(|joined| joined.unwrap());
        assert_eq!(challenges.find(begun.id, noon()).await.unwrap().unwrap().attempts_left, 3, "{name}");
    }
}

/// The same random steps, as time goes on, have the same outcome in every store.
#[tokio::test]
async fn all_stores_follow_the_same_rules() {
    let stores = stores();
    for seed in 0..40 {
        let entropy = Entropy::seeded(seed);
        let begun = Challenge { id: id(), ..challenge(entropy.below(4)) };
        for (_, store) in &stores {
            store.create_challenge(&begun, noon()).await.unwrap();
        }
        let mut now = noon();
        for _ in 0..40 {
            now = now + Duration::from_millis(entropy.below(200_000).into()) * u32::from(entropy.below(4) == 0);
            let step = match entropy.below(12) {
                0..4 => Step::Reserve,
                4..7 => Step::GiveBack,
                7..9 => Step::Find,
                9 => Step::Reissue { code_hash: (entropy.below(2) == 0).then(|| entropy.bytes()), resend_at: now + MINUTE },
                10 if entropy.below(8) == 0 => Step::Finish,
                _ if entropy.below(8) == 0 => Step::Exhaust,
                _ => Step::Find,
            };
            let mut outcomes = Vec::new();
            for (name, store) in &stores {
                outcomes.push((name, store.change_challenge(begun.id, step, now).await.unwrap()));
            }
            let (_, expected) = outcomes.first().unwrap();
            for (name, outcome) in &outcomes {
                assert_eq!(outcome, expected, "{name}, seed {seed}");
            }
        }
    }
}
