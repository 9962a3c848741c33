//! Taking it out by the command line.

use std::{io, time::Duration};

use postern::cli::audit::{self, Command, Export, Failed};
use serde_json::Value;

use super::rows;
use crate::{
    migrations::{audit::audit as row, scratch},
    support::Gateway,
};

async fn export(gateway: &Gateway, which: Export) -> Vec<Value> {
    let mut out = Vec::new();
    let until = gateway.clock.now() + Duration::from_secs(1);
    gateway.inside(audit::run(&gateway.app().database, until, Command::Export(which), &mut out)).await.unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const ALL: Export = Export { since: None, until: None, user: None };

#[tokio::test]
async fn every_row_is_a_line_with_fields_that_stay() {
    let gateway = Gateway::start().await;
    let member = gateway.app_user().becomes_member("ada@example.com").await;
    gateway.advance(Duration::from_mins(1));
    let between = gateway.clock.now();
    gateway.app_user().becomes_member("eve@example.com").await;
    let all = rows(&gateway).await;
    let lines = export(&gateway, ALL).await;
    let ids = |lines: &[Value]| lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&lines), all.iter().map(|row| row.id.to_string()).collect::<Vec<_>>(), "the oldest first");
    let names: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "position",
        "type",
        "category",
        "action",
        "status",
        "resultCode",
        "severity",
        "message",
        "actor",
        "actorUserId",
        "userId",
        "sessionId",
        "resourceType",
        "resourceId",
        "requestId",
        "requestMethod",
        "requestPath",
        "requestParams",
        "responseStatus",
        "ipAddress",
        "userAgent",
        "country",
        "city",
        "riskScore",
        "metadata",
        "tags",
        "sensitive",
        "retention",
        "createdAt",
        "expiresAt",
    ];
    expected.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
    let login = lines.iter().find(|line| line["type"] == "login").unwrap();
    assert_eq!(
        (&login["category"], &login["status"], &login["retention"]),
        (&"AUTHENTICATION".into(), &"SUCCESS".into(), &"EXTENDED".into())
    );
    let old = export(&gateway, Export { until: Some(between), ..ALL }).await;
    let new = export(&gateway, Export { since: Some(between), ..ALL }).await;
    assert_eq!([ids(&old), ids(&new)].concat(), ids(&lines));
    let user = member.user_id.parse().unwrap();
    let own = export(&gateway, Export { user: Some(user), ..ALL }).await;
    assert!(!own.is_empty() && own.iter().all(|line| line["userId"] == member.user_id), "{own:?}");
}

/// Takes so many bytes, and then nobody reads any more.
struct Gone(usize);

impl io::Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_batch_is_whole_and_a_reader_that_leaves_is_told() {
    use sea_orm::{ActiveValue::Set, EntityTrait};
    for scratch in scratch::migrated().await {
        let now = postern::clock::Clock::system().now();
        // Many of one moment: what a batch ends with may begin the next.
        for batch in 0..7 {
            let at = now - Duration::from_secs(100 - batch / 3);
            let some = (0..200).map(|_| entity::user_audit_log::ActiveModel { created_at: Set(at), ..row(1) });
            entity::user_audit_log::Entity::insert_many(some).exec_without_returning(scratch.database.write()).await.unwrap();
        }
        let mut out = Vec::new();
        audit::run(&scratch.database, now, Command::Export(ALL), &mut out).await.unwrap();
        let lines: Vec<Value> = String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let seqs: Vec<i64> = lines.iter().map(|line| line["position"]["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, (1..=1400).collect::<Vec<_>>());
        let failed = audit::run(&scratch.database, now, Command::Export(ALL), &mut Gone(100_000)).await;
        assert!(matches!(failed, Err(Failed::Print(_))), "{failed:?}");
        scratch.remove().await;
    }
}

#[test]
fn the_program_says_what_is_wrong() {
    let run = |arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command.env_clear().env("POSTERN_DATA_DIR", folder.path()).args(["audit", "export"]).args(arguments).output().unwrap()
    };
    let wrong = run(&["--since", "yesterday"]);
    assert!(!wrong.status.success() && wrong.stdout.is_empty());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("2026-11-20T12:00:00Z"), "{wrong:?}");
    // A database without a schema has no log.
    let empty = run(&[]);
    assert_eq!((empty.status.code(), empty.stdout.is_empty()), (Some(1), true));
    assert!(String::from_utf8_lossy(&empty.stderr).starts_with("postern: database: "), "{empty:?}");
}
