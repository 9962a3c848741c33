//! People found by the start of what names them.

use entity::users;
use sea_orm::{ActiveModelTrait, EntityTrait};
use serde_json::{Value, json};

use super::{Gateway, without_buckets};
use crate::support::Administrator;

/// Users, past all flows.
async fn insert(gateway: &Gateway, all: impl IntoIterator<Item = users::Model>) {
    let rows: Vec<_> = all.into_iter().map(|user| users::ActiveModel::from(user).reset_all()).collect();
    for some in rows.chunks(200) {
        users::Entity::insert_many(some.to_vec()).exec_without_returning(&gateway.database().await).await.unwrap();
    }
}

fn user(gateway: &Gateway, email: &str) -> users::Model {
    let now = gateway.clock.now();
    gateway.advance(std::time::Duration::from_millis(1));
    users::Model { email: Some(email.to_owned()), ..users::Model::new(gateway.app().entropy.uuid(now), now) }
}

async fn found(admin: &Administrator, search: &str) -> Vec<Value> {
    let mut emails = admin.emails(json!({"first": 100, "filter": {"search": search}})).await;
    emails.sort_by_key(ToString::to_string);
    emails
}

#[tokio::test]
async fn the_start_of_anything_that_names_them_finds_people() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let text = |text: &str| Some(text.to_owned());
    let people = [
        users::Model { username: text("countess"), display_name: text("Ada L."), ..user(&gateway, "ada@example.com") },
        users::Model {
            full_name: text("Åsa Öberg"),
            first_name: text("Åsa"),
            last_name: text("Öberg"),
            ..user(&gateway, "asa@example.com")
        },
        users::Model { phone: text("+66812345678"), full_name: text("กมล ใจดี"), ..user(&gateway, "kamon@example.com") },
        users::Model { last_name: text("ÉMILE_%"), ..user(&gateway, "zola@example.com") },
        // Names that the full one begins with, does not begin with, or is not there for.
        users::Model {
            full_name: text("Grace Hopper"),
            display_name: text("grace"),
            first_name: text("GRACE H"),
            ..user(&gateway, "hopper@example.com")
        },
        users::Model {
            full_name: text("Margaret Hamilton"),
            display_name: text("Peggy"),
            first_name: text("Margaret Hamilton-Lickly"),
            ..user(&gateway, "hamilton@example.com")
        },
        users::Model { display_name: text("Mags"), first_name: text("Maggie"), ..user(&gateway, "smith@example.com") },
    ];
    insert(&gateway, people).await;
    for (search, expected) in [
        ("ada@", &["ada@example.com"][..]),
        ("ADA", &["ada@example.com"]),
        ("  Count ", &["ada@example.com"]),
        ("ada l", &["ada@example.com"]),
        ("l.", &[]),
        ("example", &[]),
        ("a", &["ada@example.com", "asa@example.com"]),
        ("åsa", &["asa@example.com"]),
        ("ÅSA Ö", &["asa@example.com"]),
        ("öb", &["asa@example.com"]),
        ("กม", &["kamon@example.com"]),
        ("+66 81-234", &["kamon@example.com"]),
        ("6681", &["kamon@example.com"]),
        ("+65", &[]),
        ("émi", &["zola@example.com"]),
        ("Émile_%", &["zola@example.com"]),
        ("grace", &["hopper@example.com"]),
        ("grace hopp", &["hopper@example.com"]),
        ("grace hopper l", &[]),
        ("margaret h", &["hamilton@example.com"]),
        ("Margaret Hamilton-L", &["hamilton@example.com"]),
        ("peg", &["hamilton@example.com"]),
        ("mag", &["smith@example.com"]),
        ("MAGGIE", &["smith@example.com"]),
        ("mags", &["smith@example.com"]),
        // They are letters like others.
        ("%", &[]),
        ("_", &[]),
        ("root@example.com", &["root@example.com"]),
        ("root@example.comx", &[]),
    ] {
        assert_eq!(found(&admin, search).await, expected.iter().map(|email| json!(email)).collect::<Vec<_>>(), "{search}");
    }
    for nothing in ["", "  ", "\u{0}"] {
        assert_eq!(found(&admin, nothing).await.len(), 8, "nothing is looked for");
    }
    let page = admin.try_users(json!({"filter": {"search": "a", "emailVerified": true}})).await.expect_field();
    assert_eq!((&page["totalCount"], &page["nodes"]), (&json!(0), &json!([])));
}

// More than are looked up by their ids: another way to the same answer, page by page.
#[tokio::test]
async fn so_many_are_found_as_begin_so() {
    let gateway = without_buckets().await;
    let admin = gateway.administrator("root@example.com").await;
    let mut crowd: Vec<_> = (0..700).map(|number| user(&gateway, &format!("crowd{number:03}@example.com"))).collect();
    let named: Vec<_> = (0..20)
        .map(|number| users::Model { display_name: Some("Crowded".to_owned()), ..user(&gateway, &format!("z{number:02}@example.com")) })
        .collect();
    crowd.extend(named);
    insert(&gateway, crowd).await;
    for (search, expected) in [("crowd", 720), ("crowd1", 100), ("crowd12", 10), ("CROWDED", 20)] {
        let (mut met, mut after) = (Vec::new(), Value::Null);
        loop {
            let arguments =
                json!({"filter": {"search": search}, "orderBy": {"field": "EMAIL", "direction": "ASC"}, "first": 100, "after": after});
            let page = admin.try_users(arguments).await.expect_field();
            assert_eq!(page["totalCount"], expected, "{search}");
            met.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["email"].as_str().unwrap().to_owned()));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert!(met.len() == expected && met.is_sorted(), "{search}: {}", met.len());
    }
}
