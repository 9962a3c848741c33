//! Whether time tells what answers do not: who has an account here, and how it stands.

use std::time::Instant;

use entity::users::Status;
use serde_json::{Value, json};

use super::{
    figures::{median, millis},
    gateway::Backing,
    people::{self, Client, WRONG_PASSWORD},
    report::{Bar, Report, Row},
};

const SAMPLES: usize = 200;
/// As many failures lock.
const FAILURES: usize = 5;

pub async fn measure(backing: &Backing, report: &mut Report) {
    let place = backing.place().await;
    let gateway = place.start().await;
    let database = place.database().await;
    people::add(&database, "person", SAMPLES, Status::Active).await;
    people::add(&database, "suspended", SAMPLES, Status::Suspended).await;
    people::add(&database, "locked", 1, Status::Active).await;
    let client = Client::of(&gateway);
    for name in ["locked0", "nobody-locked0"] {
        for _ in 0..FAILURES {
            wrong(&client, &format!("{name}@example.com")).await;
        }
    }
    let (mut sign_ins, mut locked, mut sign_ups) = ([vec![], vec![], vec![]], [vec![], vec![]], [vec![], vec![]]);
    for number in 0..SAMPLES {
        for class in in_turns(number, 3) {
            let name = ["person", "nobody", "suspended"][class];
            sign_ins[class].push(timed(&client, &people::email(name, number), "CREDENTIALS_INVALID").await);
        }
        for class in in_turns(number, 2) {
            let name = ["locked0@example.com", "nobody-locked0@example.com"][class];
            locked[class].push(timed(&client, name, "ACCOUNT_LOCKED").await);
        }
        for class in in_turns(number, 2) {
            let name = ["person", "somebody"][class];
            sign_ups[class].push(sign_up(&client, &people::email(name, number)).await);
        }
    }
    let names = "wrong password, unknown, suspended";
    add(report, backing, format!("sign-in with a wrong secret ({names}), largest difference of medians"), sign_ins);
    add(report, backing, "sign-in while locked (known, unknown), difference of medians".to_owned(), locked);
    add(report, backing, "sign-up (known, unknown contact), difference of medians".to_owned(), sign_ups);
}

/// The classes in another order each time, so that what one leaves behind falls on all.
fn in_turns(number: usize, classes: usize) -> impl Iterator<Item = usize> {
    (0..classes).map(move |class| (class + number) % classes)
}

fn add<const N: usize>(report: &mut Report, backing: &Backing, what: String, samples: [Vec<f64>; N]) {
    let medians = samples.map(median);
    let (least, most) = medians.iter().fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
    report.add(Row {
        what,
        on: backing.name,
        bar: Bar::AtMost(10.0, "%"),
        figure: (most / least - 1.0) * 100.0,
        remark: format!("{} ms over {SAMPLES} each, in turns", medians.map(|median| format!("{median:.2}")).join(", ")),
    });
}

async fn wrong(client: &Client, email: &str) -> Value {
    client.try_sign_in(email, WRONG_PASSWORD, None).await.expect("few sign in")
}

async fn timed(client: &Client, email: &str, code: &str) -> f64 {
    let begun = Instant::now();
    let payload = wrong(client, email).await;
    let took = millis(begun.elapsed());
    assert_eq!(payload["problems"][0]["code"], code, "{email}: {payload}");
    took
}

async fn sign_up(client: &Client, email: &str) -> f64 {
    const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) { challenge { id } problems { code } } }";
    let input = json!({"input": {"contact": {"email": email}, "password": WRONG_PASSWORD}});
    let begun = Instant::now();
    let answer = client.ask(SIGN_UP, input, None).await;
    let took = millis(begun.elapsed());
    assert!(answer["data"]["signUp"]["challenge"]["id"].is_string(), "{answer}");
    took
}
