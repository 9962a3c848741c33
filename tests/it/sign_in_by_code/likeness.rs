//! Who has an account here is told by no answer, whatever its state and history.

use entity::users;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::{HOUR, MINUTE, account, account_without_password, set_status, spend_budget, without_buckets};
use crate::support::{Answer, Challenge, Gateway, PASSWORD};

/// What an answer says, without what differs from one request to the next.
fn likeness(answer: &Answer, email: &str) -> (u16, Value, Vec<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id", "set-cookie"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        let (name, rest) = cookie.split_once('=').unwrap();
        headers.push((format!("cookie {name} of {}", cookie.len()), rest.split_once(';').unwrap().1.to_owned()));
    }
    headers.sort();
    let mut body = answer.body.clone();
    for payload in body["data"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        if let Some(challenge) = payload.get_mut("challenge").filter(|challenge| challenge.is_object()) {
            assert_eq!(challenge["destination"], format!("{}•••@example.com", &email[..1]));
            challenge["id"] = Value::Null;
            challenge["destination"] = Value::Null;
        }
    }
    for error in body["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]["requestId"] = Value::Null;
    }
    (answer.status, body, headers)
}

async fn everybody(gateway: &Gateway) -> [&'static str; 9] {
    account(gateway, "known@example.com").await;
    for (email, status) in [
        ("suspended@example.com", users::Status::Suspended),
        ("banned@example.com", users::Status::Banned),
        ("inactive@example.com", users::Status::Inactive),
    ] {
        let member = account(gateway, email).await;
        set_status(gateway, &member, status).await;
    }
    account(gateway, "locked@example.com").await;
    for _ in 0..5 {
        gateway.visitor().try_sign_in("locked@example.com", "not the password").await.expect_problem("CREDENTIALS_INVALID");
    }
    account_without_password(gateway, "codes@example.com").await;
    gateway.visitor().sign_up("unverified@example.com", PASSWORD).await;
    import(gateway, "imported@example.com").await;
    [
        "known@example.com",
        "suspended@example.com",
        "banned@example.com",
        "inactive@example.com",
        "locked@example.com",
        "codes@example.com",
        "unverified@example.com",
        "imported@example.com",
        "nobody@example.com",
    ]
}

/// An account whose address nobody has proved.
async fn import(gateway: &Gateway, email: &str) {
    let database = gateway.database().await;
    let known = users::Entity::find().filter(users::Column::PasswordHash.is_not_null()).one(&database).await.unwrap().unwrap();
    let now = gateway.clock.now();
    let imported = users::Model {
        email: Some(email.to_owned()),
        password_hash: known.password_hash,
        ..users::Model::new(gateway.app().entropy.uuid(now), now)
    };
    users::Entity::insert(users::ActiveModel::from(imported).reset_all()).exec_without_returning(&database).await.unwrap();
}

/// All that a stranger can do with a contact, and what is answered.
async fn transcript(gateway: &Gateway, email: &str, failures: usize) -> Vec<(u16, Value, Vec<(String, String)>)> {
    let visitor = gateway.visitor();
    let contact = || json!({"email": email});
    let mut all = Vec::new();
    for _ in 0..failures {
        all.push(visitor.try_sign_in(email, "not the password").await);
    }
    let answer = visitor.try_sign_up(json!({"contact": contact(), "password": PASSWORD})).await;
    let sign_up: Challenge = answer.clone().expect_done().into();
    let guess = visitor.try_confirm(&sign_up, "00000x").await;
    all.extend([answer, guess]);
    for _ in 0..2 {
        let answer = visitor.try_request_sign_in_code(contact()).await;
        let sign_in: Challenge = answer.clone().expect_done().into();
        all.push(answer);
        for _ in 0..4 {
            all.push(visitor.try_sign_in_with_code(&sign_in, "00000x").await);
        }
        let answer = visitor.try_request_password_reset(contact()).await;
        let reset: Challenge = answer.clone().expect_done().into();
        all.push(answer);
        for _ in 0..4 {
            all.push(visitor.try_reset_by_code(&reset, "00000x", "another Kettle 48 sundial").await);
        }
    }
    // Now both are spent: the guesses of the contact and its sends.
    let limited = visitor.try_request_sign_in_code(contact()).await;
    assert!(limited.headers.contains_key("retry-after"));
    all.push(limited);
    all.push(visitor.try_request_password_reset(contact()).await);
    all.push(visitor.try_sign_up(json!({"contact": contact(), "password": PASSWORD})).await);
    all.push(visitor.try_sign_in(email, "not the password").await);
    all.iter().map(|answer| likeness(answer, email)).collect()
}

// A9: with limits, budgets and locks as they are, after equal histories, for all pairs of states.
#[tokio::test]
async fn nothing_that_a_stranger_does_tells_how_an_account_stands() {
    for failures in [1, 6] {
        let gateway = Gateway::start().await;
        let mut everybody = everybody(&gateway).await.to_vec();
        // What was sent and tried to set the stage is forgotten. Six failures lock everybody; who was locked before would be so for
        // longer, and has another history.
        gateway.advance(HOUR);
        everybody.retain(|email| failures < 6 || !email.starts_with("locked"));
        let mut seen = Vec::new();
        for email in &everybody {
            seen.push(transcript(&gateway, email, failures).await);
        }
        for (email, answers) in everybody.iter().zip(&seen) {
            for (number, (one, other)) in answers.iter().zip(&seen[0]).enumerate() {
                assert_eq!(one, other, "{email}, answer {number} after {failures} failures");
            }
            assert_eq!(answers.len(), seen[0].len());
        }
        gateway.expect_undelivered();
    }
}

// A9: codes and resets are asked for, sent again and guessed at alike for everybody.
#[tokio::test]
async fn requests_and_wrong_codes_are_answered_alike_for_everybody() {
    let gateway = without_buckets().await;
    let everybody = everybody(&gateway).await;
    for purpose in ["sign-in", "reset"] {
        let mut seen: Vec<Vec<_>> = Vec::new();
        for email in everybody {
            let visitor = gateway.visitor();
            let contact = json!({"email": email});
            let asked = match purpose {
                "sign-in" => visitor.try_request_sign_in_code(contact).await,
                _ => visitor.try_request_password_reset(contact).await,
            };
            let mut answers = vec![likeness(&asked, email)];
            let challenge: Challenge = asked.expect_done().into();
            answers.push(likeness(&visitor.try_resend(&challenge).await, email));
            let question = "query ($id: ID!) { challenge(id: $id) { state attemptsLeft channel expiresAt } }";
            for _ in 0..4 {
                let guess = match purpose {
                    "sign-in" => visitor.try_sign_in_with_code(&challenge, "00000x").await,
                    _ => visitor.try_reset_by_code(&challenge, "00000x", "another Kettle 48 sundial").await,
                };
                answers.push(likeness(&guess, email));
                answers.push(likeness(&visitor.graphql(question, json!({"id": challenge.id})).await, email));
            }
            seen.push(answers);
        }
        for (email, answers) in everybody.iter().zip(&seen) {
            assert_eq!(answers, &seen[0], "{purpose}: {email}");
        }
        // Sent again a minute later.
        let mut seen = Vec::new();
        let mut asked = Vec::new();
        for email in everybody {
            let visitor = gateway.visitor();
            let contact = json!({"email": email});
            let challenge: Challenge = match purpose {
                "sign-in" => visitor.try_request_sign_in_code(contact).await,
                _ => visitor.try_request_password_reset(contact).await,
            }
            .expect_done()
            .into();
            asked.push((visitor, challenge, email));
        }
        gateway.advance(MINUTE);
        for (visitor, challenge, email) in &asked {
            seen.push(likeness(&visitor.try_resend(challenge).await, email));
        }
        for (email, answer) in everybody.iter().zip(&seen) {
            assert_eq!(answer, &seen[0], "{purpose}: {email}");
        }
    }
    gateway.expect_undelivered();
}

// A9, B2: so is a contact whose guesses are spent.
#[tokio::test]
async fn a_spent_budget_does_not_tell_who_has_an_account() {
    let gateway = without_buckets().await;
    account(&gateway, "known@example.com").await;
    let mut seen = Vec::new();
    for email in ["known@example.com", "nobody@example.com"] {
        spend_budget(&gateway, email).await;
        let visitor = gateway.visitor();
        let asked = visitor.try_request_sign_in_code(json!({"email": email})).await;
        let first = likeness(&asked, email);
        let challenge: Challenge = asked.expect_done().into();
        seen.push((first, likeness(&visitor.try_sign_in_with_code(&challenge, "123456").await, email)));
    }
    assert_eq!(seen[0], seen[1]);
    gateway.expect_undelivered();
}
