//! `postern migrate`: steps the schema up and down and checks it.

use std::io::{self, Write};

use crate::{
    clock::Clock,
    storage::{
        database::Database,
        migrate::{self, MigrateError, State, StepStatus},
    },
};

/// What to do with the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Apply every migration that has not run yet, all or none
    Up,
    /// Undo the newest migrations; what they hold is deleted
    Down {
        /// How many to undo
        #[arg(long, default_value_t = 1, value_name = "COUNT")]
        steps: usize,
    },
    /// List every migration and where it stands
    Status,
    /// Check that every migration ran unchanged and that all tables, indexes, views and triggers are there
    Verify,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The steps did not go through.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// `verify` found this many problems, and printed them.
    #[error("{0} problem(s)")]
    Problems(usize),
    /// Nobody reads what is printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Does it, and prints what was done, one line each.
pub async fn run(database: &Database, clock: &Clock, command: Command, out: &mut (dyn Write + Send)) -> Result<(), Failed> {
    match command {
        Command::Up => list("applied", "nothing to apply", &migrate::up(database, clock).await?, out)?,
        Command::Down { steps } => {
            list("undone", "nothing to undo", &migrate::down(database, clock, steps, "postern migrate down").await?, out)?;
        }
        Command::Status => {
            for step in migrate::status(database).await.map_err(MigrateError::from)? {
                writeln!(out, "{}", line(&step))?;
            }
        }
        Command::Verify => {
            let problems = migrate::verify(database).await.map_err(MigrateError::from)?;
            for problem in &problems {
                writeln!(out, "{problem}")?;
            }
            if !problems.is_empty() {
                return Err(Failed::Problems(problems.len()));
            }
            writeln!(out, "the schema is complete")?;
        }
    }
    Ok(())
}

fn list(done: &str, none: &str, names: &[String], out: &mut (dyn Write + Send)) -> io::Result<()> {
    if names.is_empty() {
        return writeln!(out, "{none}");
    }
    names.iter().try_for_each(|name| writeln!(out, "{done} {name}"))
}

/// `applied      0001_accounts  batch 1  2026-11-20T12:00:00.000Z  Accounts, …`
fn line(step: &StepStatus) -> String {
    let state = match step.state {
        State::Pending => "pending",
        State::Applied => "applied",
        State::Changed => "changed",
        State::Failed => "failed",
        State::RolledBack => "rolled back",
        State::Newer => "newer",
        State::Unknown => "unknown",
    };
    let mut line = format!("{state:<11}  {:<24}", step.name);
    if let (Some(batch), Some(at)) = (step.batch, step.at) {
        line = format!("{line}  batch {batch}  {at}");
    }
    line.push_str("  ");
    line.push_str(step.error.as_deref().filter(|_| step.state == State::Failed).unwrap_or(&step.description));
    line
}
