//! What a sign-in costs beside its Argon2 hash, and what everybody else feels of many sign-ins.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use entity::users::Status;
use postern::{
    crypto::password_hash::{PasswordHasher, Settings, hash_alone},
    entropy::Entropy,
};
use serde_json::json;

use super::{
    figures::{median, millis, percentile},
    gateway::Backing,
    people::{self, COSTS, Client, PASSWORD, Session},
    report::{Bar, Report, Row},
};

/// Short ones and many: a machine that others use too changes its speed within seconds, and both sides of a ratio shall feel that.
const ROUNDS: usize = 30;
const ALONE: Duration = Duration::from_millis(600);
const WARMING_UP: Duration = Duration::from_millis(300);
const SIGNING_IN: Duration = Duration::from_millis(1_200);
/// Clients that sign in one after the other.
const CLIENTS: usize = 16;
/// Sign-ins that wait while `me` is asked.
const CROWD: usize = 200;
const CROWDED_FOR: Duration = Duration::from_secs(12);
const ASK_EVERY: Duration = Duration::from_millis(5);

pub async fn measure(backing: &Backing, report: &mut Report) {
    let place = backing.place().await;
    let gateway = place.start().await;
    people::add(&place.database().await, "person", CROWD, Status::Active).await;
    let client = Client::of(&gateway);
    let people = meet(&client, CROWD).await;

    // Each part stands between two of the hashes alone, so that its reference is what the machine did just before and just after it.
    let (mut plain, mut own, mut known, mut new) = (Vec::new(), vec![own_hashes_per_second().await], Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        known.push(sign_ins_per_second(&client, &people, Device::Known).await);
        own.push(own_hashes_per_second().await);
        new.push(sign_ins_per_second(&client, &people, Device::New).await);
        own.push(own_hashes_per_second().await);
        plain.push(tokio::task::spawn_blocking(plain_hashes_per_second).await.unwrap());
    }
    let beside = |first: usize| own.windows(2).skip(first).step_by(2).map(|around| f64::midpoint(around[0], around[1])).collect::<Vec<_>>();
    for (rates, own, what) in [(known, beside(0), "known devices"), (new, beside(1), "new devices, each with a notice to the owner")] {
        let embedded = if backing.is_shared() { Bar::None("%") } else { Bar::AtLeast(90.0, "%") };
        for (alone, reference, bar) in [
            (&own, "the same Argon2 alone on all cores, by the program's own threads", embedded),
            (&plain, "plain calls of the Argon2 library, which take fresh memory for each hash", Bar::None("%")),
        ] {
            report.add(Row {
                what: format!("password sign-ins from {what}, of {reference}"),
                on: backing.name,
                bar,
                figure: rates.iter().sum::<f64>() / alone.iter().sum::<f64>() * 100.0,
                remark: format!("{:.0} of {:.0} a second", median(rates.iter().copied()), median(alone.iter().copied())),
            });
        }
    }
    let (p99, signed_in) = read_in_a_crowd(&client, &people).await;
    report.add(Row {
        what: format!("p99 of `me` while {CROWD} sign-ins wait"),
        on: backing.name,
        bar: Bar::Below(50.0, "ms"),
        figure: p99,
        remark: format!("200 `me` a second beside {signed_in:.0} sign-ins a second"),
    });
}

/// So many sign in once, so that their devices are known.
pub async fn meet(client: &Client, crowd: usize) -> Arc<Vec<Session>> {
    let mut people = Vec::with_capacity(crowd);
    for number in 0..crowd {
        people.push(client.sign_in(&people::email("person", number), None).await);
    }
    Arc::new(people)
}

/// What the program's hash threads reach with nothing around them.
async fn own_hashes_per_second() -> f64 {
    let settings = Settings { costs: COSTS, threads: None, queue: 256, queue_wait: Duration::from_secs(3), floor: Duration::ZERO };
    let hasher = PasswordHasher::new(settings, Entropy::system()).unwrap();
    // The first ones take fresh memory.
    futures::future::join_all((0..CLIENTS).map(|_| hasher.hash(PASSWORD))).await.into_iter().for_each(|hashed| drop(hashed.unwrap()));
    let begun = Instant::now();
    let work = (0..CLIENTS).map(|_| {
        let hasher = hasher.clone();
        async move {
            let mut done = 0.0;
            while begun.elapsed() < ALONE {
                hasher.hash(PASSWORD).await.unwrap();
                done += 1.0;
            }
            done
        }
    });
    let done: f64 = futures::future::join_all(work).await.into_iter().sum();
    done / begun.elapsed().as_secs_f64()
}

/// What calls of the library reach, one after the other on each core.
fn plain_hashes_per_second() -> f64 {
    let cores = thread::available_parallelism().unwrap().get();
    let begun = Instant::now();
    let work = || {
        let mut done = 0.0;
        while begun.elapsed() < ALONE {
            std::hint::black_box(hash_alone(COSTS, PASSWORD.as_bytes(), &[7; 16]).unwrap());
            done += 1.0;
        }
        done
    };
    let done: f64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    done / begun.elapsed().as_secs_f64()
}

#[derive(Clone, Copy)]
pub enum Device {
    Known,
    New,
}

/// Sign-ins by password a second.
pub async fn sign_ins_per_second(client: &Client, people: &Arc<Vec<Session>>, device: Device) -> f64 {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let crowd = Crowd { client, people, device, size: CLIENTS }.begin(&stop, &done);
    // The first ones find cold connections.
    tokio::time::sleep(WARMING_UP).await;
    let (before, begun) = (done.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(SIGNING_IN).await;
    let rate = (done.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    futures::future::join_all(crowd).await.into_iter().for_each(Result::unwrap);
    // What they leave to be done is none of whatever is measured next.
    tokio::time::sleep(WARMING_UP).await;
    rate
}

struct Crowd<'a> {
    client: &'a Client,
    people: &'a Arc<Vec<Session>>,
    device: Device,
    size: usize,
}

impl Crowd<'_> {
    /// Each of the crowd signs in again and again, to accounts that no other one signs in to.
    fn begin(self, stop: &Arc<AtomicBool>, done: &Arc<AtomicUsize>) -> Vec<tokio::task::JoinHandle<()>> {
        (0..self.size)
            .map(|first| {
                let (client, people, device, size) = (self.client.clone(), Arc::clone(self.people), self.device, self.size);
                let (stop, done) = (Arc::clone(stop), Arc::clone(done));
                tokio::spawn(async move {
                    for number in (first..people.len()).step_by(size).cycle() {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let device = matches!(device, Device::Known).then_some(people[number].device_token.as_str());
                        // Where so many wait that the last ones would wait too long, they are told so at once, and try again.
                        let Some(payload) = client.try_sign_in(&people::email("person", number), PASSWORD, device).await else { continue };
                        assert_eq!(payload["problems"], json!([]), "{payload}");
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect()
    }
}

/// The 99th percentile of `me`, asked at fixed times, in milliseconds; and the sign-ins a second beside it.
async fn read_in_a_crowd(client: &Client, people: &Arc<Vec<Session>>) -> (f64, f64) {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = client.sign_in(&people::email("person", 0), None).await;
    let crowd = Crowd { client, people, device: Device::Known, size: CROWD }.begin(&stop, &done);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, begun) = (done.load(Ordering::Relaxed), Instant::now());
    let bearer = Arc::new(format!("Bearer {}", reader.access_token));
    let mut asked = Vec::new();
    let mut clock = tokio::time::interval(ASK_EVERY);
    while begun.elapsed() < CROWDED_FOR {
        let due = clock.tick().await;
        let (client, bearer) = (client.clone(), Arc::clone(&bearer));
        asked.push(tokio::spawn(async move {
            let answer = client.ask("{ me { id email } }", json!({}), Some(("authorization", &bearer))).await;
            assert!(answer["data"]["me"]["id"].is_string(), "{answer}");
            millis(due.elapsed())
        }));
    }
    let rate = (done.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    let took = futures::future::join_all(asked).await.into_iter().map(Result::unwrap);
    let p99 = percentile(took, 99.0);
    stop.store(true, Ordering::Relaxed);
    futures::future::join_all(crowd).await.into_iter().for_each(Result::unwrap);
    (p99, rate)
}
