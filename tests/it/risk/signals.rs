//! Each signal of a sign-in by itself, and what they come to together.

use std::fs;

use entity::{user_audit_log, users};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use super::{ADA, HOUR, MINUTE, device_in, fails, is_warning, look, looks, member, moved, tries, with_places};
use crate::{
    sign_in_by_code::imported,
    support::{
        Gateway, Member, PASSWORD,
        places::{BANGKOK, CHIANG_MAI, HIDDEN_IN_BERLIN, LONDON, TOKYO, write_places},
    },
};

const SESSION_EVENTS: &str = "subscription ($after: String) { sessionEvents(after: $after) { kind sessionId session { status } } }";

// What an account begins with has nothing to be compared with, and its second device at home is only new.
#[tokio::test]
async fn a_new_device_at_home_is_life() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    assert_eq!(looks(&ada).await, look(0, &[]));
    let phone = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&phone).await, look(20, &["NEW_DEVICE"]));
    assert!(gateway.next_message(ADA).await.subject.unwrap().contains("New sign-in"));
    let again = phone.visitor.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&again).await, look(0, &[]));
    // The day's drive to another town.
    gateway.advance(10 * HOUR);
    let away = phone.visitor.from_address(CHIANG_MAI).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&away).await, look(0, &[]));
}

#[tokio::test]
async fn an_account_that_was_imported_has_nothing_to_be_compared_with() {
    let gateway = with_places().await;
    imported(&gateway, ADA).await;
    let verified = users::Entity::update_many().col_expr(users::Column::EmailVerifiedAt, Expr::value(gateway.clock.now()));
    verified.exec(&gateway.database().await).await.unwrap();
    let ada = device_in(&gateway, LONDON).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&ada).await, look(0, &[]));
    assert!(gateway.next_message(ADA).await.subject.unwrap().contains("New sign-in"));
}

// Who travels for hours is somewhere new; who does not is not the same person.
#[tokio::test]
async fn a_new_country_counts_and_impossible_travel_more() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let before = ada.event_cursor().await;
    let there = moved(&ada, LONDON).visitor.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&there).await, look(70, &["NEW_COUNTRY", "IMPOSSIBLE_TRAVEL"]));
    // Told live, with the link that ends it, and written down.
    let mut socket = ada.socket().await;
    let events = socket.subscribe(SESSION_EVENTS, json!({"after": before})).await;
    for kind in ["CREATED", "MARKED_SUSPICIOUS"] {
        let event = socket.next(&events).await;
        assert_eq!((&event["kind"], &event["sessionId"]), (&json!(kind), &json!(there.session_id)), "{event}");
    }
    let warning = gateway.next_message(ADA).await;
    assert!(is_warning(&warning) && warning.text.contains(LONDON), "{warning:?}");
    let query = "{ me { sessions(filter: {suspicious: true, status: [SUSPICIOUS], riskScoreAtLeast: 70}) { nodes { id } } } }";
    let me = ada.graphql(query, json!({})).await.expect_field();
    assert_eq!(me["sessions"]["nodes"], json!([{"id": there.session_id}]));
    let database = gateway.database().await;
    let rows = user_audit_log::Entity::find().filter(user_audit_log::Column::SessionId.eq(there.session_id.parse::<uuid::Uuid>().unwrap()));
    let rows = rows.all(&database).await.unwrap();
    database.close().await.unwrap();
    let of = |event_type: &str| rows.iter().find(|row| row.event_type == event_type).unwrap_or_else(|| panic!("{event_type}: {rows:?}"));
    assert_eq!((of("login").risk_score, of("login").country.as_deref()), (Some(70), Some("GB")));
    let marked = of("session_marked_suspicious");
    assert_eq!((marked.risk_score, &marked.metadata), (Some(70), &json!({"riskSignals": ["new_country", "impossible_travel"]})));
    assert_eq!(marked.actor, entity::user_sessions::Actor::Security);
    gateway.visitor().try_disown(&warning.link_token()).await.expect_done();
    there.graphql("{ me { id } }", json!({})).await.expect_error("UNAUTHENTICATED");

    // The device was disowned with it. Another known one, after a night's flight, and then it is known there.
    let phone = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    gateway.advance(13 * HOUR);
    let landed = phone.visitor.from_address(LONDON).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&landed).await, look(30, &["NEW_COUNTRY"]));
    let again = phone.visitor.from_address(LONDON).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&again).await, look(0, &[]));
    // Whose account is in London and Bangkok is at both.
    let laptop = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&laptop).await, look(20, &["NEW_DEVICE"]));
    gateway.read_all(ADA).await;
}

// What was suspicious makes no country an account's own.
#[tokio::test]
async fn a_stranger_does_not_settle_in() {
    let gateway = with_places().await;
    member(&gateway).await;
    gateway.advance(13 * HOUR);
    let stranger = device_in(&gateway, LONDON).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&stranger).await, look(50, &["NEW_DEVICE", "NEW_COUNTRY"]));
    assert!(is_warning(&gateway.next_message(ADA).await));
    let again = stranger.visitor.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&again).await, look(30, &["NEW_COUNTRY"]));
    gateway.read_all(ADA).await;
}

// Slips are no failures; more are, whichever way the sign-in comes, and at a known device its own alone.
#[tokio::test]
async fn failures_before_the_right_password_count() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let stranger = device_in(&gateway, BANGKOK);
    fails(&stranger, 2).await;
    let first = stranger.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&first).await, look(20, &["NEW_DEVICE"]));
    let other = device_in(&gateway, BANGKOK);
    fails(&other, 3).await;
    let known = ada.visitor.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&known).await, look(0, &[]), "strangers guess elsewhere");
    gateway.read_all(ADA).await;
    let challenge = other.request_sign_in_code(ADA).await;
    let by_code = other.sign_in_with_code(&challenge, &gateway.next_message(ADA).await.code()).await;
    assert_eq!(looks(&by_code).await, look(40, &["NEW_DEVICE", "RECENT_FAILURES"]));
    let by_password = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&by_password).await, look(40, &["NEW_DEVICE", "RECENT_FAILURES"]));
    // A success ends them, and so does time.
    let anew = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&anew).await, look(20, &["NEW_DEVICE"]));
    fails(&device_in(&gateway, BANGKOK), 3).await;
    gateway.advance(16 * MINUTE);
    let later = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&later).await, look(20, &["NEW_DEVICE"]));
    // A lock is remembered beyond its end.
    fails(&device_in(&gateway, BANGKOK), 5).await;
    gateway.advance(16 * MINUTE);
    let after_lock = device_in(&gateway, BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&after_lock).await, look(40, &["NEW_DEVICE", "RECENT_FAILURES"]));
    gateway.read_all(ADA).await;
}

// A device token is worth less where the browser is another one; a newer version is none.
#[tokio::test]
async fn a_known_device_that_says_it_is_another_one_is_looked_at() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let newer = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0";
    let updated = ada.visitor.with_user_agent(newer).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&updated).await, look(0, &[]));
    let copied = ada.visitor.with_user_agent("curl/8.5.0");
    assert_eq!(looks(&copied.sign_in(ADA, PASSWORD).await).await, look(25, &["USER_AGENT_CHANGED"]));
    gateway.advance(13 * HOUR);
    let there = copied.with_user_agent("okhttp/4.12.0").from_address(TOKYO);
    let there = there.sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&there).await, look(55, &["NEW_COUNTRY", "USER_AGENT_CHANGED"]));
    gateway.read_all(ADA).await;
}

// By the list of a deployment, and by a database that marks them.
#[tokio::test]
async fn who_hides_is_looked_at() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        let (places, networks) = (config.data_dir.join("places.mmdb"), config.data_dir.join("exits.txt"));
        write_places(&places);
        fs::write(&networks, "# exits\n198.18.99.0/24\n").unwrap();
        (config.geo.database, config.geo.anonymous_networks) = (Some(places), Some(networks));
    })
    .await;
    let ada = gateway.app_user().from_address("198.18.99.7").becomes_member(ADA).await;
    assert_eq!(looks(&ada).await, look(30, &["ANONYMOUS_NETWORK"]));
    let home: Member = ada.visitor.from_address(BANGKOK).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&home).await, look(0, &[]));
    let stranger = device_in(&gateway, "198.18.99.8").sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&stranger).await, look(50, &["NEW_DEVICE", "ANONYMOUS_NETWORK"]));
    gateway.advance(13 * HOUR);
    let abroad = ada.visitor.from_address(HIDDEN_IN_BERLIN).sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&abroad).await, look(60, &["NEW_COUNTRY", "ANONYMOUS_NETWORK"]));
    gateway.read_all(ADA).await;
}

// A9: who does not know the password learns nothing, and nobody is written to.
#[tokio::test]
async fn before_the_first_factor_nothing_is_told() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let (home, away) = (device_in(&gateway, BANGKOK), device_in(&gateway, HIDDEN_IN_BERLIN));
    let wrong = async |visitor: &crate::support::Visitor, email: &str| {
        let answer = visitor.try_sign_in(email, "not the Password 47").await;
        (answer.status, answer.body)
    };
    let expected = wrong(&home, ADA).await;
    for (visitor, email) in [(&away, ADA), (&home, "nobody@example.com"), (&away, "nobody@example.com")] {
        assert_eq!(wrong(visitor, email).await, expected, "{email}");
    }
    assert!(gateway.unread(ADA).await.is_empty());
    ada.me().await;
}

// The thresholds are the deployment's.
#[tokio::test]
async fn a_deployment_chooses_what_is_suspicious() {
    let gateway = Gateway::start_with(|config| {
        config.rate_limits.enabled = false;
        (config.risk.suspicious_from, config.risk.second_factor_from) = (20, 20);
    })
    .await;
    member(&gateway).await;
    let asked = tries(&gateway.app_user()).await.expect_done()["outcome"].clone();
    assert_eq!((&asked["__typename"], &asked["methods"]), (&json!("SecondFactorRequired"), &json!(["EMAIL_CODE"])));
    let never = gateway.start_beside_with(|config| {
        config.rate_limits.enabled = false;
        (config.risk.suspicious_from, config.risk.second_factor_from) = (101, 101);
    });
    let never = never.await;
    let calm = never.app_user().sign_in(ADA, PASSWORD).await;
    assert_eq!(looks(&calm).await["status"], "ACTIVE");
    gateway.expect_undelivered();
}
