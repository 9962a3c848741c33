//! What connections, transactions, locks and leases promise.

use std::time::{Duration, Instant};

use postern::{
    clock::Clock,
    storage::{
        database::{Backend, Database},
        deployment,
        error::StorageError,
        leases,
    },
};
use sea_orm::{ConnectionTrait, Statement};

use super::scratch::{clock, migrated, migrated_postgres, migrated_sqlite};

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_gets_a_lease() {
    for scratch in migrated().await {
        let (clock, minute) = (clock(), Duration::from_mins(1));
        let tries = (0..12).map(|n| {
            let (database, now) = (scratch.database.clone(), clock.now());
            tokio::spawn(async move {
                leases::acquire(database.write(), "clean-up", &format!("instance {n}"), now + minute, now).await.unwrap()
            })
        });
        let won = futures::future::join_all(tries).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
        assert_eq!(won, 1);

        let db = scratch.database.write();
        let now = clock.now() + minute;
        assert!(leases::acquire(db, "clean-up", "a", now + minute, now).await.unwrap(), "it ran out");
        assert!(leases::acquire(db, "clean-up", "a", now + minute, now).await.unwrap(), "renewed");
        assert!(!leases::acquire(db, "clean-up", "b", now + minute, now).await.unwrap());
        leases::release(db, "clean-up", "b", now).await.unwrap();
        assert!(!leases::acquire(db, "clean-up", "b", now + minute, now).await.unwrap(), "only the holder gives it back");
        leases::release(db, "clean-up", "a", now).await.unwrap();
        assert!(leases::acquire(db, "clean-up", "b", now + minute, now).await.unwrap());
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_is_decided_one_after_the_other() {
    for scratch in migrated().await {
        let decisions = (0..8).map(|_| {
            let database = scratch.database.clone();
            tokio::spawn(async move {
                let transaction = database.begin().await.unwrap();
                Database::lock(&transaction, "epoch", "1").await.unwrap();
                let epoch = deployment::epoch(&transaction).await.unwrap();
                tokio::task::yield_now().await;
                transaction.execute_unprepared(&format!("UPDATE deployment SET epoch = {}", epoch + 1)).await.unwrap();
                transaction.commit().await.unwrap();
            })
        });
        futures::future::join_all(decisions).await.into_iter().for_each(|done| done.unwrap());
        assert_eq!(deployment::epoch(scratch.database.read()).await.unwrap(), 9);
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_leaves_nothing() {
    for scratch in migrated().await {
        for _ in 0..10 {
            let transaction = scratch.database.begin().await.unwrap();
            transaction.execute_unprepared("UPDATE deployment SET epoch = 7").await.unwrap();
        }
        assert_eq!(deployment::epoch(scratch.database.read()).await.unwrap(), 1);
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_connection_is_refused_in_time() {
    for scratch in migrated().await {
        let mut held = vec![scratch.database.begin().await.unwrap()];
        for _ in 1..if scratch.is_postgres() { 5 } else { 1 } {
            held.push(scratch.database.begin().await.unwrap());
        }
        let asked = Instant::now();
        assert!(matches!(scratch.database.begin().await, Err(StorageError::Unavailable)));
        assert!(asked.elapsed() < Duration::from_millis(4500), "{:?}", asked.elapsed());
        drop(held);
        scratch.database.begin().await.unwrap().rollback().await.unwrap();
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_replaced() {
    for scratch in migrated_postgres().await {
        // Some idle, some in the middle of work, as a restart of the server finds them.
        let held = [scratch.database.begin().await.unwrap(), scratch.database.begin().await.unwrap()];
        let idle = [scratch.database.begin().await.unwrap(), scratch.database.begin().await.unwrap()];
        for transaction in idle {
            transaction.rollback().await.unwrap();
        }
        scratch.as_superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'").await;
        for transaction in held {
            let lost: Result<_, StorageError> = transaction.execute_unprepared("SELECT 1").await.map_err(StorageError::from);
            assert!(matches!(lost, Err(StorageError::Unavailable)), "{lost:?}");
        }
        for _ in 0..20 {
            scratch.database.begin().await.unwrap().commit().await.unwrap();
            scratch.database.ping().await.unwrap();
        }
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_take_too_long_are_cut_off() {
    for scratch in migrated_postgres().await {
        let asked = Instant::now();
        let slow: Result<_, StorageError> =
            scratch.database.write().execute_unprepared("SELECT pg_sleep(20)").await.map_err(StorageError::from);
        assert!(matches!(slow, Err(StorageError::Unavailable)), "{slow:?}");
        assert!(asked.elapsed() < Duration::from_secs(8));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_beside_the_writer_and_cannot_write() {
    for scratch in migrated_sqlite().await {
        let transaction = scratch.database.begin().await.unwrap();
        transaction.execute_unprepared("UPDATE deployment SET epoch = 7").await.unwrap();
        assert_eq!(deployment::epoch(scratch.database.read()).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        assert_eq!(deployment::epoch(scratch.database.read()).await.unwrap(), 7);
        assert!(scratch.database.read().execute_unprepared("UPDATE deployment SET epoch = 8").await.is_err());

        let db = scratch.database.write();
        for (column, pragma, expected) in [
            ("journal_mode", "journal_mode", "wal"),
            ("synchronous", "synchronous", "1"),
            ("foreign_keys", "foreign_keys", "1"),
            ("timeout", "busy_timeout", "5000"),
        ] {
            let sql = format!("SELECT CAST({column} AS TEXT) FROM pragma_{pragma}");
            let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<String>(0).unwrap(), expected, "{pragma}");
        }
        // As `.cargo/config.toml` has it built: or else each `LIMIT ?` makes it plan anew.
        let sql = "SELECT CAST(sqlite_compileoption_used('ENABLE_QPSG') AS TEXT)";
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "1");
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_may_be_opened_by_several_at_once() {
    for scratch in migrated_sqlite().await {
        let opened = (0..8).map(|_| {
            let url = format!("{}-new", scratch.url);
            tokio::spawn(async move { Database::connect(&url, 2).await.unwrap().ping().await })
        });
        futures::future::join_all(opened).await.into_iter().for_each(|done| done.unwrap().unwrap());
        scratch.remove().await;
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    for scratch in migrated_sqlite().await {
        let file = scratch.url.trim_start_matches("sqlite:");
        for file in [file.to_owned(), format!("{file}-wal"), format!("{file}-shm")] {
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clocks_are_compared() {
    for scratch in migrated().await {
        let skew = scratch.database.now_skew(&Clock::system()).await.unwrap();
        assert!(skew.abs() < 1000, "{skew} ms");
        let behind = Clock::manual(Clock::system().now() - Duration::from_mins(1));
        let skew = scratch.database.now_skew(&behind).await.unwrap();
        assert!((59_000..61_000).contains(&skew), "{skew} ms");
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_pools_are_counted() {
    for scratch in migrated().await {
        let before = scratch.database.statements();
        deployment::epoch(scratch.database.read()).await.unwrap();
        let transaction = scratch.database.begin().await.unwrap();
        deployment::epoch(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(scratch.database.clone().statements() - before, 2);
        let pools: Vec<&str> = scratch.database.pools().iter().map(|pool| pool.pool).collect();
        assert_eq!(pools, if scratch.database.backend() == Backend::Sqlite { vec!["write", "read"] } else { vec!["all"] });
        assert!(scratch.database.pools().iter().all(|pool| pool.open > 0 && pool.idle <= pool.open));
        scratch.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_urls_are_told() {
    for url in ["mysql://localhost/x", "sqlite::memory:", "sqlite:/proc/nowhere/postern.db", "", "postgres://[", "sqlite:x?mode=sideways"] {
        assert!(matches!(Database::connect(url, 2).await, Err(StorageError::Driver(_))), "{url}");
    }
    // Nobody listens there.
    let asked = Instant::now();
    assert!(matches!(Database::connect("postgres://postgres@127.0.0.1:1/x", 2).await, Err(StorageError::Unavailable)));
    assert!(asked.elapsed() < Duration::from_secs(5));
}
