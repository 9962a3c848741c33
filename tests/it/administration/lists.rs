//! Users, filtered and ordered, page by page.

use entity::{
    Timestamp,
    users::{self, Role, Status},
};
use sea_orm::{ActiveModelTrait, EntityTrait};
use serde_json::{Value, json};

use super::{Gateway, NOBODY, without_buckets};
use crate::support::Administrator;

const START: i64 = 1_700_000_000_000;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(START + minutes * 60_000)
}

/// Twelve users: every second one without an address or a sign-in, two with the same instants.
async fn crowd(gateway: &Gateway) -> Vec<users::Model> {
    let mut all = Vec::new();
    for number in 0..12_i64 {
        let created = at(number / 2);
        let known = number % 2 == 0;
        let model = users::Model {
            email: known.then(|| format!("u{:02}@example.com", (number * 7) % 12)),
            email_verified_at: (number % 4 == 0).then_some(created),
            phone: (!known).then(|| format!("+6681000{number:04}")),
            phone_verified_at: (number % 4 == 1).then_some(created),
            last_login_at: (number % 3 != 0).then(|| at(1000 + number / 4)),
            status: [Status::Active, Status::Suspended, Status::Active, Status::Banned][usize::try_from(number % 4).unwrap()],
            role: if number == 4 { Role::Admin } else { Role::User },
            ..users::Model::new(gateway.app().entropy.uuid(created), created)
        };
        all.push(model);
    }
    let rows = all.iter().cloned().map(|user| users::ActiveModel::from(user).reset_all());
    users::Entity::insert_many(rows).exec_without_returning(&gateway.database().await).await.unwrap();
    all
}

async fn ids(admin: &Administrator, arguments: Value) -> Vec<String> {
    let page = admin.try_users(arguments).await.expect_field();
    page["nodes"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

/// Goes through the whole list in pages of two, from the start or from the end.
async fn walk(admin: &Administrator, order: &Value, (size, cursor, has, edge): (&str, &str, &str, &str)) -> Vec<String> {
    let (mut met, mut at) = (Vec::new(), Value::Null);
    loop {
        let page = admin.try_users(json!({"orderBy": order, size: 2, cursor: at})).await.expect_field();
        let nodes: Vec<String> = page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(page["totalCount"], 13);
        let edges = page["edges"].as_array().unwrap();
        assert_eq!(edges.last().unwrap()["cursor"], page["pageInfo"]["endCursor"]);
        if size == "first" {
            met.extend(nodes);
        } else {
            met.splice(0..0, nodes);
        }
        at = page["pageInfo"][edge].clone();
        if page["pageInfo"][has] == false {
            return met;
        }
    }
}

// H15: each order, both ways, from both ends; who has no address, or never signed in, is not lost.
#[tokio::test]
async fn every_order_is_walked_without_gap_or_repeat() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let mut all = crowd(&gateway).await;
    let root = users::Entity::find_by_id(super::id_of(&admin)).one(&gateway.database().await).await.unwrap().unwrap();
    all.push(root);
    let forward = ("first", "after", "hasNextPage", "endCursor");
    let backward = ("last", "before", "hasPreviousPage", "startCursor");
    for field in ["CREATED_AT", "LAST_SIGN_IN_AT", "EMAIL"] {
        match field {
            "CREATED_AT" => all.sort_by_key(|user| (user.created_at, user.id)),
            "LAST_SIGN_IN_AT" => all.sort_by_key(|user| (user.last_login_at, user.id)),
            _ => all.sort_by_key(|user| (user.email.clone(), user.id)),
        }
        let mut expected: Vec<String> = all.iter().map(|user| user.id.to_string()).collect();
        for direction in ["ASC", "DESC"] {
            let order = json!({"field": field, "direction": direction});
            assert_eq!(ids(&admin, json!({"orderBy": order, "first": 100})).await, expected, "{order}");
            for ways in [forward, backward] {
                assert_eq!(walk(&admin, &order, ways).await, expected, "{order} {}", ways.0);
            }
            expected.reverse();
        }
    }
    // The newest first, unless it is said; a direction that is left out is DESC.
    all.sort_by_key(|user| std::cmp::Reverse((user.created_at, user.id)));
    let expected: Vec<String> = all.iter().map(|user| user.id.to_string()).collect();
    assert_eq!(ids(&admin, json!({})).await, expected);
    assert_eq!(ids(&admin, json!({"orderBy": {"field": "CREATED_AT"}})).await, expected);
}

// H15: a cursor is good for its order and for whom it was made.
#[tokio::test]
async fn a_cursor_opens_its_own_list_alone() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let other = gateway.administrator("other@example.com").await;
    crowd(&gateway).await;
    let page = admin.try_users(json!({"first": 2, "orderBy": {"field": "EMAIL", "direction": "ASC"}})).await.expect_field();
    let cursor = page["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    assert!(!cursor.contains('@'), "it is sealed or opaque");
    let ask = async |who: &Administrator, field: &str, direction: &str, cursor: &str| {
        who.try_users(json!({"first": 2, "after": cursor, "orderBy": {"field": field, "direction": direction}})).await
    };
    ask(&admin, "EMAIL", "ASC", &cursor).await.expect_field();
    for (field, direction) in [("EMAIL", "DESC"), ("CREATED_AT", "ASC"), ("LAST_SIGN_IN_AT", "ASC")] {
        ask(&admin, field, direction, &cursor).await.expect_error("BAD_REQUEST");
    }
    ask(&other, "EMAIL", "ASC", &cursor).await.expect_error("BAD_REQUEST");
    for wrong in [format!("{cursor}x"), cursor[1..].to_owned(), String::new()] {
        ask(&admin, "EMAIL", "ASC", &wrong).await.expect_error("BAD_REQUEST");
    }
    let of_sessions = admin.try_sessions(json!({"first": 1})).await.expect_field()["pageInfo"]["endCursor"].take();
    ask(&admin, "CREATED_AT", "DESC", of_sessions.as_str().unwrap()).await.expect_error("BAD_REQUEST");
    for (first, last) in [(json!(0), json!(null)), (json!(101), json!(null)), (json!(-1), json!(null)), (json!(1), json!(1))] {
        admin.try_users(json!({"first": first, "last": last})).await.expect_error("BAD_REQUEST");
    }
    gateway.expect_undelivered();
}

#[tokio::test]
async fn every_filter_holds() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let all = crowd(&gateway).await;
    let expect = async |filter: Value, holds: &dyn Fn(&users::Model) -> bool| {
        let mut expected: Vec<&users::Model> = all.iter().filter(|user| holds(user)).collect();
        expected.sort_by_key(|user| std::cmp::Reverse((user.created_at, user.id)));
        let expected: Vec<String> = expected.iter().map(|user| user.id.to_string()).collect();
        // The administrator who asks was made last.
        let mut bounded = filter.clone();
        if bounded["createdBefore"].is_null() {
            bounded["createdBefore"] = json!(at(100).to_string());
        }
        for order in ["CREATED_AT", "EMAIL"] {
            let page = admin.try_users(json!({"filter": bounded, "orderBy": {"field": order}})).await.expect_field();
            let mut met: Vec<String> =
                page["nodes"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
            assert_eq!(page["totalCount"], expected.len(), "{filter}");
            if order == "EMAIL" {
                met.sort();
                let mut sorted = expected.clone();
                sorted.sort();
                assert_eq!(met, sorted, "{filter}");
            } else {
                assert_eq!(met, expected, "{filter}");
            }
        }
    };
    expect(json!({}), &|_| true).await;
    expect(json!({"status": ["ACTIVE"]}), &|user| user.status == Status::Active).await;
    expect(json!({"status": ["BANNED", "SUSPENDED"]}), &|user| user.status != Status::Active).await;
    expect(json!({"status": ["BANNED", "ACTIVE"]}), &|user| user.status != Status::Suspended).await;
    expect(json!({"status": ["INACTIVE"]}), &|_| false).await;
    expect(json!({"status": []}), &|_| false).await;
    expect(json!({"role": ["ADMIN"]}), &|user| user.role == Role::Admin).await;
    expect(json!({"role": ["USER"]}), &|user| user.role == Role::User).await;
    expect(json!({"role": ["USER", "ADMIN"]}), &|_| true).await;
    expect(json!({"emailVerified": true}), &|user| user.email_verified_at.is_some()).await;
    expect(json!({"emailVerified": false}), &|user| user.email_verified_at.is_none()).await;
    expect(json!({"phoneVerified": true}), &|user| user.phone_verified_at.is_some()).await;
    expect(json!({"phoneVerified": false}), &|user| user.phone_verified_at.is_none()).await;
    expect(json!({"locked": true}), &|_| false).await;
    expect(json!({"locked": false}), &|_| true).await;
    expect(json!({"createdAfter": at(3).to_string()}), &|user| user.created_at > at(3)).await;
    expect(json!({"createdBefore": at(3).to_string()}), &|user| user.created_at < at(3)).await;
    let signed_in = |user: &users::Model, holds: &dyn Fn(Timestamp) -> bool| user.last_login_at.is_some_and(holds);
    expect(json!({"lastSignInAfter": at(1001).to_string()}), &|user| signed_in(user, &|when| when > at(1001))).await;
    expect(json!({"lastSignInBefore": at(1001).to_string()}), &|user| signed_in(user, &|when| when < at(1001))).await;
    let both = json!({"status": ["ACTIVE"], "emailVerified": false, "createdAfter": at(0).to_string(), "search": "u"});
    expect(both, &|user| {
        user.status == Status::Active && user.email_verified_at.is_none() && user.created_at > at(0) && user.email.is_some()
    })
    .await;
}

// H16: what administrators reach of others, and users of themselves alone.
#[tokio::test]
async fn one_user_is_found_by_their_id() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let all = crowd(&gateway).await;
    let query = "query ($id: ID!) { user(id: $id) { id email status sessions { totalCount } activity { nodes { type } } metadata } node(id: $id) { id } }";
    let data = admin.graphql(query, json!({"id": all[2].id})).await.expect_data();
    assert_eq!((&data["user"]["email"], &data["node"]["id"]), (&json!(all[2].email), &json!(all[2].id)));
    assert_eq!(data["user"]["sessions"]["totalCount"], 0);
    let data = admin.graphql(query, json!({"id": NOBODY})).await.expect_data();
    assert_eq!((&data["user"], &data["node"]), (&Value::Null, &Value::Null));
}
