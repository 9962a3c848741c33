//! Schema steps, history and integrity; below it what the schema and its connections promise. On SQLite, and on PostgreSQL where there is one.

mod audit;
mod connections;
mod schema;
mod scratch;

use postern::{
    cli,
    storage::migrate::{self, AtStart, MigrateError, Problem, State},
};
use sea_orm::{ConnectionTrait, Statement};

use scratch::{Scratch, clock, databases};

/// Runs one statement past every rule of the program.
async fn sql(scratch: &Scratch, sql: &str) {
    scratch.database.write().execute_unprepared(sql).await.unwrap();
}

async fn one_text(scratch: &Scratch, sql: &str) -> String {
    let db = scratch.database.read();
    db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn up_takes_every_step_once() {
    for scratch in databases().await {
        let before = migrate::verify(&scratch.database).await.unwrap();
        assert!(!before.is_empty() && before.iter().all(|problem| matches!(problem, Problem::Pending { .. })), "{before:?}");

        let names = migrate::up(&scratch.database, &clock()).await.unwrap();
        assert_eq!(names, migration::STEPS.iter().map(|step| step.name).collect::<Vec<_>>());
        assert_eq!(migrate::up(&scratch.database, &clock()).await.unwrap(), Vec::<String>::new());
        assert_eq!(migrate::verify(&scratch.database).await.unwrap(), []);

        for step in migrate::status(&scratch.database).await.unwrap() {
            assert_eq!((step.state, step.batch, step.at), (State::Applied, Some(1), Some(clock().now())), "{}", step.name);
            assert!(step.took_ms.is_some() && !step.description.is_empty());
        }
        assert_eq!(
            one_text(&scratch, "SELECT status FROM migration_history WHERE name = '0001_accounts' AND can_rollback").await,
            "completed"
        );
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_migrate_once() {
    for scratch in databases().await {
        let starts = (0..6).map(|_| {
            let url = scratch.url.clone();
            tokio::spawn(async move {
                let database = postern::storage::database::Database::connect(&url, 2).await.unwrap();
                let names = migrate::up(&database, &clock()).await.unwrap();
                assert_eq!(migrate::verify(&database).await.unwrap(), []);
                database.close().await;
                names.len()
            })
        });
        let taken: usize = futures::future::join_all(starts).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(taken, migration::STEPS.len());
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_step_stops_everything() {
    for scratch in databases().await {
        migrate::up(&scratch.database, &clock()).await.unwrap();
        sql(&scratch, "UPDATE migration_history SET checksum = 'another' WHERE name = '0002_records'").await;

        let name = "0002_records".to_owned();
        assert_eq!(migrate::verify(&scratch.database).await.unwrap(), [Problem::Changed { name }]);
        for refused in [
            migrate::up(&scratch.database, &clock()).await.map(|_| ()),
            migrate::down(&scratch.database, &clock(), 1, "test").await.map(|_| ()),
            migrate::at_start(&scratch.database, &clock(), AtStart::Apply).await.map(|_| ()),
        ] {
            assert!(matches!(&refused, Err(MigrateError::Changed(name)) if name == "0002_records"), "{refused:?}");
        }
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn production_names_what_is_missing_and_touches_nothing() {
    for scratch in databases().await {
        let problems = migrate::at_start(&scratch.database, &clock(), AtStart::Check).await.unwrap();
        assert_eq!(problems.len(), migration::STEPS.len());
        assert_eq!(problems[0].to_string(), "migration 0001_accounts has not run: run `postern migrate up`");
        assert!(migrate::at_start(&scratch.database, &clock(), AtStart::Apply).await.unwrap().is_empty());
        assert!(migrate::at_start(&scratch.database, &clock(), AtStart::Check).await.unwrap().is_empty());
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn down_undoes_the_newest_and_up_takes_them_again() {
    for scratch in databases().await {
        migrate::up(&scratch.database, &clock()).await.unwrap();
        let newest_first: Vec<&str> = migration::STEPS.iter().rev().map(|step| step.name).collect();
        assert_eq!(migrate::down(&scratch.database, &clock(), 1, "test").await.unwrap(), newest_first[..1]);
        assert_eq!(migrate::down(&scratch.database, &clock(), 99, "test").await.unwrap(), newest_first[1..]);
        assert_eq!(migrate::down(&scratch.database, &clock(), 1, "test").await.unwrap(), Vec::<String>::new());
        let statuses = migrate::status(&scratch.database).await.unwrap();
        assert!(statuses.iter().all(|step| step.state == State::RolledBack), "{statuses:?}");
        assert_eq!(one_text(&scratch, "SELECT rolled_back_by FROM migration_history WHERE name = '0001_accounts'").await, "test");

        assert_eq!(migrate::up(&scratch.database, &clock()).await.unwrap().len(), migration::STEPS.len());
        assert_eq!(migrate::verify(&scratch.database).await.unwrap(), []);
        assert!(migrate::status(&scratch.database).await.unwrap().iter().all(|step| step.batch == Some(2)));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_step_leaves_nothing_but_its_reason() {
    for scratch in databases().await {
        sql(&scratch, "CREATE TABLE user_audit_log (in_the_way int)").await;
        let failed = migrate::up(&scratch.database, &clock()).await;
        assert!(matches!(&failed, Err(MigrateError::Step { name, .. }) if name == "0002_records"), "{failed:?}");

        let problems = migrate::verify(&scratch.database).await.unwrap();
        assert!(matches!(&problems[0], Problem::Pending { name } if name == "0001_accounts"), "nothing of the batch holds: {problems:?}");
        assert!(
            matches!(&problems[1], Problem::Failed { name, message } if name == "0002_records" && message.contains("user_audit_log")),
            "{problems:?}"
        );
        assert!(scratch.database.read().execute_unprepared("SELECT 1 FROM users").await.is_err());

        sql(&scratch, "DROP TABLE user_audit_log").await;
        assert!(migrate::at_start(&scratch.database, &clock(), AtStart::Apply).await.unwrap().is_empty());
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_somebody_removed_are_missed() {
    for scratch in databases().await {
        migrate::up(&scratch.database, &clock()).await.unwrap();
        sql(&scratch, "DROP INDEX messages_due_idx").await;
        sql(&scratch, "DROP VIEW failed_login_attempts").await;
        sql(&scratch, "DROP TABLE dev_inbox").await;
        if scratch.is_postgres() {
            sql(&scratch, "ALTER TABLE user_audit_log DISABLE TRIGGER user_audit_log_no_delete").await;
        } else {
            sql(&scratch, "DROP TRIGGER user_audit_log_no_delete").await;
        }
        let problems: Vec<String> = migrate::verify(&scratch.database).await.unwrap().iter().map(ToString::to_string).collect();
        for part in [
            "index messages_due_idx",
            "view failed_login_attempts",
            "table dev_inbox",
            "index dev_inbox_sent_at_idx",
            "trigger user_audit_log_no_delete",
        ] {
            assert!(problems.contains(&format!("the {part} is missing or disabled: restore it")), "{part}: {problems:?}");
        }
        assert_eq!(problems.len(), 6, "{problems:?}");
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_a_newer_program_are_told_apart() {
    for scratch in databases().await {
        migrate::up(&scratch.database, &clock()).await.unwrap();
        let newer = "INSERT INTO migration_history (name, type, batch, description, file, checksum, status, started_at, can_rollback)
                     SELECT '9999_newer', 'expanding', 2, 'newer', file, checksum, status, started_at, can_rollback
                     FROM migration_history WHERE name = '0001_accounts'";
        sql(&scratch, newer).await;
        assert_eq!(migrate::verify(&scratch.database).await.unwrap(), []);
        assert!(migrate::up(&scratch.database, &clock()).await.unwrap().is_empty());
        assert!(
            migrate::status(&scratch.database).await.unwrap().iter().any(|step| step.state == State::Newer && step.name == "9999_newer")
        );

        sql(&scratch, "UPDATE migration_history SET type = 'contracting' WHERE name = '9999_newer'").await;
        let name = "9999_newer".to_owned();
        assert_eq!(migrate::verify(&scratch.database).await.unwrap(), [Problem::Unknown { name }]);
        assert!(matches!(migrate::up(&scratch.database, &clock()).await, Err(MigrateError::Unknown(_))));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_what_it_did() {
    use cli::migrate::{Command, Failed};
    for scratch in databases().await {
        let mut out = Vec::new();
        assert!(
            matches!(cli::migrate::run(&scratch.database, &clock(), Command::Verify, &mut out).await, Err(Failed::Problems(count)) if count == migration::STEPS.len())
        );
        for command in [Command::Up, Command::Up, Command::Status, Command::Verify, Command::Down { steps: 1 }] {
            cli::migrate::run(&scratch.database, &clock(), command, &mut out).await.unwrap();
        }
        let printed = String::from_utf8(out).unwrap();
        let newest = migration::STEPS.last().unwrap().name;
        for line in [
            &format!("migration {newest} has not run: run `postern migrate up`"),
            &format!("applied {newest}"),
            "nothing to apply",
            "applied      0001_accounts             batch 1  2026-11-20T12:00:00.000Z  Accounts, sign-ups",
            "the schema is complete",
            &format!("undone {newest}"),
        ] {
            assert!(printed.lines().any(|printed| printed.starts_with(line)), "{line}\n{printed}");
        }
        scratch.remove().await;
    }
}
