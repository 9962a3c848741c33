//! The end of an account.

use entity::{account_events, account_events::Kind, avatar_removals, password_reset_attempts, user_audit_log, users};
use futures::future::join_all;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;

use super::{DAY, MINUTE, account, account_without_password, dump, id_of, row, tidy, without_buckets};
use crate::contacts::moves_to;
use crate::support::{Closed, Gateway, Member, PASSWORD};

const PICTURE: &str = "0123456789abcdef0123456789abcdef.png";
const CANARY_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 CanaryBrowser/11.0";

// C14, C17, and what a person is promised: everything of theirs goes, in whatever table it lies; what happened stays, without them.
#[tokio::test]
async fn after_the_days_of_grace_everything_goes() {
    let gateway = without_buckets().await;
    let bystander = account(&gateway, "bob@example.com").await;
    // From before the account, by the contact alone.
    gateway.visitor().request_password_reset("canary@example.com").await;
    let ada = account(&gateway, "canary@example.com").await;
    let profile =
        json!({"displayName": "canary display", "fullName": "canary full", "bio": "canary bio", "address": {"state": "canary state"}});
    let input = json!({"input": {"username": "canary_name", "profile": profile}});
    ada.graphql("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }", input).await.expect_done();
    gateway.inside(gateway.app().pictures.put(PICTURE, b"a picture of ada".to_vec(), "image/png")).await.unwrap();
    let picture = users::ActiveModel {
        id: Set(id_of(&ada)),
        avatar_key: Set(Some(PICTURE.to_owned())),
        avatar_size: Set(Some(16)),
        avatar_mime_type: Set(Some("image/png".to_owned())),
        ..Default::default()
    };
    users::Entity::update(picture).exec(&gateway.database().await).await.unwrap();
    let elsewhere = gateway.app_user().with_user_agent(CANARY_AGENT);
    elsewhere.try_sign_in("canary@example.com", "wrong").await.expect_problem("CREDENTIALS_INVALID");
    let second = elsewhere.sign_in("canary_name", PASSWORD).await;
    second.try_reauthenticate("wrong").await.expect_problem("CREDENTIALS_INVALID");
    elsewhere.request_password_reset("canary@example.com").await;
    // Never to be finished: the address is taken.
    elsewhere.sign_up("canary@example.com", PASSWORD).await;
    ada.try_delete_account().await.expect_done();
    gateway.advance(14 * DAY - MINUTE);
    let back = elsewhere.sign_in("canary@example.com", PASSWORD).await;
    let mut socket = back.socket().await;
    let cursor = back.event_cursor().await;
    let account_stream = "subscription ($after: String) { accountEvents(after: $after) { kind user { id } } }";
    socket.subscribe(account_stream, json!({"after": cursor})).await;
    let mut other_socket = back.socket().await;
    let session_stream = other_socket
        .subscribe(
            "subscription ($after: String) { sessionEvents(after: $after) { kind sessionId session { id } } }",
            json!({"after": cursor}),
        )
        .await;
    gateway.all_have_come(None).await;
    gateway.read_all("canary@example.com").await;
    let database = gateway.database().await;
    let rows_before = user_audit_log::Entity::find().all(&database).await.unwrap();
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 0, "not before its time");
    gateway.advance(MINUTE);
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 1);

    // What is told.
    assert_eq!(other_socket.next(&session_stream).await, json!({"kind": "REVOKED", "sessionId": back.session_id, "session": null}));
    let ended = Closed { code: 4401, reason: "Unauthorized".to_owned() };
    assert_eq!([socket.closed().await, other_socket.closed().await], [ended.clone(), ended]);
    let message = gateway.next_message("canary@example.com").await;
    assert!(message.subject.as_deref().unwrap().contains("was deleted"), "{message:?}");

    // The log says it before it says that the session is over, so that a stream which ends with the session can tell it.
    let log = account_events::Entity::find().filter(account_events::Column::UserId.eq(id_of(&ada)));
    let log = log.order_by_asc(account_events::Column::Seq).all(&database).await.unwrap();
    let kinds: Vec<_> = log.iter().rev().take(2).map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::SessionRevoked, Kind::Deleted]);

    // What still works: nothing.
    back.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");
    back.try_refresh().await.expect_problem("REFRESH_TOKEN_INVALID");
    back.try_cancel_account_deletion().await.expect_error("UNAUTHENTICATED");
    for identifier in ["canary@example.com", "canary_name"] {
        gateway.visitor().try_sign_in(identifier, PASSWORD).await.expect_problem("CREDENTIALS_INVALID");
    }
    assert_eq!(bystander.visitor.try_refresh(None).await.expect_done()["session"]["id"], bystander.session_id.as_str());

    // What is left: the message until it is removed, and what says nothing of anybody.
    gateway.all_have_come(None).await;
    tidy(&gateway).await;
    let mut left = dump::everything(&database).await;
    left.retain(|table, _| table != "dev_inbox");
    assert!(gateway.inside(gateway.app().pictures.get(PICTURE)).await.unwrap().is_none(), "the file of the picture goes, too");
    let addresses = [ada.visitor.address(), elsewhere.address()].map(|address| address.to_string());
    let words = ["canary", PICTURE, "CanaryBrowser", &addresses[0], &addresses[1]];
    for (table, rows) in &left {
        for row in rows {
            // Of the audit log, requests that named nobody keep where they came from; the others are looked at below.
            let words = if table == "user_audit_log" { &words[..2] } else { &words[..] };
            assert!(words.iter().all(|word| !row.contains(word)), "{table} still has {row}");
            let named = dump::writings(id_of(&ada)).iter().any(|id| row.contains(id));
            assert!(!named || table == "account_events", "{table} still names them: {row}");
        }
    }
    let rows_after = user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq).all(&database).await.unwrap();
    let of_bystander = |rows: &[user_audit_log::Model]| rows.iter().filter(|row| row.user_id == Some(id_of(&bystander))).count();
    assert!(of_bystander(&rows_after) >= of_bystander(&rows_before) && of_bystander(&rows_before) > 0);
    for before in &rows_before {
        let after = rows_after.iter().find(|row| row.id == before.id).expect("no row goes");
        assert_eq!((&after.event_type, after.status, after.created_at), (&before.event_type, before.status, before.created_at));
        if before.user_id == Some(id_of(&ada)) || before.actor_user_id == Some(id_of(&ada)) {
            let person = (after.user_id, after.actor_user_id, &after.ip_address, &after.user_agent, &after.message, &after.metadata);
            assert_eq!(person, (None, None, &None, &None, &None, &json!({})));
        } else {
            // Of others, or of a sign-up that belonged to nobody yet.
            assert_eq!(after, before);
        }
    }
    let end = rows_after.iter().find(|row| row.event_type == "account_deleted").expect("the end is audited");
    assert_eq!((end.user_id, end.metadata.clone()), (None, json!({"sessionsEnded": 1})));

    // The address is free.
    gateway.visitor().becomes_member("canary@example.com").await;
    gateway.next_message("canary@example.com").await;
}

// C14: what lies by an address that the account gave up goes with it, unless the address is somebody else's by then; one that was never proved
// is nobody's to erase.
#[tokio::test]
async fn what_lies_by_former_addresses_goes_too() {
    let gateway = without_buckets().await;
    for before in ["former@example.com", "passed-on@example.com", "typed@example.com"] {
        gateway.visitor().request_password_reset(before).await;
    }
    let ada = account(&gateway, "former@example.com").await;
    for next in ["passed-on@example.com", "last@example.com"] {
        moves_to(&gateway, &ada, next).await;
    }
    gateway.all_have_come(None).await;
    for address in ["former@example.com", "passed-on@example.com", "last@example.com"] {
        gateway.read_all(address).await;
    }
    account(&gateway, "passed-on@example.com").await;
    // Typed, and never confirmed.
    let change = "mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) { problems { code } } }";
    ada.graphql(change, json!({"input": {"newEmail": "typed@example.com"}})).await.expect_done();
    ada.try_delete_account().await.expect_done();
    gateway.visitor().request_password_reset("former@example.com").await;
    gateway.advance(14 * DAY);
    assert_eq!(tidy(&gateway).await.of("deleted_accounts"), 1);
    gateway.all_have_come(None).await;
    let attempts = password_reset_attempts::Entity::find().all(&gateway.database().await).await.unwrap();
    let mut left: Vec<_> = attempts.into_iter().map(|attempt| attempt.contact).collect();
    left.sort();
    assert_eq!(left, ["passed-on@example.com", "typed@example.com"]);
    let mut left = dump::everything(&gateway.database().await).await;
    left.retain(|table, _| table != "dev_inbox");
    for (table, rows) in &left {
        assert!(!rows.iter().any(|row| row.contains("former@example.com")), "{table}: {rows:?}");
    }
}

// The same in the file: pages that are free are overwritten, so that nothing can be read from a copy of it.
#[tokio::test]
async fn nothing_of_them_can_be_read_from_the_file() {
    let gateway = Gateway::start().await;
    if !gateway.config.database.is_sqlite() {
        println!("skipped: there is no file");
        return;
    }
    let ada = account(&gateway, "ada@example.com").await;
    let canary = "a-life-like-no-other ".repeat(10);
    let canary = canary.trim();
    let input = json!({"input": {"profile": {"bio": canary}}});
    ada.graphql("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }", input).await.expect_done();
    ada.try_delete_account().await.expect_done();
    gateway.next_message("ada@example.com").await;
    gateway.advance(14 * DAY);
    tidy(&gateway).await;
    gateway.next_message("ada@example.com").await;
    let files = gateway.door().place.folder.clone();
    gateway.inside(gateway.app().database.write().execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")).await.unwrap();
    let database = std::fs::read(files.join("postern.db")).unwrap();
    assert!(!database.windows(canary.len()).any(|window| window == canary.as_bytes()));
}

// By phone alone, and the language of the person where no request says it.
#[tokio::test]
async fn who_has_only_a_number_is_told_there() {
    let gateway = Gateway::start().await;
    let ada = account_without_password(&gateway, "+66812345678").await;
    let input = json!({"input": {"profile": {"locale": "th"}}});
    ada.graphql("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { problems { code } } }", input).await.expect_done();
    ada.try_delete_account().await.expect_done();
    gateway.next_message("+66812345678").await;
    gateway.advance(14 * DAY);
    tidy(&gateway).await;
    let farewell = gateway.next_message("+66812345678").await;
    assert!(farewell.text.chars().any(|letter| ('\u{e00}'..='\u{e7f}').contains(&letter)), "{farewell:?}");
    gateway.all_have_come(None).await;
    tidy(&gateway).await;
    let left = dump::everything(&gateway.database().await).await;
    let still = left.iter().filter(|(table, rows)| *table != "dev_inbox" && rows.iter().any(|row| row.contains("66812345678")));
    assert_eq!(still.count(), 0);
}

// A request that was on its way when the account went may write its audit row a moment later: that row is made nameless too. And of an account
// with very many rows, all are.
#[tokio::test]
async fn rows_that_come_late_are_made_nameless_too() {
    use sea_orm::sea_query::ExprTrait as _;

    let gateway = Gateway::start().await;
    let ada = account(&gateway, "ada@example.com").await;
    let database = gateway.database().await;
    let template =
        user_audit_log::Entity::find().filter(user_audit_log::Column::UserId.eq(id_of(&ada))).one(&database).await.unwrap().unwrap();
    let write = async |count: usize| {
        for _ in 0..count.div_ceil(100) {
            let rows = (0..Ord::min(100, count)).map(|_| {
                let id = gateway.app().entropy.uuid(gateway.clock.now());
                user_audit_log::ActiveModel { seq: sea_orm::ActiveValue::NotSet, id: Set(id), ..template.clone().into() }
            });
            user_audit_log::Entity::insert_many(rows).exec_without_returning(&database).await.unwrap();
        }
    };
    let named = async || {
        let of_ada = user_audit_log::Column::UserId.eq(id_of(&ada)).or(user_audit_log::Column::ActorUserId.eq(id_of(&ada)));
        user_audit_log::Entity::find().filter(of_ada).all(&database).await.unwrap().len()
    };
    write(2_000).await;
    ada.try_delete_account().await.expect_done();
    assert!(named().await > 2_000);
    gateway.advance(14 * DAY);
    tidy(&gateway).await;
    assert_eq!(named().await, 0);
    write(1).await;
    assert_eq!(named().await, 1);
    tidy(&gateway).await;
    assert_eq!(named().await, 0);
    let end = user_audit_log::Entity::find().filter(user_audit_log::Column::EventType.eq("login")).all(&database).await.unwrap();
    assert!(end.iter().all(|row| row.ip_address.is_none() && row.user_agent.is_none() && row.metadata == json!({})));
}

// What an administrator did to them stays the administrator's; what they did to others stays the others'.
#[tokio::test]
async fn of_what_two_people_had_to_do_with_the_other_one_stays() {
    let gateway = without_buckets().await;
    let (ada, eve) = (account(&gateway, "ada@example.com").await, account(&gateway, "eve@example.com").await);
    let database = gateway.database().await;
    let template =
        user_audit_log::Entity::find().filter(user_audit_log::Column::UserId.eq(id_of(&ada))).one(&database).await.unwrap().unwrap();
    let insert = async |about: &Member, by: &Member| {
        let row = user_audit_log::ActiveModel {
            seq: sea_orm::ActiveValue::NotSet,
            id: Set(gateway.app().entropy.uuid(gateway.clock.now())),
            user_id: Set(Some(id_of(about))),
            actor_user_id: Set(Some(id_of(by))),
            event_type: Set("status_change".to_owned()),
            ip_address: Set(Some("192.0.2.77".to_owned())),
            metadata: Set(json!({"reason": "a word about somebody"})),
            ..template.clone().into()
        };
        user_audit_log::Entity::insert(row).exec_with_returning(&database).await.unwrap().seq
    };
    let (by_eve, by_ada) = (insert(&ada, &eve).await, insert(&eve, &ada).await);
    ada.try_delete_account().await.expect_done();
    gateway.advance(14 * DAY);
    tidy(&gateway).await;
    let row = async |seq: i64| user_audit_log::Entity::find_by_id(seq).one(&database).await.unwrap().unwrap();
    let (by_eve, by_ada) = (row(by_eve).await, row(by_ada).await);
    assert_eq!((by_eve.user_id, by_eve.actor_user_id, by_eve.metadata), (None, Some(id_of(&eve)), json!({})));
    assert_eq!(by_eve.ip_address.as_deref(), Some("192.0.2.77"));
    assert_eq!((by_ada.user_id, by_ada.actor_user_id, by_ada.ip_address), (Some(id_of(&eve)), None, None));
    assert_eq!(by_ada.metadata, json!({"reason": "a word about somebody"}));
}

// Of the end and a change of mind one comes first, on whichever instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_end_and_a_change_of_mind_one_comes_first() {
    const PEOPLE: usize = 12;
    let gateway = without_buckets().await;
    let beside = gateway.start_beside_with(|config| config.rate_limits.enabled = false).await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let email = format!("ada{number}@example.com");
        account(&gateway, &email).await.try_delete_account().await.expect_done();
        gateway.advance(MINUTE);
        people.push(email);
    }
    gateway.advance(14 * DAY - 13 * MINUTE);
    let back = join_all(people.iter().map(|email| async { gateway.app_user().sign_in(email, PASSWORD).await })).await;
    gateway.advance(13 * MINUTE);
    join_all(back.iter().map(Member::refresh)).await;
    let ends = join_all(back.iter().map(|member| {
        let (app, id) = (std::sync::Arc::clone(beside.app()), id_of(member));
        async move { tokio::spawn(async move { postern::flows::erase_account::run(&app, id).await }).await.unwrap().unwrap() }
    }));
    let keeps = join_all(back.iter().map(|member| async { member.try_cancel_account_deletion().await }));
    let (ended, kept) = tokio::join!(ends, keeps);
    for ((member, ended), answer) in back.iter().zip(ended).zip(kept) {
        let is_kept = answer.errors().is_empty();
        assert_ne!(ended, is_kept, "{}", answer.body);
        let row = row(&gateway, member).await;
        assert_eq!(row.is_some(), is_kept);
        assert!(row.is_none_or(|row| row.deletion_scheduled_at.is_none()));
        if !is_kept {
            answer.expect_error("UNAUTHENTICATED");
        }
        let database = gateway.database().await;
        let of_them = account_events::Entity::find().filter(account_events::Column::UserId.eq(id_of(member)));
        let told = of_them.all(&database).await.unwrap();
        let count = |kind| told.iter().filter(|event| event.kind == kind).count();
        assert_eq!((count(Kind::Deleted), count(Kind::DeletionCancelled)), (usize::from(!is_kept), usize::from(is_kept)));
    }
    gateway.expect_undelivered();
}

/// As an identifier that belongs to nobody is, at first and after many tries.
fn is_refused(payload: &serde_json::Value) -> bool {
    ["CREDENTIALS_INVALID", "ACCOUNT_LOCKED"].iter().any(|code| payload["problems"][0]["code"] == *code)
}

// Signing in while the account goes: no session is left that could be used, and nothing breaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_slips_in_while_an_account_goes() {
    let gateway = without_buckets().await;
    let beside = gateway.start_beside_with(|config| config.rate_limits.enabled = false).await;
    for number in 0..6 {
        let email = format!("ada{number}@example.com");
        let ada = account(&gateway, &email).await;
        ada.try_delete_account().await.expect_done();
        gateway.advance(14 * DAY);
        let end = {
            let (app, id) = (std::sync::Arc::clone(beside.app()), id_of(&ada));
            tokio::spawn(async move { postern::flows::erase_account::run(&app, id).await.unwrap() })
        };
        let visitors: Vec<_> = (0..6).map(|_| gateway.app_user()).collect();
        let answers = join_all(visitors.iter().map(|visitor| visitor.try_sign_in(&email, PASSWORD))).await;
        assert!(end.await.unwrap());
        for (visitor, answer) in visitors.iter().zip(answers) {
            // Who had already been asked for the password is told to come again, and then finds nobody.
            if answer.code() == Some("OVERLOADED") {
                assert!(is_refused(&visitor.try_sign_in(&email, PASSWORD).await.expect_field()));
                continue;
            }
            let payload = answer.expect_field();
            if let Some(token) = payload["outcome"]["tokens"]["accessToken"].as_str() {
                let answer = visitor.graphql_with("{ me { id } }", json!({}), Some(token)).await;
                answer.expect_error("UNAUTHENTICATED");
            } else {
                assert!(is_refused(&payload), "{payload}");
            }
        }
        let database = gateway.database().await;
        assert!(
            entity::user_sessions::Entity::find()
                .filter(entity::user_sessions::Column::UserId.eq(id_of(&ada)))
                .one(&database)
                .await
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(avatar_removals::Entity::find().all(&gateway.database().await).await.unwrap(), []);
    gateway.expect_undelivered();
}
