//! Many at once: on whatever the environment names, and where it names PostgreSQL and Redis on two instances.

mod administrators;
mod passkeys;
mod proofs;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::{Answer, Challenge, Gateway, Member, PASSWORD, Visitor};

/// Instances that share everything: two where that is possible.
pub struct Deployment(Vec<Gateway>);

impl Deployment {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl Fn(&mut postern::config::Config)) -> Self {
        // The buckets would answer first: what is tested here must hold without them.
        let change = |config: &mut postern::config::Config| {
            config.rate_limits.enabled = false;
            config.passwords.queue_wait = Duration::from_mins(1);
            change(config);
        };
        let first = Gateway::start_with(change).await;
        let mut all = vec![first];
        if all[0].place.is_shared() {
            all.push(all[0].start_beside_with(change).await);
        }
        Self(all)
    }

    pub fn first(&self) -> &Gateway {
        &self.0[0]
    }

    /// The one whose turn it is.
    pub fn nth(&self, n: usize) -> &Gateway {
        &self.0[n % self.0.len()]
    }

    async fn count<E: EntityTrait<Model: Send + Sync>>(&self, filter: sea_orm::Condition) -> u64 {
        let database = self.first().database().await;
        let count = E::find().filter(filter).count(&database).await.unwrap();
        database.close().await.unwrap();
        count
    }
}

fn everything() -> sea_orm::Condition {
    sea_orm::Condition::all()
}

/// The code of the first problem, `DONE` where there is none; errors are errors.
fn outcome(answer: &Answer) -> String {
    assert!(answer.errors().is_empty(), "{} {}", answer.status, answer.body);
    let payload = answer.data().as_object().and_then(|fields| fields.values().next()).unwrap();
    payload["problems"][0]["code"].as_str().unwrap_or("DONE").to_owned()
}

fn tally(answers: &[Answer]) -> std::collections::BTreeMap<String, usize> {
    let mut tally = std::collections::BTreeMap::new();
    for answer in answers {
        *tally.entry(outcome(answer)).or_default() += 1;
    }
    tally
}

async fn begin(deployment: &Deployment, email: &str) -> (Visitor, Challenge, String) {
    let visitor = deployment.first().app_user();
    let challenge = visitor.sign_up(email, PASSWORD).await;
    let code = deployment.first().next_message(email).await.code();
    (visitor, challenge, code)
}

// B4: the right code, a hundred times at once: one account, one session, one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_confirms_once() {
    let deployment = Deployment::start().await;
    for round in 0..20 {
        let parallel = if round == 0 { 100 } else { 12 };
        let email = format!("once{round}@example.com");
        let (visitor, challenge, code) = begin(&deployment, &email).await;
        let tries = (0..parallel).map(|n| {
            let (visitor, challenge, code) = (visitor.at(deployment.nth(n)), &challenge, &code);
            async move { visitor.try_confirm(challenge, code).await }
        });
        let answers = join_all(tries).await;
        let tally = tally(&answers);
        assert_eq!(tally.get("DONE"), Some(&1), "{tally:?}");
        let refused = ["DONE", "CODE_INVALID", "TOO_MANY_ATTEMPTS"];
        assert!(tally.keys().all(|code| refused.contains(&code.as_str())), "{tally:?}");
    }
    let created = entity::account_events::Column::Kind.eq(entity::account_events::Kind::Created);
    assert_eq!(deployment.count::<entity::users::Entity>(everything()).await, 20);
    assert_eq!(deployment.count::<entity::user_sessions::Entity>(everything()).await, 20);
    assert_eq!(deployment.count::<entity::account_events::Entity>(everything().add(created)).await, 20);
}

// B3, B4: a hundred different wrong codes at once: at most three are looked at, and the right one is refused afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_are_looked_at_three_times() {
    let deployment = Deployment::start().await;
    for round in 0..20 {
        let parallel = if round == 0 { 100 } else { 12 };
        let email = format!("guess{round}@example.com");
        let (visitor, challenge, code) = begin(&deployment, &email).await;
        let right: u32 = code.parse().unwrap();
        let tries = (1..=parallel).map(|n| {
            let (visitor, challenge) = (visitor.at(deployment.nth(n as usize)), &challenge);
            async move { visitor.try_confirm(challenge, &format!("{:06}", (right + n) % 1_000_000)).await }
        });
        let answers = join_all(tries).await;
        let tally = tally(&answers);
        assert_eq!(tally.get("CODE_INVALID"), Some(&3), "{tally:?}");
        assert_eq!(tally.get("TOO_MANY_ATTEMPTS"), Some(&(parallel as usize - 3)), "{tally:?}");
        let mut left: Vec<i64> = answers
            .iter()
            .filter(|answer| outcome(answer) == "CODE_INVALID")
            .map(|answer| answer.data()["confirmSignUp"]["problems"][0]["attemptsLeft"].as_i64().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2]);
        visitor.try_confirm(&challenge, &code).await.expect_problem("TOO_MANY_ATTEMPTS");
        let state = visitor.graphql("query ($id: ID!) { challenge(id: $id) { state attemptsLeft } }", json!({"id": challenge.id})).await;
        assert_eq!(state.expect_field(), json!({"state": "EXHAUSTED", "attemptsLeft": 0}));
    }
    let wrong = entity::user_audit_log::Column::ResultCode.eq("CODE_INVALID");
    assert_eq!(deployment.count::<entity::user_audit_log::Entity>(everything().add(wrong)).await, 60);
    assert_eq!(deployment.count::<entity::users::Entity>(everything()).await, 0);
}

// A12: a hundred sign-ups of one address at once: all answered alike, three live, one account after all of them are confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_makes_one_account() {
    let deployment = Deployment::start().await;
    let email = "crowd@example.com";
    let visitors: Vec<Visitor> = (0..100).map(|n| deployment.nth(n).app_user()).collect();
    let challenges = join_all(visitors.iter().map(|visitor| visitor.sign_up(email, PASSWORD))).await;
    let shape = |challenge: &Challenge| {
        let mut fields = challenge.fields.clone();
        fields["id"] = Value::Null;
        fields
    };
    let shapes: HashSet<String> = challenges.iter().map(|challenge| shape(challenge).to_string()).collect();
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    assert_eq!(deployment.count::<entity::pending_sign_ups::Entity>(everything()).await, 3);

    // Every code of those, at once.
    let database = deployment.first().database().await;
    let live: HashSet<String> = entity::pending_sign_ups::Entity::find()
        .all(&database)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.challenge_id.to_string())
        .collect();
    let mut codes = HashMap::new();
    while codes.len() < 100 {
        let message = deployment.first().next_message(email).await;
        let link = message.link.clone().unwrap();
        codes.insert(link.split("challenge=").nth(1).unwrap()[..36].to_owned(), message.code());
    }
    let tries = challenges.iter().zip(&visitors).filter(|(challenge, _)| live.contains(&challenge.id));
    let answers = join_all(tries.map(|(challenge, visitor)| visitor.try_confirm(challenge, &codes[&challenge.id]))).await;
    let tally = tally(&answers);
    assert_eq!(tally.get("DONE"), Some(&1), "{tally:?}");
    assert_eq!(tally.values().sum::<usize>(), 3, "{tally:?}");
    for (challenge, visitor) in challenges.iter().zip(&visitors).filter(|(challenge, _)| !live.contains(&challenge.id)).take(5) {
        assert_ne!(outcome(&visitor.try_confirm(challenge, &codes[&challenge.id]).await), "DONE", "a replaced one");
    }
    assert_eq!(deployment.count::<entity::users::Entity>(everything()).await, 1);
    // The others look as they did to whoever began them, and lead nowhere.
    let live = everything().add(entity::pending_sign_ups::Column::Decoy.eq(false));
    assert_eq!(deployment.count::<entity::pending_sign_ups::Entity>(live).await, 0);
}

// D4: fifty tabs refresh at once and end up with one token; never two live branches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refreshes_give_one_token() {
    let deployment = Deployment::start().await;
    let member = deployment.first().app_user().becomes_member("tabs@example.com").await;
    let mut current = member.tokens().refresh.unwrap();
    for _ in 0..20 {
        let tries = (0..50).map(|n| {
            let (visitor, current) = (member.visitor.at(deployment.nth(n)), &current);
            async move { visitor.try_refresh(Some(current)).await.expect_done()["tokens"]["refreshToken"].as_str().unwrap().to_owned() }
        });
        let given: HashSet<String> = join_all(tries).await.into_iter().collect();
        assert_eq!(given.len(), 1);
        let next = given.into_iter().next().unwrap();
        assert_ne!(next, current);
        current = next;
    }
    let database = deployment.first().database().await;
    let session = entity::user_sessions::Entity::find().one(&database).await.unwrap().unwrap();
    assert_eq!(session.refresh_generation, 21);
    let refreshed = entity::account_events::Column::Kind.eq(entity::account_events::Kind::SessionRefreshed);
    assert_eq!(deployment.count::<entity::account_events::Entity>(everything().add(refreshed)).await, 20);
}

// C8: a hundred wrong passwords at once: five are looked at; the lock outlives a restart, and holds where there is nobody just the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_are_looked_at_five_times() {
    let mut deployment = Deployment::start().await;
    deployment.first().app_user().becomes_member("target@example.com").await;
    for identifier in ["target@example.com", "nobody@example.com"] {
        let tries = (0..100).map(|n| {
            let visitor = deployment.nth(n).app_user();
            async move { visitor.try_sign_in(identifier, &format!("wrong-Guess {n} lantern")).await }
        });
        let tally = tally(&join_all(tries).await);
        assert_eq!(tally, [("ACCOUNT_LOCKED".to_owned(), 95), ("CREDENTIALS_INVALID".to_owned(), 5)].into(), "{identifier}");
    }
    let wrong = entity::user_audit_log::Column::ResultCode.eq("CREDENTIALS_INVALID");
    assert_eq!(deployment.count::<entity::user_audit_log::Entity>(everything().add(wrong)).await, 10);
    let first = deployment.0.remove(0).restart().await;
    deployment.0.insert(0, first);
    deployment.first().app_user().try_sign_in("target@example.com", PASSWORD).await.expect_problem("ACCOUNT_LOCKED");
    deployment.first().advance(Duration::from_mins(15));
    deployment.first().app_user().sign_in("target@example.com", PASSWORD).await;
}

// C8: what is counted before it is checked must not lock out whoever is right: thirty sign-ins of one person at once, by which nobody is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_passwords_at_once_lock_nobody_out() {
    let deployment = Deployment::start().await;
    deployment.first().app_user().becomes_member("busy@example.com").await;
    let tries = (0..30).map(|n| {
        let visitor = deployment.nth(n).app_user();
        async move { visitor.try_sign_in("busy@example.com", PASSWORD).await }
    });
    assert_eq!(tally(&join_all(tries).await), [("DONE".to_owned(), 30)].into());
}

// D14: fifty sign-ins of one person at once where ten sessions may live: ten do, and exactly those that are told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_on_sessions_holds_in_a_crowd() {
    let deployment = Deployment::start_with(|config| {
        config.sessions.max_live = 10;
    })
    .await;
    let email = "collector@example.com";
    deployment.first().app_user().becomes_member(email).await;
    // The session of the sign-up is the oldest one, and none of those that are counted.
    deployment.first().advance(Duration::from_secs(1));
    let visitors: Vec<Visitor> = (0..50).map(|n| deployment.nth(n).app_user()).collect();
    let members: Vec<Member> = join_all(visitors.iter().map(|visitor| visitor.sign_in(email, PASSWORD))).await;
    let live = entity::user_sessions::Column::Status.eq(entity::user_sessions::Status::Active);
    assert_eq!(deployment.count::<entity::user_sessions::Entity>(everything().add(live)).await, 10);
    let refreshed = join_all(members.iter().map(Member::try_refresh)).await;
    assert_eq!(refreshed.iter().filter(|answer| outcome(answer) == "DONE").count(), 10);
}

// C4: a sign-in with the old password beside its change gives nothing that outlives the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_password_leaves_no_sign_in_with_the_old_one() {
    let deployment = Deployment::start_with(|config| {
        config.lockout.failures = 1_000;
        config.lockout.in_a_row = 10_000;
    })
    .await;
    let email = "changing@example.com";
    let member = deployment.first().app_user().becomes_member(email).await;
    let mut passwords = (PASSWORD, "another-Sundial 58 kettle");
    for _ in 0..10 {
        let (old, new) = passwords;
        let visitors: Vec<Visitor> = (0..8).map(|n| deployment.nth(n).app_user()).collect();
        let sign_ins = join_all(visitors.iter().map(|visitor| visitor.try_sign_in(email, old)));
        let (changed, sign_ins) = tokio::join!(member.try_change_password(old, new), sign_ins);
        changed.expect_done();
        for answer in &sign_ins {
            assert!(["DONE", "CREDENTIALS_INVALID"].contains(&outcome(answer).as_str()), "{}", answer.body);
        }
        let live = entity::user_sessions::Column::Status.eq(entity::user_sessions::Status::Active);
        assert_eq!(deployment.count::<entity::user_sessions::Entity>(everything().add(live)).await, 1, "only the one that changed it");
        passwords = (new, old);
    }
}

// D7: devices of one person that end each other at once: one of them is left, and nobody meets a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_end_each_other_leave_one() {
    let deployment = Deployment::start().await;
    let email = "duel@example.com";
    let mut members = vec![deployment.first().app_user().becomes_member(email).await];
    for _ in 0..10 {
        while members.len() < 8 {
            let n = members.len();
            members.push(deployment.nth(n).app_user().sign_in(email, PASSWORD).await);
        }
        let query = "mutation { revokeOtherSessions { revokedSessionCount problems { code } } }";
        let answers = join_all(members.iter().map(|member| member.graphql(query, json!({})))).await;
        for answer in &answers {
            assert!(answer.errors().is_empty() || answer.code() == Some("UNAUTHENTICATED"), "{}", answer.body);
        }
        let live = entity::user_sessions::Column::Status.eq(entity::user_sessions::Status::Active);
        assert_eq!(deployment.count::<entity::user_sessions::Entity>(everything().add(live)).await, 1);
        let alive = join_all(members.iter().map(Member::try_refresh)).await;
        let alive: Vec<bool> = alive.iter().map(|answer| outcome(answer) == "DONE").collect();
        assert_eq!(alive.iter().filter(|alive| **alive).count(), 1);
        let winner = members.swap_remove(alive.iter().position(|alive| *alive).unwrap());
        winner.refresh().await;
        members = vec![winner];
    }
}

// B3: an operation tries one code, however often it names the field; and a socket none.
#[tokio::test]
async fn an_operation_tries_one_code() {
    let gateway = Gateway::start().await;
    let visitor = gateway.app_user();
    let challenge = visitor.sign_up("aliases@example.com", PASSWORD).await;
    let code = gateway.next_message("aliases@example.com").await.code();
    let field = |n: u32| {
        let input = format!(r#"{{challengeId: "{}", code: "{n:06}", tokenDelivery: BODY}}"#, challenge.id);
        format!("a{n}: confirmSignUp(input: {input}) {{ problems {{ code }} }}")
    };
    let fields: Vec<String> = (0..20).map(field).collect();
    for many in [&fields[..], &fields[..2]] {
        let answer = visitor.graphql(&format!("mutation {{ {} }}", many.join(" ")), json!({})).await;
        assert_eq!(answer.code(), Some("OPERATION_TOO_COMPLEX"), "{}", answer.body);
    }
    let mut socket = visitor.socket().await;
    let id = socket.subscribe(&format!("mutation {{ {} }}", fields[0]), json!({})).await;
    assert_eq!(socket.errors(&id).await[0]["extensions"]["code"], "BAD_REQUEST");
    let state = visitor.graphql("query ($id: ID!) { challenge(id: $id) { attemptsLeft } }", json!({"id": challenge.id})).await;
    assert_eq!(state.expect_field()["attemptsLeft"], 3, "none was looked at");
    visitor.confirm(&challenge, &code).await;
}
