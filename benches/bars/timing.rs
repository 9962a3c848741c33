//! Whether time tells what answers do not: who has an account here, and how it stands.

use std::time::{Duration, Instant};

use entity::users::Status;
use serde_json::{Value, json};

use super::{
    figures::{median, millis},
    gateway::Backing,
    people::{self, Client, WRONG_PASSWORD},
    report::{Bar, Report, Row},
};

const SAMPLES: usize = 200;
/// How many contacts share the requests for codes.
const FEW: usize = 40;
/// How accounts stand, and whoever has none.
const CLASSES: [&str; 6] = ["person", "nobody", "suspended", "imported", "unverified", "locked"];
/// The last one is answered otherwise where a password is asked for.
const WITHOUT_LOCKED: usize = CLASSES.len() - 1;
/// Of another program; nobody here knows its password.
const IMPORTED: &str = "$2b$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
const RESEND_AFTER: Duration = Duration::from_millis(1_010);
/// As many failures lock.
const FAILURES: usize = 5;

pub async fn measure(backing: &Backing, report: &mut Report) {
    let mut place = backing.place().await;
    // More than the slowest hash here takes, as the setting asks.
    place.set("POSTERN_PASSWORDS__IMPORTED_FLOOR", "150ms");
    place.set("POSTERN_CODES__RESEND_AFTER", "1s");
    let gateway = place.start().await;
    let database = place.database().await;
    people::add(&database, "person", SAMPLES, Status::Active).await;
    people::add(&database, "suspended", SAMPLES, Status::Suspended).await;
    people::add(&database, "locked", 1 + 2 * FEW, Status::Active).await;
    people::add_with(&database, "imported", SAMPLES, |user| user.password_hash = Some(IMPORTED.to_owned())).await;
    people::add_with(&database, "unverified", SAMPLES, |user| user.email_verified_at = None).await;
    let client = Client::of(&gateway);
    let to_lock = (0..=2 * FEW).map(|number| people::email("locked", number));
    for email in to_lock.chain(["nobody-locked0@example.com".to_owned()]) {
        for _ in 0..FAILURES {
            wrong(&client, &email).await;
        }
    }
    let mut sign_ins = [(); WITHOUT_LOCKED].map(|()| vec![]);
    let [mut locked, mut sign_ups] = [(); 2].map(|()| [vec![], vec![]]);
    let [mut codes, mut resets, mut wrong_codes, mut wrong_resets, mut resends] = [(); 5].map(|()| [(); CLASSES.len()].map(|()| vec![]));
    for number in 0..SAMPLES {
        for class in in_turns(number, WITHOUT_LOCKED) {
            let name = CLASSES[class];
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
        let mut challenges = [(); CLASSES.len()].map(|()| String::new());
        for class in in_turns(number, CLASSES.len()) {
            // A few contacts, again and again: also what older links cost must not tell who has an account.
            let email = people::email(CLASSES[class], number % FEW);
            let (took, challenge) = ask_for_code(&client, "requestSignInCode", &email).await;
            codes[class].push(took);
            wrong_codes[class].push(guess_to_sign_in(&client, &challenge).await);
            challenges[class] = challenge;
        }
        tokio::time::sleep(RESEND_AFTER).await;
        for class in in_turns(number, CLASSES.len()) {
            resends[class].push(resend(&client, &challenges[class]).await);
        }
        for class in in_turns(number, CLASSES.len()) {
            let email = people::email(CLASSES[class], FEW + number % FEW);
            let (took, challenge) = ask_for_code(&client, "requestPasswordReset", &email).await;
            resets[class].push(took);
            wrong_resets[class].push(guess_to_reset(&client, &challenge).await);
        }
    }
    let names = "known, unknown, suspended, imported, unverified";
    add(report, backing, format!("sign-in with a wrong secret ({names}), largest difference of medians"), sign_ins);
    add(report, backing, "sign-in while locked (known, unknown), difference of medians".to_owned(), locked);
    add(report, backing, "sign-up (known, unknown contact), difference of medians".to_owned(), sign_ups);
    let names = "known, unknown, suspended, imported, unverified, locked";
    add(report, backing, format!("request of a code ({names}), largest difference of medians"), codes);
    add(report, backing, format!("another code ({names}), largest difference of medians"), resends);
    add(report, backing, format!("request of a reset ({names}), largest difference of medians"), resets);
    add(report, backing, format!("sign-in with a wrong code ({names}), largest difference of medians"), wrong_codes);
    add(report, backing, format!("reset with a wrong code ({names}), largest difference of medians"), wrong_resets);
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

/// Asks for a code or a reset; how long that took, and its challenge.
async fn ask_for_code(client: &Client, field: &str, email: &str) -> (f64, String) {
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query = format!("mutation ($input: {kind}!) {{ {field}(input: $input) {{ challenge {{ id }} problems {{ code }} }} }}");
    let input = json!({"input": {"contact": {"email": email}}});
    let begun = Instant::now();
    let answer = client.ask(&query, input, None).await;
    let took = millis(begun.elapsed());
    let challenge = answer["data"][field]["challenge"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (took, challenge)
}

async fn resend(client: &Client, challenge: &str) -> f64 {
    const RESEND: &str =
        "mutation ($input: ResendChallengeInput!) { resendChallenge(input: $input) { challenge { id } problems { code } } }";
    let begun = Instant::now();
    let answer = client.ask(RESEND, json!({"input": {"challengeId": challenge}}), None).await;
    let took = millis(begun.elapsed());
    assert_eq!(answer["data"]["resendChallenge"]["challenge"]["id"], challenge, "{answer}");
    took
}

async fn guess_to_sign_in(client: &Client, challenge: &str) -> f64 {
    const SIGN_IN: &str =
        "mutation ($input: SignInWithCodeInput!) { signInWithCode(input: $input) { outcome { __typename } problems { code } } }";
    guess(client, SIGN_IN, json!({"challengeId": challenge, "code": "00000x"}), "signInWithCode").await
}

async fn guess_to_reset(client: &Client, challenge: &str) -> f64 {
    const RESET: &str = "mutation ($input: ResetPasswordInput!) { resetPassword(input: $input) { problems { code } } }";
    let proof = json!({"code": {"challengeId": challenge, "code": "00000x"}});
    guess(client, RESET, json!({"proof": proof, "newPassword": WRONG_PASSWORD}), "resetPassword").await
}

/// A wrong code, which is looked at: no contact is asked for so often that its budget is spent.
async fn guess(client: &Client, query: &str, input: Value, field: &str) -> f64 {
    let begun = Instant::now();
    let answer = client.ask(query, json!({"input": input}), None).await;
    let took = millis(begun.elapsed());
    assert_eq!(answer["data"][field]["problems"][0]["code"], "CODE_INVALID", "{answer}");
    took
}
