//! Stretches of the two logs, read along their indexes.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};

use super::{
    account_events::Position,
    database::{Backend, Database},
    error::StorageError,
};

/// Where rows of a log stand: its columns of the epoch, the transaction and the row's own number.
pub type Place<C> = [C; 3];

/// What a query finds after one position, up to and with another, at most `limit` rows; oldest first.
pub async fn list<E: EntityTrait>(
    database: &Database,
    query: Select<E>,
    place: Place<E::Column>,
    (after, until): (Position, Position),
    limit: u64,
) -> Result<Vec<E::Model>, StorageError> {
    let mut found = Vec::new();
    for part in parts(database.backend(), place, after, until) {
        let left = limit.saturating_sub(found.len() as u64);
        if left > 0 {
            let part = place.into_iter().fold(query.clone().filter(part), QueryOrder::order_by_asc);
            found.extend(part.limit(left).all(database.read()).await?);
        }
    }
    Ok(found)
}

/// The stretch in parts that follow one another.
///
/// PostgreSQL goes along the index with a comparison of whole places. SQLite would do so with epoch and transaction alone, because the row's own
/// number is no column of an index to it there: each reading would begin with the first row of the epoch.
fn parts<C: ColumnTrait>(backend: Backend, [epoch, xid, seq]: Place<C>, after: Position, until: Position) -> Vec<Condition> {
    let place = || Expr::tuple([Expr::col(epoch), Expr::col(xid), Expr::col(seq)]);
    let at = |position: Position| Expr::tuple([Expr::val(position.epoch), Expr::val(position.xid), Expr::val(position.seq)]);
    let not_beyond = || Condition::all().add(place().lte(at(until)));
    match backend {
        Backend::Postgres => vec![not_beyond().add(place().gt(at(after)))],
        Backend::Sqlite => vec![
            not_beyond().add(epoch.eq(after.epoch)).add(xid.eq(after.xid)).add(seq.gt(after.seq)),
            not_beyond().add(epoch.gt(after.epoch)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use entity::{account_events, user_audit_log};
    use migration::{Dialect, STEPS};
    use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryTrait, Statement};

    use super::*;
    use crate::storage::account_events::READ_SQLITE;

    /// How SQLite goes through its tables for a statement.
    async fn plan(database: &DatabaseConnection, sql: &str) -> String {
        let explain = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = database.query_all_raw(explain).await.unwrap();
        rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn sqlite_begins_to_read_where_the_last_reading_ended() {
        let database = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        for step in STEPS {
            database.execute_unprepared(&step.up(Dialect::Sqlite)).await.unwrap();
        }
        let (after, until) = (Position { epoch: 1, xid: 0, seq: 7 }, Position { epoch: 1, xid: 0, seq: 9 });
        let events = {
            use account_events::Column::{Epoch, Seq, Xid};
            parts(Backend::Sqlite, [Epoch, Xid, Seq], after, until)
        };
        let audit = {
            use user_audit_log::Column::{Epoch, Seq, Xid};
            parts(Backend::Sqlite, [Epoch, Xid, Seq], after, until)
        };
        let reads = [
            account_events::Entity::find().filter(events[0].clone()).build(DbBackend::Sqlite).to_string(),
            user_audit_log::Entity::find().filter(audit[0].clone()).build(DbBackend::Sqlite).to_string(),
            READ_SQLITE.replace("?1", "1").replace("?2", "0").replace("?3", "7").replace("?4", "500"),
        ];
        for sql in reads {
            let plan = plan(&database, &sql).await;
            assert!(plan.contains("(epoch=? AND xid=? AND seq>?"), "{sql}\n{plan}");
        }
    }
}
