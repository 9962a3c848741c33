//! Where sessions are, by a database of addresses that a deployment may have.

use std::fs;

use entity::user_audit_log;
use postern::{
    config::{Config, Geo, Sources},
    outbound::places::Places,
};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

use super::{ADA, location, member, moved, with_places};
use crate::support::{
    Gateway,
    places::{BANGKOK, CHIANG_MAI, LONDON, TOKYO, database, write_places},
};

#[tokio::test]
async fn sessions_and_activity_say_where_they_are() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    assert_eq!(location(&ada).await, json!({"country": "TH", "city": "Bangkok", "timezone": "Asia/Bangkok"}));
    // A refresh takes the session along, IPv6 too; an address that nobody knows has no place.
    let ada = moved(&ada, TOKYO);
    ada.refresh().await;
    assert_eq!(location(&ada).await, json!({"country": "JP", "city": "Tokyo", "timezone": "Asia/Tokyo"}));
    let ada = moved(&ada, "198.18.77.1");
    ada.refresh().await;
    assert_eq!(location(&ada).await, Value::Null);
    let query = "{ me { activity { nodes { type location { country city timezone } } } } }";
    let me = ada.graphql(query, json!({})).await.expect_field();
    let rows = me["activity"]["nodes"].as_array().unwrap();
    let last: Vec<_> = rows.iter().filter(|row| row["type"] == "token_refresh").map(|row| &row["location"]).collect();
    assert_eq!(last, [&Value::Null, &json!({"country": "JP", "city": "Tokyo", "timezone": null})]);
    let database = gateway.database().await;
    let rows = user_audit_log::Entity::find().order_by_asc(user_audit_log::Column::Seq).all(&database).await.unwrap();
    database.close().await.unwrap();
    let of = |event_type: &str| rows.iter().find(|row| row.event_type == event_type).unwrap();
    assert_eq!(
        (of("login").country.as_deref(), of("login").city.as_deref(), of("login").risk_score),
        (Some("TH"), Some("Bangkok"), Some(0))
    );
    gateway.expect_undelivered();
}

// What is stored tells a region, not a home; and its owner can see it.
#[tokio::test]
async fn the_export_has_the_place_as_it_is_kept() {
    let gateway = with_places().await;
    let ada = member(&gateway).await;
    let export = ada.try_export_account().await.expect_done()["export"].clone();
    let place = json!({"country": "TH", "city": "Bangkok", "timezone": "Asia/Bangkok", "latitude": 13.8, "longitude": 100.5});
    assert_eq!(export["sessions"][0]["location"], place, "{export}");
    assert_eq!(export["devices"][0]["country"], "TH", "{export}");
}

#[tokio::test]
async fn without_a_database_nothing_has_a_place() {
    let gateway = Gateway::start().await;
    let ada = member(&gateway).await;
    assert_eq!(location(&ada).await, Value::Null);
    let ada = moved(&ada, LONDON);
    ada.refresh().await;
    assert_eq!(location(&ada).await, Value::Null);
}

fn fault(settings: &Geo) -> String {
    Places::open(settings).unwrap_err().to_string()
}

#[tokio::test]
async fn what_cannot_be_used_stops_the_start() {
    let gateway = Gateway::start().await;
    let file = gateway.config.data_dir.join("geo");
    for variable in ["POSTERN_GEO__DATABASE", "POSTERN_GEO__ANONYMOUS_NETWORKS"] {
        let reading = Config::read(&Sources::of([(variable, file.to_str().unwrap())]));
        let problems: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|line| line.contains(variable) && line.contains("is not a file")), "{problems:?}");
    }
    let by_database = Geo { database: Some(file.clone()), anonymous_networks: None };
    fs::write(&file, "no database at all").unwrap();
    assert!(fault(&by_database).starts_with("geo.database: it is no MaxMind database"), "{}", fault(&by_database));
    fs::write(&file, database("GeoLite2-ASN", &[("192.0.2.0/24", json!({"autonomous_system_number": 7}))])).unwrap();
    assert!(fault(&by_database).contains("\"GeoLite2-ASN\", not of cities"), "{}", fault(&by_database));
    let by_list = Geo { database: None, anonymous_networks: Some(file.clone()) };
    fs::write(&file, "192.0.2.7\nexample.com\n").unwrap();
    assert_eq!(fault(&by_list), "geo.anonymous_networks: line 2 is no address and no network");
}

#[tokio::test]
async fn a_database_that_is_replaced_is_read_again() {
    let gateway = with_places().await;
    let places = &gateway.app().places;
    let country = |address: &str| places.find(address.parse().unwrap()).country;
    assert_eq!((country(BANGKOK).as_deref(), country(CHIANG_MAI).as_deref()), (Some("TH"), Some("TH")));
    let (path, next) = (gateway.config.data_dir.join("places.mmdb"), gateway.config.data_dir.join("next.mmdb"));
    fs::write(&next, database("DBIP-Country", &[("192.0.2.0/24", json!({"country": {"iso_code": "LA"}}))])).unwrap();
    fs::rename(&next, &path).unwrap();
    places.reload();
    assert_eq!((country(BANGKOK).as_deref(), country(CHIANG_MAI)), (Some("LA"), None));
    assert_eq!(places.find(BANGKOK.parse().unwrap()).degrees, None);
    // One that is broken changes nothing, and the next one that is whole does.
    fs::write(&path, "half a down").unwrap();
    places.reload();
    assert_eq!(country(BANGKOK).as_deref(), Some("LA"));
    write_places(&path);
    places.reload();
    assert_eq!(country(BANGKOK).as_deref(), Some("TH"));
    let ada = gateway.visitor().from_address(BANGKOK).becomes_member(ADA).await;
    assert_eq!(location(&ada).await["country"], "TH");
    gateway.expect_undelivered();
}
