//! The audit log stays as it was written: the database sees to it.

use std::time::Duration;

use entity::{Timestamp, user_audit_log, user_sessions};
use postern::clock::Clock;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, Iterable, PaginatorTrait, Statement};
use serde_json::json;

use super::{schema::id, scratch::migrated};

/// Kept for `days` from now by the database's clock.
pub fn audit(days: i64) -> user_audit_log::ActiveModel {
    let now = Clock::system().now();
    user_audit_log::ActiveModel {
        id: Set(id()),
        epoch: Set(1),
        user_id: Set(Some(id())),
        actor: Set(user_sessions::Actor::User),
        event_type: Set("login".to_owned()),
        event_category: Set(user_audit_log::Category::Authentication),
        action: Set("sign_in".to_owned()),
        status: Set(user_audit_log::Status::Failure),
        ip_address: Set(Some("192.0.2.1".to_owned())),
        metadata: Set(json!({"identifier": "ada"})),
        tags: Set(json!(["a"])),
        severity: Set(user_audit_log::Severity::Warning),
        is_sensitive: Set(true),
        retention_policy: Set(user_audit_log::Retention::Standard),
        expires_at: Set(Some(Timestamp::from_millis(now.millis() + days * 86_400_000))),
        created_at: Set(now),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_stays_as_it_was_written() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        audit(1).insert(db).await.unwrap();
        for change in [
            "event_type = 'logout'",
            "status = 'success'",
            "created_at = '2020-01-01T00:00:00.000001Z'",
            "expires_at = '2020-01-01T00:00:00.000001Z'",
            "result_code = 'OTHER'",
            "tags = '[]'",
            "seq = 99",
            "xid = 99",
            "ip_address = '192.0.2.99'",
            "message = 'added later'",
            "metadata = '{\"identifier\": \"eve\"}'",
            "request_params = '{\"a\": 1}'",
            "actor_user_id = id",
            "resource_id = 'another'",
            "response_status = 500",
            "risk_score = 1",
            "severity = 'info'",
            "is_sensitive = NOT is_sensitive",
            "retention_policy = 'permanent', expires_at = NULL",
        ] {
            let refused = db.execute_unprepared(&format!("UPDATE user_audit_log SET {change}")).await;
            assert!(refused.is_err(), "{change}");
        }
        assert!(db.execute_unprepared("DELETE FROM user_audit_log").await.is_err());
        if scratch.is_postgres() {
            assert!(db.execute_unprepared("TRUNCATE user_audit_log").await.is_err());
        } else {
            let replace = "INSERT OR REPLACE INTO user_audit_log SELECT * FROM user_audit_log";
            assert!(db.execute_unprepared(replace).await.is_err());
        }
        assert_eq!(user_audit_log::Entity::find().count(db).await.unwrap(), 1);

        let erase = "UPDATE user_audit_log SET user_id = NULL, actor_user_id = NULL, ip_address = NULL, user_agent = NULL, country = NULL,
                     city = '', request_params = NULL, metadata = '{}', message = NULL, resource_id = NULL";
        db.execute_unprepared(erase).await.unwrap();
        let row = user_audit_log::Entity::find().one(db).await.unwrap().unwrap();
        assert_eq!((row.user_id, row.ip_address, row.metadata, row.event_type.as_str()), (None, None, json!({}), "login"));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_rows_go_when_their_time_is_over() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        let expired = audit(-1).insert(db).await.unwrap();
        let kept = audit(1).insert(db).await.unwrap();
        let forever =
            user_audit_log::ActiveModel { retention_policy: Set(user_audit_log::Retention::Permanent), expires_at: Set(None), ..audit(1) };
        let forever = forever.insert(db).await.unwrap();
        assert_eq!(user_audit_log::Entity::delete_by_id(expired.seq).exec(db).await.unwrap().rows_affected, 1);
        for row in [kept, forever] {
            assert!(user_audit_log::Entity::delete_by_id(row.seq).exec(db).await.is_err());
        }
        // To the millisecond.
        let soon = user_audit_log::ActiveModel { expires_at: Set(Some(Clock::system().now() + Duration::from_millis(300))), ..audit(1) };
        let soon = soon.insert(db).await.unwrap();
        assert!(user_audit_log::Entity::delete_by_id(soon.seq).exec(db).await.is_err());
        tokio::time::sleep(Duration::from_millis(320)).await;
        user_audit_log::Entity::delete_by_id(soon.seq).exec(db).await.unwrap();
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_show_what_is_recent() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        let old = Timestamp::from_millis(Clock::system().now().millis() - 8 * 86_400_000);
        let (user, other) = (id(), id());
        for user in [user, other, user, user, other] {
            user_audit_log::ActiveModel { user_id: Set(Some(user)), ..audit(1) }.insert(db).await.unwrap();
        }
        user_audit_log::ActiveModel { user_id: Set(Some(other)), created_at: Set(old), ..audit(1) }.insert(db).await.unwrap();
        user_audit_log::ActiveModel {
            status: Set(user_audit_log::Status::Success),
            severity: Set(user_audit_log::Severity::Info),
            ..audit(1)
        }
        .insert(db)
        .await
        .unwrap();
        // An account with three failures of a day, and every warning of seven days.
        for (view, count) in [("recent_security_events", 5), ("failed_login_attempts", 1)] {
            let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), format!("SELECT * FROM {view}"))).await.unwrap();
            assert_eq!(rows.len(), count, "{view}");
        }
        let failed = postern::storage::audit_search::list_failed_sign_ins(db, 10).await.unwrap();
        assert_eq!((failed[0].user_id, failed[0].attempt_count, &failed[0].ip_addresses), (user, 3, &json!(["192.0.2.1"])));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn enums_of_the_audit_log_take_their_values() {
    for scratch in migrated().await {
        let db = scratch.database.write();
        for actor in user_sessions::Actor::iter() {
            user_audit_log::ActiveModel { actor: Set(actor), ..audit(1) }.insert(db).await.unwrap();
        }
        for event_category in user_audit_log::Category::iter() {
            user_audit_log::ActiveModel { event_category: Set(event_category), ..audit(1) }.insert(db).await.unwrap();
        }
        for status in user_audit_log::Status::iter() {
            user_audit_log::ActiveModel { status: Set(status), ..audit(1) }.insert(db).await.unwrap();
        }
        for severity in user_audit_log::Severity::iter() {
            user_audit_log::ActiveModel { severity: Set(severity), ..audit(1) }.insert(db).await.unwrap();
        }
        for retention in user_audit_log::Retention::iter() {
            let row = user_audit_log::ActiveModel { retention_policy: Set(retention), ..audit(1) };
            let row = if retention == user_audit_log::Retention::Permanent {
                user_audit_log::ActiveModel { expires_at: Set(None), ..row }
            } else {
                row
            };
            row.insert(db).await.unwrap();
        }
        scratch.remove().await;
    }
}
