//! Replay and live, of everybody and of one, by whoever may.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use postern::domain::machine_scope::MachineScope::EventsRead;
use serde_json::{Value, json};

use super::{ALL_SESSIONS, ALL_USERS, administrator, signs_in};
use crate::{
    machine_tokens::Machine,
    support::{Gateway, Socket},
};

/// The code with which a subscription is refused: the only answer of its operation.
async fn refusal(socket: &mut Socket, query: &str, variables: Value) -> Value {
    let id = socket.subscribe(query, variables).await;
    socket.errors(&id).await[0]["extensions"]["code"].clone()
}

#[tokio::test]
async fn administrators_and_machines_follow_everybody() {
    let gateway = Gateway::start().await;
    let admin = administrator(&gateway, "root@example.com").await;
    let machine = Machine::with(&gateway, &[EventsRead]).await;
    let (of_admin, of_machine) = (admin.event_cursor().await, machine.event_cursor().await);
    let (mut by_admin, mut by_machine) = (admin.socket().await, machine.socket().await);
    let mut sessions = Vec::new();
    let mut users = Vec::new();
    for (socket, after) in [(&mut by_admin, &of_admin), (&mut by_machine, &of_machine)] {
        sessions.push(socket.subscribe(ALL_SESSIONS, json!({"after": after})).await);
        users.push(socket.subscribe(ALL_USERS, json!({"after": after})).await);
    }
    let ann = gateway.app_user().becomes_member("ann@example.com").await;
    let bob = gateway.app_user().becomes_member("bob@example.com").await;
    let phone = signs_in(&gateway, "ann@example.com").await;
    phone.sign_out().await;
    let expected = [("CREATED", &ann, &ann), ("CREATED", &bob, &bob), ("CREATED", &ann, &phone), ("REVOKED", &ann, &phone)];
    for (number, socket) in [&mut by_admin, &mut by_machine].into_iter().enumerate() {
        for (kind, user, session) in expected {
            let event = socket.next(&sessions[number]).await;
            let told = (&event["kind"], &event["userId"], &event["sessionId"]);
            assert_eq!(told, (&json!(kind), &json!(user.user_id), &json!(session.session_id)));
        }
        for user in [&ann, &bob] {
            let event = socket.next(&users[number]).await;
            assert_eq!((&event["kind"], &event["user"]["id"]), (&json!("CREATED"), &json!(user.user_id)));
        }
    }
    // One user alone, replayed.
    let id = by_admin.subscribe(ALL_SESSIONS, json!({"userId": ann.user_id, "after": of_admin})).await;
    for (kind, session) in [("CREATED", &ann), ("CREATED", &phone), ("REVOKED", &phone)] {
        let event = by_admin.next(&id).await;
        assert_eq!((&event["kind"], &event["sessionId"]), (&json!(kind), &json!(session.session_id)));
    }
    // H22: for nobody else.
    let mut by_user = ann.socket().await;
    for query in [ALL_SESSIONS, ALL_USERS] {
        assert_eq!(refusal(&mut by_user, query, json!({})).await, "FORBIDDEN");
        assert_eq!(refusal(&mut by_user, query, json!({"userId": ann.user_id})).await, "FORBIDDEN");
    }
    // A refusal is none of the socket's business.
    let after = ann.event_cursor().await;
    let own = by_user.subscribe("subscription ($after: String) { sessionEvents(after: $after) { kind } }", json!({"after": after})).await;
    signs_in(&gateway, "ann@example.com").await;
    assert_eq!(by_user.next(&own).await["kind"], "CREATED");
}

// H15: a cursor is its owner's, and 30 days good.
#[tokio::test]
async fn cursors_belong_to_whoever_asked() {
    let gateway = Gateway::start().await;
    let admin = administrator(&gateway, "root@example.com").await;
    let (machine, other) = (Machine::with(&gateway, &[EventsRead]).await, Machine::with(&gateway, &[EventsRead]).await);
    let (of_admin, of_machine) = (admin.event_cursor().await, machine.event_cursor().await);
    let mut sockets = [(admin.socket().await, &of_machine), (machine.socket().await, &of_admin), (other.socket().await, &of_machine)];
    for (socket, foreign) in &mut sockets {
        for query in [ALL_SESSIONS, ALL_USERS] {
            for wrong in [foreign.as_str(), "", "x", &foreign[1..]] {
                assert_eq!(refusal(socket, query, json!({"after": wrong})).await, "BAD_REQUEST");
            }
        }
        assert_eq!(refusal(socket, ALL_SESSIONS, json!({"userId": "x"})).await, "BAD_REQUEST");
    }
    gateway.advance(Duration::from_hours(30 * 24) + Duration::from_secs(1));
    let mut late = machine.socket().await;
    assert_eq!(refusal(&mut late, ALL_SESSIONS, json!({"after": of_machine})).await, "CURSOR_EXPIRED");
}

/// Reads `count` events, connecting again with the last cursor after each `stride`.
async fn follow(machine: &Machine, mut after: String, count: usize, stride: usize) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let mut socket = machine.socket().await;
        let id = socket.subscribe(ALL_SESSIONS, json!({"after": after})).await;
        for _ in 0..stride.min(count - heard.len()) {
            let event = socket.next(&id).await;
            assert_eq!(event["kind"], "CREATED");
            event["cursor"].as_str().unwrap().clone_into(&mut after);
            heard.push(event["sessionId"].as_str().unwrap().to_owned());
        }
    }
    heard
}

// Under load, over reconnects, at two instances: every event once, and all who listen hear the same order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_under_load() {
    const PEOPLE: usize = 4;
    const TIMES: usize = 12;
    let pair = Gateway::start_pair().await;
    let single = if pair.is_none() { Some(Gateway::start().await) } else { None };
    let (one, other) = match (&pair, &single) {
        (Some((one, other)), _) => (one, other),
        (None, Some(only)) => (only, only),
        (None, None) => unreachable!("one of them was started"),
    };
    let machine = Machine::with(one, &[EventsRead]).await;
    for number in 0..PEOPLE {
        one.app_user().becomes_member(&format!("p{number}@example.com")).await;
    }
    let start = machine.event_cursor().await;
    let work = join_all((0..PEOPLE).map(async |number| {
        let mut begun = Vec::new();
        for time in 0..TIMES {
            let gateway = if time % 2 == 0 { one } else { other };
            begun.push(signs_in(gateway, &format!("p{number}@example.com")).await.session_id);
        }
        begun
    }));
    let listeners = [machine.at(one), machine.at(other), machine.at(other)];
    let hear = join_all(
        [7, 11, PEOPLE * TIMES].into_iter().zip(&listeners).map(|(stride, machine)| follow(machine, start.clone(), PEOPLE * TIMES, stride)),
    );
    let (begun, heard) = tokio::join!(work, hear);
    let begun: BTreeSet<String> = begun.into_iter().flatten().collect();
    for order in &heard {
        assert_eq!(order, &heard[0], "listeners disagree");
        assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), begun);
    }
}

const AUDIT: &str = "subscription ($filter: AuditFilter, $after: String) {
    auditEventAdded(filter: $filter, after: $after) { id cursor type status actor user { id } metadata } }";

// The audit log live, replayed and filtered, with the cursors of its rows; failures, which no event tells, among them.
#[tokio::test]
async fn the_audit_log_is_told_as_it_is_written() {
    let gateway = Gateway::start().await;
    let admin = administrator(&gateway, "root@example.com").await;
    let machine = Machine::with(&gateway, &[EventsRead]).await;
    let ann = gateway.app_user().becomes_member("ann@example.com").await;
    let (mut by_admin, mut by_machine) = (admin.socket().await, machine.socket().await);
    let logins = json!({"type": ["login"], "userId": ann.user_id});
    let after = admin.event_cursor().await;
    let all = by_admin.subscribe(AUDIT, json!({"filter": logins, "after": after})).await;
    let failed = by_machine
        .subscribe(AUDIT, json!({"filter": {"type": ["login"], "status": ["FAILURE"]}, "after": machine.event_cursor().await}))
        .await;
    let visitor = gateway.app_user();
    visitor.try_sign_in("ann@example.com", "wrong-Guess lantern").await.expect_problem("CREDENTIALS_INVALID");
    signs_in(&gateway, "ann@example.com").await;
    visitor.try_sign_in("ann@example.com", "wrong-Guess lantern").await.expect_problem("CREDENTIALS_INVALID");
    let mut cursors = Vec::new();
    for status in ["FAILURE", "SUCCESS", "FAILURE"] {
        let event = by_admin.next(&all).await;
        assert_eq!((&event["type"], &event["status"], &event["user"]["id"]), (&json!("login"), &json!(status), &json!(ann.user_id)));
        cursors.push(event["cursor"].clone());
    }
    for _ in 0..2 {
        let event = by_machine.next(&failed).await;
        assert_eq!((&event["status"], &event["user"]["id"]), (&json!("FAILURE"), &json!(ann.user_id)));
    }
    // From the cursor of a row, also one of the list.
    let replayed = by_admin.subscribe(AUDIT, json!({"filter": logins, "after": cursors[0]})).await;
    assert_eq!(by_admin.next(&replayed).await["cursor"], cursors[1]);
    assert_eq!(by_admin.next(&replayed).await["cursor"], cursors[2]);
    let query = "query ($filter: AuditFilter) { auditEvents(filter: $filter, first: 1) { edges { cursor } } }";
    let newest = admin.graphql(query, json!({"filter": logins})).await.expect_field()["edges"][0]["cursor"].take();
    let live = by_admin.subscribe(AUDIT, json!({"filter": logins, "after": newest})).await;
    signs_in(&gateway, "ann@example.com").await;
    assert_eq!(by_admin.next(&live).await["status"], "SUCCESS");
    // H15
    assert_eq!(refusal(&mut by_machine, AUDIT, json!({"after": cursors[0]})).await, "BAD_REQUEST");
    assert_eq!(refusal(&mut by_machine, AUDIT, json!({"filter": {"userId": "x"}})).await, "BAD_REQUEST");
    let mut by_user = ann.socket().await;
    assert_eq!(refusal(&mut by_user, AUDIT, json!({})).await, "FORBIDDEN");
}
