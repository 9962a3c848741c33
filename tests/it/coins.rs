//! Coins: never below nothing, every key once, every entry kept.

use std::collections::{BTreeMap, BTreeSet};

use entity::{account_events, coin_entries, user_audit_log, user_sessions::Actor, users};
use futures::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    clean_up::tidy,
    invitations::{DAY, administrator, administrator_named},
    sign_in_by_code::{account, without_buckets},
};
use crate::support::{Answer, Member};

const ADJUST: &str = "mutation ($input: AdjustCoinsInput!) { adjustCoins(input: $input) {
    user { id coinBalance totalEarnedCoins } entry { id amount balanceAfter reason createdAt } problems { code path } } }";
const ENTRIES: &str = "query ($first: Int, $after: String, $last: Int, $before: String) { me { coinBalance totalEarnedCoins
    coinEntries(first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id } } nodes { id amount balanceAfter reason } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

async fn adjust(by: &Member, user_id: &str, amount: i64, key: &str) -> Answer {
    let input = json!({"userId": user_id, "amount": amount, "reason": "for the test", "idempotencyKey": key});
    by.graphql(ADJUST, json!({"input": input})).await
}

async fn entries(of: &Member, arguments: Value) -> Value {
    of.graphql(ENTRIES, arguments).await.expect_field()
}

fn amounts(page: &Value) -> Vec<i64> {
    page["coinEntries"]["nodes"].as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_administrator_adds_and_takes_and_the_owner_sees_each_entry() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let ada = account(&gateway, "ada@example.com").await;
    let none = entries(&ada, json!({})).await;
    assert_eq!((&none["coinBalance"], &none["totalEarnedCoins"], amounts(&none)), (&json!(0), &json!(0), vec![]));

    let earned = adjust(&admin, &ada.user_id, 10, "one").await.expect_done();
    assert_eq!(earned["user"], json!({"id": ada.user_id, "coinBalance": 10, "totalEarnedCoins": 10}));
    assert_eq!((&earned["entry"]["amount"], &earned["entry"]["balanceAfter"]), (&json!(10), &json!(10)));
    adjust(&admin, &ada.user_id, -3, "two").await.expect_done();
    let seen = entries(&ada, json!({})).await;
    assert_eq!((&seen["coinBalance"], &seen["totalEarnedCoins"], amounts(&seen)), (&json!(7), &json!(10), vec![-3, 10]));

    // The same call again, whatever the balance is by now: nothing happens, and the answer is the entry of the first one.
    let again = adjust(&admin, &ada.user_id, 10, "one").await.expect_done();
    assert_eq!(again["entry"], earned["entry"]);
    assert_eq!(again["user"]["coinBalance"], 7);
    let other = adjust(&admin, &ada.user_id, 11, "one").await.expect_problem("INVALID_INPUT");
    assert_eq!(other["path"], json!(["input", "idempotencyKey"]));
    // A key is an account's own.
    let bob = account(&gateway, "bob@example.com").await;
    adjust(&admin, &bob.user_id, 1, "one").await.expect_done();

    let database = gateway.database().await;
    let told = account_events::Entity::find()
        .filter(account_events::Column::Kind.eq(account_events::Kind::CoinsChanged))
        .filter(account_events::Column::UserId.eq(ada.user_id.parse::<Uuid>().unwrap()));
    assert_eq!(told.count(&database).await.unwrap(), 2);
    // C14
    let rows = user_audit_log::Entity::find()
        .filter(user_audit_log::Column::EventType.eq("coins_adjusted"))
        .order_by_asc(user_audit_log::Column::Seq)
        .all(&database)
        .await
        .unwrap();
    assert_eq!(rows.len(), 4);
    for row in &rows {
        assert_eq!((row.actor, row.actor_user_id), (Actor::Admin, Some(admin.user_id.parse().unwrap())));
        assert_eq!(row.event_category, user_audit_log::Category::Admin);
    }
    assert_eq!(rows[2].result_code.as_deref(), Some("INVALID_INPUT"));
}

#[tokio::test]
async fn what_does_not_add_up_is_refused_and_changes_nothing() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let ada = account(&gateway, "ada@example.com").await;
    let id = ada.user_id.as_str();
    adjust(&admin, id, 5, "five").await.expect_done();
    let problem = adjust(&admin, id, -6, "six").await.expect_problem("INSUFFICIENT_COINS");
    assert_eq!(problem["path"], json!(["input", "amount"]));
    // A refused key is free again: it counts once it succeeds.
    adjust(&admin, id, 1, "six").await.expect_done();
    for (amount, key) in [(0, "zero"), (i64::from(i32::MAX), "much"), (i64::from(i32::MAX) - 5, "much")] {
        let problem = adjust(&admin, id, amount, key).await.expect_problem("INVALID_INPUT");
        assert_eq!(problem["path"], json!(["input", "amount"]), "{amount}");
    }
    adjust(&admin, id, i64::from(i32::MIN), "least").await.expect_problem("INSUFFICIENT_COINS");
    let full = adjust(&admin, id, i64::from(i32::MAX) - 6, "full").await.expect_done();
    assert_eq!((&full["user"]["coinBalance"], &full["user"]["totalEarnedCoins"]), (&json!(i32::MAX), &json!(i32::MAX)));
    adjust(&admin, id, -10, "spent").await.expect_done();
    // There is room in the balance, and none in what was ever earned.
    adjust(&admin, id, 1, "too late").await.expect_problem("INVALID_INPUT");

    for unknown in [Uuid::from_u128(7).to_string(), "x".to_owned()] {
        let problem = adjust(&admin, &unknown, 1, "k").await.expect_problem("USER_NOT_FOUND");
        assert_eq!(problem["path"], json!(["input", "userId"]));
    }
    for (field, wrong) in [("reason", ""), ("reason", " "), ("reason", "a\nb"), ("idempotencyKey", ""), ("idempotencyKey", "a\u{0}")] {
        let mut input = json!({"userId": id, "amount": 1, "reason": "r", "idempotencyKey": "k"});
        input[field] = json!(wrong);
        let problem = admin.graphql(ADJUST, json!({"input": input})).await.expect_problem("INVALID_INPUT");
        assert_eq!(problem["path"], json!(["input", field]), "{wrong:?}");
    }
    adjust(&admin, id, 1, &"k".repeat(201)).await.expect_problem("INVALID_INPUT");
    let seen = entries(&ada, json!({})).await;
    assert_eq!((&seen["coinBalance"], amounts(&seen).len()), (&json!(i32::MAX - 10), 4));
    // C16: who is no administrator does not even touch the own coins.
    adjust(&ada, id, 1, "mine").await.expect_error("FORBIDDEN");
}

// H15
#[tokio::test]
async fn entries_come_in_pages_from_both_ends() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let ada = account(&gateway, "ada@example.com").await;
    for amount in 1..=5 {
        adjust(&admin, &ada.user_id, amount, &format!("k{amount}")).await.expect_done();
    }
    let first = entries(&ada, json!({"first": 2})).await;
    assert_eq!(amounts(&first), [5, 4]);
    let info = &first["coinEntries"]["pageInfo"];
    assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(true), &json!(false)));
    let second = entries(&ada, json!({"first": 2, "after": info["endCursor"]})).await;
    assert_eq!(amounts(&second), [3, 2]);
    assert_eq!(amounts(&entries(&ada, json!({"last": 2})).await), [2, 1]);
    let back = entries(&ada, json!({"last": 10, "before": second["coinEntries"]["pageInfo"]["startCursor"]})).await;
    assert_eq!(amounts(&back), [5, 4]);

    let bob = account(&gateway, "bob@example.com").await;
    let cursor = info["endCursor"].as_str().unwrap();
    let tampered = format!("{}A", &cursor[..cursor.len() - 1]);
    for (of, arguments) in [
        (&bob, json!({"after": cursor})),
        (&ada, json!({"after": tampered})),
        (&ada, json!({"first": 0})),
        (&ada, json!({"first": 101})),
        (&ada, json!({"first": 1, "last": 1})),
    ] {
        of.graphql(ENTRIES, arguments.clone()).await.expect_error("BAD_REQUEST");
    }
}

/// One call, repeated by whoever got no answer to it: that is what the key is for.
async fn insist(by: &Member, user_id: &str, amount: i64, key: &str) -> Answer {
    loop {
        let answer = adjust(by, user_id, amount, key).await;
        if answer.code() != Some("OVERLOADED") {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

// The bar: 200 at once, 50 keys, more to take than there is, on two instances where that is possible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_each_key_counts_once_and_the_balance_is_the_sum() {
    let first = without_buckets().await;
    let second =
        if first.place.is_shared() { Some(first.start_beside_with(|config| config.rate_limits.enabled = false).await) } else { None };
    let admin = administrator(&first).await;
    let ada = account(&first, "ada@example.com").await;
    let calls = (0..200_usize).map(|n| {
        let key = n % 50;
        let amount = match key % 5 {
            0 => -70,
            1 | 2 => -9,
            3 => 20,
            _ => 1 + i64::try_from(key).unwrap(),
        };
        let by = match &second {
            Some(second) if n % 2 == 1 => admin.at(second),
            _ => admin.clone(),
        };
        let user_id = ada.user_id.clone();
        async move { (key, insist(&by, &user_id, amount, &format!("key {key}")).await) }
    });
    let answers = join_all(calls).await;

    let mut told: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (key, answer) in answers {
        let payload = answer.expect_field();
        match payload["problems"][0]["code"].as_str() {
            None => {
                told.entry(key).or_default().insert(payload["entry"]["id"].as_str().unwrap().to_owned());
            }
            Some(code) => assert_eq!(code, "INSUFFICIENT_COINS", "{payload}"),
        }
    }
    let kept = coin_entries::Entity::find()
        .filter(coin_entries::Column::UserId.eq(ada.user_id.parse::<Uuid>().unwrap()))
        .order_by_asc(coin_entries::Column::Seq)
        .all(&first.database().await)
        .await
        .unwrap();
    let (mut balance, mut earned) = (0_i64, 0_i64);
    for entry in &kept {
        balance += i64::from(entry.amount);
        earned += i64::from(entry.amount.max(0));
        assert!(balance >= 0, "{kept:?}");
        assert_eq!(i64::from(entry.balance_after), balance, "{entry:?}");
    }
    let keys: BTreeSet<_> = kept.iter().map(|entry| &entry.idempotency_key).collect();
    assert_eq!(keys.len(), kept.len());
    assert!(told.values().all(|ids| ids.len() == 1), "{told:?}");
    let ids: BTreeSet<_> = told.values().flatten().cloned().collect();
    assert_eq!(ids, kept.iter().map(|entry| entry.id.to_string()).collect());
    // Everything that was added counts; of what was taken, some had to be refused at first or for good.
    assert_eq!(kept.iter().filter(|entry| entry.amount > 0).count(), 20);
    for gateway in [Some(&first), second.as_ref()].into_iter().flatten() {
        let seen = entries(&ada.at(gateway), json!({})).await;
        assert_eq!((seen["coinBalance"].as_i64(), seen["totalEarnedCoins"].as_i64()), (Some(balance), Some(earned)));
    }
}

#[tokio::test]
async fn entries_go_along_and_go_with_their_owner() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    let ada = account(&gateway, "ada@example.com").await;
    adjust(&admin, &ada.user_id, 12, "gift").await.expect_done();
    let export = ada.try_export_account().await.expect_done()["export"].clone();
    assert_eq!((&export["account"]["coinBalance"], &export["account"]["totalEarnedCoins"]), (&json!(12), &json!(12)));
    let [entry] = export["coinEntries"].as_array().unwrap().as_slice() else { panic!("{export}") };
    assert_eq!((&entry["amount"], &entry["balanceAfter"], &entry["actor"]), (&json!(12), &json!(12), &json!("ADMIN")));
    assert!(!export["coinEntries"].to_string().contains(&admin.user_id));

    ada.try_delete_account().await.expect_done();
    gateway.advance(DAY * 15);
    tidy(&gateway).await;
    let database = gateway.database().await;
    assert_eq!(coin_entries::Entity::find().count(&database).await.unwrap(), 0);
    assert_eq!(users::Entity::find().count(&database).await.unwrap(), 1);
}

// Who made an entry is named in it as long as they are there themselves.
#[tokio::test]
async fn an_administrator_who_leaves_is_taken_out_of_entries_that_stay() {
    let gateway = without_buckets().await;
    let admin = administrator(&gateway).await;
    administrator_named(&gateway, "second@example.com").await;
    let ada = account(&gateway, "ada@example.com").await;
    adjust(&admin, &ada.user_id, 12, "gift").await.expect_done();
    admin.try_delete_account().await.expect_done();
    gateway.advance(DAY * 15);
    tidy(&gateway).await;
    let database = gateway.database().await;
    let [entry] = coin_entries::Entity::find().all(&database).await.unwrap().try_into().unwrap();
    assert_eq!((entry.actor, entry.actor_user_id, entry.amount), (Actor::Admin, None, 12));
}
