//! Values that expire or are taken once, and leaky buckets.

use futures::future::join_all;
use postern::ephemeral::{Limit, RateLimited, Store, Unavailable, memory::Memory};

use super::*;

#[tokio::test]
async fn a_value_is_there_until_the_program_says_it_has_expired() {
    for (name, store) in stores() {
        let key = unique("value");
        let value = [0, 255, b'\r', b'\n', 128];
        assert_eq!(store.get(&key, noon()).await, Ok(None), "{name}");
        store.put(&key, &value, noon() + MINUTE, noon()).await.unwrap();
        assert_eq!(store.get(&key, noon()).await, Ok(Some(value.to_vec())), "{name}");
        assert_eq!(store.get(&key, noon() + Duration::from_millis(59_999)).await, Ok(Some(value.to_vec())), "{name}");
        assert_eq!(store.get(&key, noon() + MINUTE).await, Ok(None), "{name}");
        assert_eq!(store.take(&key, noon() + MINUTE).await, Ok(None), "{name}");

        store.put(&key, b"one", noon() + MINUTE, noon()).await.unwrap();
        store.put(&key, b"", noon() + HOUR, noon()).await.unwrap();
        assert_eq!(store.get(&key, noon() + MINUTE).await, Ok(Some(Vec::new())), "{name}");
        store.put(&key, b"dead", noon(), noon()).await.unwrap();
        assert_eq!(store.get(&key, noon()).await, Ok(None), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_takers_one_gets_the_value() {
    for (name, store) in stores() {
        for _ in 0..10 {
            let key = unique("taken");
            store.put(&key, b"once", noon() + MINUTE, noon()).await.unwrap();
            let takers = (0..50).map(|_| {
                let (store, key) = (Arc::clone(&store), key.clone());
                tokio::spawn(async move { store.take(&key, noon()).await.unwrap() })
            });
            let winners = join_all(takers).await.into_iter().filter(|taken| taken.as_ref().unwrap().is_some()).count();
            assert_eq!(winners, 1, "{name}");
            assert_eq!(store.get(&key, noon()).await, Ok(None), "{name}");
        }
    }
}

#[tokio::test]
async fn a_bucket_takes_a_burst_and_then_leaks() {
    let limit = Limit::new(5, HOUR);
    let after = |minutes: u32| noon() + minutes * MINUTE;
    for (name, store) in stores() {
        let key = unique("bucket");
        for _ in 0..5 {
            assert_eq!(store.pour(&key, limit, noon()).await, Ok(Ok(())), "{name}");
        }
        assert_eq!(store.pour(&key, limit, noon()).await, Ok(Err(RateLimited { retry_after: 12 * MINUTE })), "{name}");
        assert_eq!(store.pour(&key, limit, after(5)).await, Ok(Err(RateLimited { retry_after: 7 * MINUTE })), "{name}");
        assert_eq!(store.pour(&key, limit, after(12)).await, Ok(Ok(())), "{name}");
        assert_eq!(store.pour(&key, limit, after(12)).await, Ok(Err(RateLimited { retry_after: 12 * MINUTE })), "{name}");
        for _ in 0..5 {
            assert_eq!(store.pour(&key, limit, after(72)).await, Ok(Ok(())), "{name}");
        }
        // A bucket that a clock far ahead has filled does not stay full until then.
        assert_eq!(store.pour(&key, limit, after(30)).await, Ok(Err(RateLimited { retry_after: 12 * MINUTE })), "{name}");
        assert!(store.pour(&unique("bucket"), Limit::new(0, HOUR), noon()).await.unwrap().is_err(), "{name}");
        let uneven = unique("bucket");
        for number in 0..8 {
            assert_eq!(store.pour(&uneven, Limit::new(7, MINUTE), noon()).await.unwrap().is_ok(), number < 7, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_lets_no_more_through_at_once_than_one_by_one() {
    for (name, store) in stores() {
        let key = unique("crowd");
        let crowd = (0..100).map(|_| {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move { store.pour(&key, Limit::new(10, HOUR), noon()).await.unwrap() })
        });
        let passed = join_all(crowd).await.into_iter().filter(|poured| poured.as_ref().unwrap().is_ok()).count();
        assert_eq!(passed, 10, "{name}");
    }
}

#[tokio::test]
async fn every_store_answers_a_ping() {
    for (name, store) in stores() {
        assert_eq!(store.ping().await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn the_store_in_the_process_is_bounded_and_forgets_what_has_expired() {
    let store = Memory::with_capacity(100);
    for number in 0..100 {
        store.put(&number.to_string(), b"x", noon() + MINUTE, noon()).await.unwrap();
        store.create_challenge(&challenge(3), noon()).await.unwrap();
    }
    assert_eq!(store.put("more", b"x", noon() + MINUTE, noon()).await, Err(Unavailable));
    assert_eq!(store.create_challenge(&challenge(3), noon()).await, Err(Unavailable));
    assert_eq!(store.put("7", b"y", noon() + MINUTE, noon()).await, Ok(()), "replacing needs no room");
    assert_eq!(store.len(), 200);

    let later = noon() + MINUTE;
    assert_eq!(store.put("more", b"x", later + MINUTE, later).await, Ok(()));
    assert_eq!(store.len(), 101, "values that have expired make room");
    store.sweep(noon() + 2 * HOUR);
    assert!(store.is_empty());
}

#[tokio::test]
async fn an_address_that_is_none_is_told_without_its_password() {
    let connect = |urls: &[&str]| {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        ephemeral::connect(&urls, TIMEOUT, Clock::system()).err().map(|error| error.to_string())
    };
    for urls in [&["http://:hunter2@localhost"][..], &["redis://:hunter2@[::"], &["redis://localhost", "redis://:hunter2@a:b:c"]] {
        let told = connect(urls).unwrap();
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains(&format!("address {}", urls.len())), "{told}");
    }
    assert_eq!(connect(&["redis://:hunter2@localhost:6379/1"]), None);
}
