//! A code counts for what it was sent for, for whom, and for nothing else.

use serde_json::{Value, json};

use super::{account_without_password, state_of, without_buckets};
use crate::support::{Answer, Challenge, Gateway, Member, PASSWORD};

/// What codes to sign in and to get back in are sent for, begun and answered by turns; those of contacts join them in `contacts::cross_use`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    SignUp,
    SignIn,
    PasswordReset,
    Reauthentication,
}

const ALL: [Use; 4] = [Use::SignUp, Use::SignIn, Use::PasswordReset, Use::Reauthentication];

/// An account, and who is signed in to it.
struct Person<'a> {
    gateway: &'a Gateway,
    member: Member,
    email: String,
}

impl Use {
    /// Sends a code for it.
    async fn begin(self, person: &Person<'_>) -> (Challenge, String) {
        let (visitor, email) = (&person.member.visitor, &person.email);
        let newcomer = format!("new-{email}");
        let (to, challenge) = match self {
            Self::SignUp => (&newcomer, visitor.sign_up(&newcomer, PASSWORD).await),
            Self::SignIn => (email, visitor.request_sign_in_code(email).await),
            Self::PasswordReset => (email, visitor.request_password_reset(email).await),
            Self::Reauthentication => (email, person.member.try_request_reauthentication_code("EMAIL").await.expect_done().into()),
        };
        (challenge, person.gateway.next_message(to).await.code())
    }

    /// Answers a challenge where the codes for it are taken.
    async fn answer(self, person: &Person<'_>, challenge: &Challenge, code: &str) -> Answer {
        let visitor = &person.member.visitor;
        match self {
            Self::SignUp => visitor.try_confirm(challenge, code).await,
            Self::SignIn => visitor.try_sign_in_with_code(challenge, code).await,
            Self::PasswordReset => visitor.try_reset_by_code(challenge, code, "another Kettle 48 sundial").await,
            Self::Reauthentication => person.member.try_reauthenticate_by_code(challenge, code).await,
        }
    }
}

async fn refuses(operation: Use, person: &Person<'_>, challenge: &Challenge, code: &str, of: &str) {
    let problem = operation.answer(person, challenge, code).await.expect_problem("CODE_INVALID");
    assert_eq!(problem["attemptsLeft"], Value::Null, "{of} at {operation:?}");
    let untouched = json!({"state": "PENDING", "attemptsLeft": 3});
    assert_eq!(state_of(&person.member.visitor, challenge).await, untouched, "{of} at {operation:?}: it is not counted either");
}

// B5
#[tokio::test]
async fn a_code_for_one_thing_does_no_other() {
    let gateway = without_buckets().await;
    for (number, purpose) in ALL.into_iter().enumerate() {
        let email = format!("person{number}@example.com");
        let person = Person { gateway: &gateway, member: account_without_password(&gateway, &email).await, email };
        let (challenge, code) = purpose.begin(&person).await;
        for other in ALL.into_iter().filter(|other| *other != purpose) {
            refuses(other, &person, &challenge, &code, &format!("{purpose:?}")).await;
            // Nor does the code answer a challenge that the other operation would take.
            let (of_other, right) = other.begin(&person).await;
            if right != code {
                let problem = other.answer(&person, &of_other, &code).await.expect_problem("CODE_INVALID");
                assert_eq!(problem["attemptsLeft"], 2, "{purpose:?} at {other:?}");
            }
        }
        purpose.answer(&person, &challenge, &code).await.expect_done();
    }
    gateway.expect_undelivered();
}

// B5: of two accounts, one's code does nothing for the other.
#[tokio::test]
async fn a_code_for_one_person_does_nothing_for_another() {
    let gateway = without_buckets().await;
    let mut people = Vec::new();
    for email in ["ada@example.com", "eve@example.com"] {
        let member = account_without_password(&gateway, email).await;
        people.push(Person { gateway: &gateway, member, email: email.to_owned() });
    }
    for purpose in ALL {
        let (of_ada, _) = purpose.begin(&people[0]).await;
        let (of_eve, eves) = purpose.begin(&people[1]).await;
        let problem = purpose.answer(&people[1], &of_ada, &eves).await.expect_problem("CODE_INVALID");
        // A session's challenge is none for another session; everybody may guess at the others.
        let left = if purpose == Use::Reauthentication { Value::Null } else { json!(2) };
        assert_eq!(problem["attemptsLeft"], left, "{purpose:?}");
        if purpose != Use::PasswordReset {
            purpose.answer(&people[1], &of_eve, &eves).await.expect_done();
        }
    }
    gateway.expect_undelivered();
}
