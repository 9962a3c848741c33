//! `postern audit`: takes the audit log out, row by row.

use std::io::{self, BufWriter, Write};

use clap::{Args, Subcommand};
use entity::Timestamp;
use time::{Date, OffsetDateTime, Time, format_description::well_known::Rfc3339, macros::format_description};
use uuid::Uuid;

use crate::{
    flows::audit_record,
    storage::{
        audit_search::{self, Filter, Place, Window},
        database::Database,
        error::StorageError,
    },
};

/// What to do with the audit log.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print it as JSON Lines, the oldest row first; docs/audit.md lists the fields
    Export(Export),
}

/// Which rows.
#[derive(Clone, Debug, Args)]
pub struct Export {
    /// Rows of this moment or later: 2026-11-20T12:00:00Z, or a day, which begins in UTC
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Rows before this moment [default: now]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Rows about this user alone
    #[arg(long, value_name = "ID")]
    pub user: Option<Uuid>,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error("database: {0}")]
    Storage(#[from] StorageError),
    /// Nobody reads what is printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Rows that are in memory at once.
const BATCH: u64 = 500;

/// Does it.
pub async fn run(database: &Database, now: Timestamp, command: Command, out: &mut (dyn Write + Send)) -> Result<(), Failed> {
    let Command::Export(Export { since, until, user }) = command;
    let filter = Filter { user_id: user, since, until: until.or(Some(now)), ..Filter::default() };
    let mut out = BufWriter::new(out);
    let mut before: Option<Place> = None;
    loop {
        let window = Window { after: None, before, from_end: true, limit: BATCH };
        let rows = audit_search::list(database.read(), &filter, window).await?;
        for row in &rows {
            writeln!(out, "{}", audit_record::run(row))?;
        }
        before = rows.last().map(Place::of);
        if (rows.len() as u64) < BATCH {
            return Ok(out.flush()?);
        }
    }
}

/// An instant of RFC 3339, or a day.
fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || Date::parse(text, format_description!("[year]-[month]-[day]")).map(|day| day.with_time(Time::MIDNIGHT).assume_utc());
    let instant = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| day());
    instant.map(Timestamp::from).map_err(|_| "an instant such as 2026-11-20T12:00:00Z or a day such as 2026-11-20 is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_instants_or_days() {
        assert_eq!(moment("2026-11-20").unwrap().to_string(), "2026-11-20T00:00:00.000Z");
        assert_eq!(moment("2026-11-20T12:00:00+07:00").unwrap().to_string(), "2026-11-20T05:00:00.000Z");
        assert!(moment("yesterday").is_err());
    }
}
