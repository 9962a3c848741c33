//! What the schema keeps: the types of every entity, unique contacts, values of enums, references.

use std::time::Duration;

use entity::{
    Timestamp, account_events, attempt_counters, dev_inbox, known_devices, leases, link_tokens, machine_tokens, messages, pending_sign_ups,
    signing_keys, spent_tokens, user_audit_log, user_sessions, users,
};
use postern::{clock::Clock, entropy::Entropy, storage::error::StorageError};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, ModelTrait, PaginatorTrait, prelude::Uuid,
    sea_query::Expr,
};
use serde_json::json;

use super::{
    audit::audit,
    scratch::{Scratch, clock, migrated},
};

pub fn id() -> Uuid {
    Entropy::system().uuid(Clock::system().now())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(clock().now().millis() + millis)
}

fn user() -> users::Model {
    users::Model {
        email: Some("ada@example.com".to_owned()),
        email_verified_at: Some(at(500)),
        phone: Some("+66812345678".to_owned()),
        display_name: Some("Ada ❤".to_owned()),
        locale: Some("th".to_owned()),
        date_of_birth: time::Date::from_calendar_date(1815, time::Month::December, 10).ok(),
        metadata: json!({"plan": "free", "n": [1, 2]}),
        created_at: at(0),
        updated_at: at(520),
        ..users::Model::new(id(), at(0))
    }
}

fn session(user_id: Uuid) -> user_sessions::Model {
    user_sessions::Model {
        id: id(),
        user_id,
        refresh_generation: 1,
        confirmed_generation: 0,
        confirmed_at: None,
        refresh_key_id: "k1".to_owned(),
        refresh_token_hash: vec![7; 32],
        refreshed_at: at(0),
        branch_generation: None,
        branch_token_hash: None,
        token_delivery: user_sessions::TokenDelivery::Cookie,
        amr: serde_json::json!(["pwd"]),
        status: user_sessions::Status::Active,
        known_device_id: None,
        device_type: user_sessions::DeviceType::Desktop,
        device_name: "Firefox on Windows".to_owned(),
        browser: None,
        os: None,
        user_agent: None,
        ip_address: Some("2001:db8::1".to_owned()),
        login_method: user_sessions::LoginMethod::Password,
        authenticated_at: at(0),
        risk_score: 0,
        risk_signals: json!([]),
        is_suspicious: false,
        expires_at: at(1),
        absolute_expires_at: at(2),
        last_activity_at: at(0),
        revoked_at: None,
        revoked_by: Some(user_sessions::Actor::Security),
        revoked_reason: None,
        version: 1,
        created_at: at(0),
        updated_at: at(0),
        second_factor: None,
        strong_proof_at: None,
        location_country: None,
        location_city: None,
        location_timezone: None,
        location_latitude: None,
        location_longitude: None,
        proofs_void_before: None,
    }
}

async fn round_trip<M>(scratch: &Scratch, model: M) -> M
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel> + Clone + PartialEq + std::fmt::Debug,
    M::Entity: EntityTrait<Model = M>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    let row = model.clone().into_active_model().reset_all();
    M::Entity::insert(row).exec_without_returning(scratch.database.write()).await.unwrap();
    let read = M::Entity::find().all(scratch.database.read()).await.unwrap();
    assert!(read.contains(&model), "{read:?}\n{model:?}");
    model
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_back_as_it_went_in() {
    for scratch in migrated().await {
        let user = round_trip(&scratch, user()).await;
        let session = round_trip(&scratch, session(user.id)).await;
        let (hash, created_at, user_id) = (vec![1; 32], at(120), Some(user.id));
        let sign_up = pending_sign_ups::Model {
            id: id(),
            channel: entity::Channel::Email,
            contact: "ada@example.com".to_owned(),
            password_hash: None,
            username: None,
            profile: json!({}),
            device_hash: Some(vec![2; 32]),
            challenge_id: id(),
            decoy: true,
            expires_at: at(1),
            created_at,
        };
        round_trip(&scratch, sign_up).await;
        let (name, last_seen_at) = ("Firefox".to_owned(), at(0));
        round_trip(
            &scratch,
            known_devices::Model {
                id: id(),
                user_id: user.id,
                token_hash: hash.clone(),
                name,
                trusted_until: None,
                last_seen_at,
                created_at,
                location_country: Some("TH".to_owned()),
            },
        )
        .await;
        let link = link_tokens::Model {
            id: id(),
            user_id,
            pending_sign_up_id: None,
            purpose: link_tokens::Purpose::MagicLink,
            contact: "ada@example.com".to_owned(),
            session_id: Some(session.id),
            token_hash: hash.clone(),
            expires_at: at(1),
            used_at: Some(at(50)),
            created_at,
            challenge_id: Some(id()),
            reset_attempt_id: Some(id()),
            device_hash: Some(hash.clone()),
        };
        round_trip(&scratch, link).await;
        let counter = attempt_counters::Model {
            id: id(),
            recent: format!("{:015}", 7),
            kind: "password".to_owned(),
            key: hash.clone(),
            user_id,
            failures: 1,
            total: 2,
            locks: 0,
            locked_until: None,
            is_account: true,
            last_failure_at: Some(at(5)),
            created_at,
            updated_at: created_at,
        };
        round_trip(&scratch, counter).await;
        round_trip(&scratch, spent_tokens::Model { kind: "challenge".to_owned(), id: "x".to_owned(), expires_at: at(0) }).await;
        let message = messages::Model {
            id: id(),
            user_id,
            channel: entity::Channel::Sms,
            recipient: "+66812345678".to_owned(),
            template: "sign_up_code".to_owned(),
            parameters: json!({"name": "Ada"}),
            secret_sealed: Some(vec![3; 60]),
            locale: "en".to_owned(),
            state: messages::State::Pending,
            attempts: 0,
            next_attempt_at: at(0),
            expires_at: at(1),
            sent_at: None,
            last_error: None,
            created_at,
            updated_at: created_at,
        };
        round_trip(&scratch, message).await;
        let (recipient, channel) = ("ada@example.com".to_owned(), entity::Channel::Email);
        round_trip(&scratch, dev_inbox::Model { id: id(), recipient, content_sealed: vec![4; 10], channel, sent_at: at(9) }).await;
        let key = signing_keys::Model {
            id: id(),
            kid: "kid".to_owned(),
            generation: 1,
            algorithm: "ES256".to_owned(),
            private_key_sealed: vec![5; 99],
            public_jwk: json!({"kty": "EC"}),
            publish_at: at(0),
            activate_at: at(0),
            retire_at: None,
            created_at,
        };
        round_trip(&scratch, key).await;
        let (job, holder, position) = ("expire".to_owned(), "a".to_owned(), Some("12".to_owned()));
        round_trip(&scratch, leases::Model { job, holder, until: at(1), position, updated_at: at(0) }).await;

        let token = machine_tokens::Model {
            id: id(),
            name: "shop".to_owned(),
            token_hash: vec![6; 32],
            scopes: "events:read users:read".to_owned(),
            created_by: "command line".to_owned(),
            last_used_at: Some(at(3)),
            expires_at: None,
            revoked_at: None,
            created_at,
            updated_at: created_at,
        };
        round_trip(&scratch, token).await;

        let event = account_events::ActiveModel {
            id: Set(id()),
            epoch: Set(1),
            kind: Set(account_events::Kind::Created),
            user_id: Set(user.id),
            at: Set(at(77)),
            ..Default::default()
        };
        let event = event.insert(scratch.database.write()).await.unwrap();
        assert_eq!((event.seq, event.at, event.xid > 0), (1, at(77), scratch.is_postgres()));
        let row = audit(1).insert(scratch.database.write()).await.unwrap();
        assert_eq!((row.seq, row.metadata, row.xid > 0), (1, json!({"identifier": "ada"}), scratch.is_postgres()));

        // The user goes, and what belongs to the user alone goes along; what must outlive the user stays.
        users::Entity::delete_by_id(user.id).exec(scratch.database.write()).await.unwrap();
        let db = scratch.database.read();
        assert_eq!(user_sessions::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(known_devices::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(link_tokens::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(messages::Entity::find().one(db).await.unwrap().unwrap().user_id, None);
        assert_eq!(account_events::Entity::find().count(db).await.unwrap(), 1);
        assert_eq!(user_audit_log::Entity::find().one(db).await.unwrap().unwrap().user_id, row.user_id);
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_proved_contacts_are_unique() {
    for scratch in migrated().await {
        let insert = async |user: users::Model| -> Result<(), StorageError> {
            users::Entity::insert(user.into_active_model()).exec_without_returning(scratch.database.write()).await?;
            Ok(())
        };
        insert(user()).await.unwrap();
        insert(users::Model { email_verified_at: None, ..user() }).await.unwrap();
        let taken = insert(user()).await.unwrap_err();
        assert!(taken.is_conflict_on("users", "email"), "{taken:?}");
        assert!(!taken.is_conflict_on("users", "phone"));

        let phone = users::Model { email: None, email_verified_at: None, phone_verified_at: Some(at(0)), ..user() };
        insert(phone.clone()).await.unwrap();
        assert!(insert(users::Model { id: id(), ..phone }).await.unwrap_err().is_conflict_on("users", "phone"));

        let named = users::Model { email_verified_at: None, username: Some("ada".to_owned()), ..user() };
        insert(named.clone()).await.unwrap();
        assert!(insert(users::Model { id: id(), ..named.clone() }).await.unwrap_err().is_conflict_on("users", "username"));
        assert!(matches!(insert(users::Model { id: id(), username: Some("Ada".to_owned()), ..named }).await, Err(StorageError::Driver(_))));

        let spend = || spent_tokens::Model { kind: "link".to_owned(), id: "1".to_owned(), expires_at: at(0) }.into_active_model();
        spent_tokens::Entity::insert(spend()).exec_without_returning(scratch.database.write()).await.unwrap();
        let again: Result<_, StorageError> =
            spent_tokens::Entity::insert(spend()).exec_without_returning(scratch.database.write()).await.map_err(StorageError::from);
        assert!(again.unwrap_err().is_conflict_on("spent_tokens", "kind, id"));
        scratch.remove().await;
    }
}

/// Sets `column` of the one row to every value of the enum, and to one that it does not have.
async fn accepts<E: Iterable + Into<sea_orm::Value>>(scratch: &Scratch, table: &str, column: &str) {
    let set = async |value: sea_orm::Value| {
        let db = scratch.database.write();
        let statement = sea_orm::sea_query::Query::update()
            .table(sea_orm::sea_query::Alias::new(table))
            .value(sea_orm::sea_query::Alias::new(column), Expr::value(value))
            .to_owned();
        db.execute(&statement).await
    };
    for value in E::iter() {
        set(value.into()).await.unwrap_or_else(|error| panic!("{table}.{column}: {error}"));
    }
    assert!(set("nonsense".into()).await.is_err(), "{table}.{column}");
}

#[tokio::test(flavor = "multi_thread")]
async fn enums_take_their_values_and_no_others() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        let user = user().into_active_model().insert(db).await.unwrap();
        session(user.id).into_active_model().insert(db).await.unwrap();
        accepts::<users::Role>(&scratch, "users", "role").await;
        accepts::<users::Status>(&scratch, "users", "status").await;
        accepts::<user_sessions::Status>(&scratch, "user_sessions", "status").await;
        accepts::<user_sessions::DeviceType>(&scratch, "user_sessions", "device_type").await;
        accepts::<user_sessions::LoginMethod>(&scratch, "user_sessions", "login_method").await;
        accepts::<user_sessions::Actor>(&scratch, "user_sessions", "revoked_by").await;

        let link = "INSERT INTO link_tokens (id, user_id, purpose, contact, token_hash, expires_at, created_at)
                    SELECT id, id, 'unlock', email, refresh_token_hash, created_at, created_at FROM (SELECT u.*, s.refresh_token_hash FROM users u, user_sessions s) AS x";
        db.execute_unprepared(link).await.unwrap();
        accepts::<link_tokens::Purpose>(&scratch, "link_tokens", "purpose").await;
        let message =
            "INSERT INTO messages (id, channel, recipient, template, locale, state, next_attempt_at, expires_at, created_at, updated_at)
                       SELECT id, 'email', email, 't', 'en', 'pending', created_at, created_at, created_at, created_at FROM users";
        db.execute_unprepared(message).await.unwrap();
        accepts::<messages::State>(&scratch, "messages", "state").await;
        let event = "INSERT INTO account_events (id, epoch, kind, user_id, at) SELECT id, 1, 'created', id, created_at FROM users";
        db.execute_unprepared(event).await.unwrap();
        accepts::<account_events::Kind>(&scratch, "account_events", "kind").await;

        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn updated_at_moves_where_nobody_moves_it() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        let user = user().into_active_model().insert(db).await.unwrap();
        db.execute_unprepared("UPDATE users SET bio = 'by hand'").await.unwrap();
        let touched = users::Entity::find_by_id(user.id).one(db).await.unwrap().unwrap().updated_at;
        assert!(Clock::system().now().since(touched) < Duration::from_secs(5) && touched > user.updated_at, "{touched}");

        let change = users::ActiveModel { id: Set(user.id), updated_at: Set(at(3)), ..Default::default() };
        assert_eq!(change.update(db).await.unwrap().updated_at, at(3));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_keeps_no_secret() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        user().into_active_model().insert(db).await.unwrap();
        let message = "INSERT INTO messages (id, channel, recipient, template, secret_sealed, locale, state, next_attempt_at, expires_at, created_at, updated_at)
                       SELECT id, 'email', email, 't', NULL, 'en', 'pending', created_at, created_at, created_at, created_at FROM users";
        db.execute_unprepared(message).await.unwrap();
        messages::Entity::update_many().col_expr(messages::Column::SecretSealed, Expr::value(vec![1_u8; 8])).exec(db).await.unwrap();
        assert!(db.execute_unprepared("UPDATE messages SET state = 'sent'").await.is_err());
        db.execute_unprepared("UPDATE messages SET state = 'sent', secret_sealed = NULL").await.unwrap();
        scratch.remove().await;
    }
}
