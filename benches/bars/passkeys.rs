//! Passkey sign-ins beside those by password, which cost an Argon2 hash each.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use entity::users::Status;
use serde_json::{Value, json};

use super::{
    authenticator::Authenticator,
    figures::median,
    gateway::{Backing, Gateway},
    people::{self, Client, Session},
    report::{Bar, Report, Row},
    sign_ins::{self, Device},
};

const ROUNDS: usize = 3;
const SIGNING_IN: Duration = Duration::from_secs(6);
/// Clients that sign in one after the other, and accounts of each.
const CLIENTS: usize = 16;
const ACCOUNTS: usize = 4;

const BEGIN_REGISTRATION: &str = "mutation { beginPasskeyRegistration { options problems { code } } }";
const FINISH_REGISTRATION: &str =
    "mutation ($input: FinishPasskeyRegistrationInput!) { finishPasskeyRegistration(input: $input) { problems { code } } }";
const BEGIN: &str = "mutation { beginPasskeySignIn { loginToken options problems { code } } }";
const SIGN_IN: &str =
    "mutation ($input: SignInWithPasskeyInput!) { signInWithPasskey(input: $input) { outcome { __typename ... on SignedIn {
    session { id } tokens { accessToken } } } problems { code } } }";

pub async fn measure(backing: &Backing, report: &mut Report) {
    let place = backing.place().await;
    let gateway = place.start().await;
    people::add(&place.database().await, "person", CLIENTS * ACCOUNTS, Status::Active).await;
    let client = Client::of(&gateway);
    let people = sign_ins::meet(&client, CLIENTS * ACCOUNTS).await;
    let keys = register(&client, &gateway, &people).await;
    let (mut by_password, mut by_passkey) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_password.push(sign_ins::sign_ins_per_second(&client, &people, Device::Known).await);
        by_passkey.push(sign_ins_per_second(&client, &people, &keys).await);
    }
    report.add(Row {
        what: "passkey sign-ins (both requests of each), of those by password from known devices".to_owned(),
        on: backing.name,
        bar: if backing.is_shared() { Bar::None("times") } else { Bar::AtLeast(5.0, "times") },
        figure: median(by_passkey.iter().zip(&by_password).map(|(passkey, password)| passkey / password)),
        remark: format!(
            "{:.0} and {:.0} a second; the authenticators sign on the same cores",
            median(by_passkey.iter().copied()),
            median(by_password.iter().copied())
        ),
    });
}

/// Everybody gets a passkey.
async fn register(client: &Client, gateway: &Gateway, people: &[Session]) -> Arc<Vec<Mutex<Authenticator>>> {
    let origin = format!("http://localhost:{}", gateway.address.rsplit(':').next().unwrap_or_default());
    let mut keys = Vec::with_capacity(people.len());
    for session in people {
        let bearer = format!("Bearer {}", session.access_token);
        let header = Some(("authorization", bearer.as_str()));
        let options = client.ask(BEGIN_REGISTRATION, json!({}), header).await["data"]["beginPasskeyRegistration"]["options"].take();
        let mut key = Authenticator::security_key(&origin);
        let input = json!({"input": {"credential": key.create(&options)}});
        let answer = client.ask(FINISH_REGISTRATION, input, header).await;
        assert_eq!(answer["data"]["finishPasskeyRegistration"]["problems"], json!([]), "{answer}");
        keys.push(Mutex::new(key));
    }
    Arc::new(keys)
}

async fn sign_ins_per_second(client: &Client, people: &Arc<Vec<Session>>, keys: &Arc<Vec<Mutex<Authenticator>>>) -> f64 {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let crowd: Vec<_> = (0..CLIENTS)
        .map(|first| {
            let (client, people, keys) = (client.clone(), Arc::clone(people), Arc::clone(keys));
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                for number in (first..keys.len()).step_by(CLIENTS).cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    sign_in(&client, &people[number].device_token, &keys[number]).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // The first ones find cold connections.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, begun) = (done.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(SIGNING_IN).await;
    let rate = (done.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    futures::future::join_all(crowd).await.into_iter().for_each(Result::unwrap);
    rate
}

async fn sign_in(client: &Client, device: &str, key: &Mutex<Authenticator>) {
    let header = Some(("postern-device", device));
    let begun = client.ask(BEGIN, json!({}), header).await["data"]["beginPasskeySignIn"].take();
    let credential: Value = key.lock().unwrap().get(&begun["options"]);
    let input = json!({"loginToken": begun["loginToken"], "credential": credential, "tokenDelivery": "BODY"});
    let answer = client.ask(SIGN_IN, json!({"input": input}), header).await;
    assert_eq!(answer["data"]["signInWithPasskey"]["problems"], json!([]), "{answer}");
}
