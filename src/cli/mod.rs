//! The command line: one file per command.

pub mod audit;
pub mod config;
pub mod health;
pub mod make_picture;
pub mod migrate;
pub mod schema;
pub mod serve;
pub mod tokens;
pub mod users;

use std::{
    fmt::Display,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    clock::Clock,
    config::{Config, Sources},
    entropy::Entropy,
    storage::database::Database,
};

/// A GraphQL auth gateway: every account flow as queries, mutations and live subscriptions.
///
/// Without a command it serves. Settings come from a file and from POSTERN_… variables; `postern config reference` lists them all.
#[derive(Debug, Parser)]
#[command(name = "postern", version)]
pub struct Arguments {
    /// The file with the settings [default: $POSTERN_CONFIG, else ./postern.toml where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C
    Serve,
    /// Print the public schema as SDL
    Schema,
    /// Check, show and document the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Bring the database's schema up, undo steps, and check it
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Take the audit log out
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make administrators, import accounts
    #[command(subcommand)]
    Users(users::Command),
    /// Make, list and revoke the tokens of listeners and back ends
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Ask the gateway of these settings how it is; exits with 0 where it is ready
    Health,
    /// Make the picture of a file, for the gateway
    #[command(hide = true, name = crate::outbound::picture_maker::COMMAND)]
    MakePicture,
}

/// Does what the arguments say.
pub async fn run(arguments: Arguments) -> ExitCode {
    let sources = Sources::of_process(arguments.config);
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => Box::pin(with_settings(&sources, serve::run)).await,
        Command::Schema => schema::run(),
        Command::Config(command) => config::run(&command, &sources),
        Command::Migrate(command) => with_settings(&sources, |config| migrate_schema(command, config)).await,
        Command::Audit(command) => with_settings(&sources, |config| read_audit(command, config)).await,
        Command::Users(command) => Box::pin(with_settings(&sources, |config| users::run(command, config))).await,
        Command::Tokens(command) => Box::pin(with_settings(&sources, |config| tokens::run(command, config))).await,
        Command::Health => with_settings(&sources, health::run).await,
        Command::MakePicture => make_picture::run(),
    }
}

async fn migrate_schema(command: migrate::Command, config: Config) -> ExitCode {
    with_database(config, async |database| migrate::run(database, &Clock::system(), command, &mut io::stdout()).await).await
}

async fn read_audit(command: audit::Command, config: Config) -> ExitCode {
    with_database(config, async |database| audit::run(database, Clock::system().now(), command, &mut io::stdout()).await).await
}

/// Runs what needs the database and nothing else.
async fn with_database<E: Display>(mut config: Config, work: impl AsyncFnOnce(&Database) -> Result<(), E>) -> ExitCode {
    if let Err(problem) = config.prepare(&Entropy::system()) {
        return fail(problem);
    }
    let database = match Database::connect(&config.database.url, config.database.max_connections).await {
        Ok(database) => database,
        Err(error) => return fail(format_args!("database: {error}")),
    };
    let done = work(&database).await;
    database.close().await;
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

async fn with_settings<F, Fut>(sources: &Sources, command: F) -> ExitCode
where
    F: FnOnce(Config) -> Fut,
    Fut: Future<Output = ExitCode>,
{
    match Config::read(sources).into_config() {
        Ok(config) => command(config).await,
        Err(problems) => fail_with(problems),
    }
}

/// Prints a line for whoever called. A reader that went away is no fault of ours.
pub fn say(line: impl Display) {
    writeln!(io::stdout().lock(), "{line}").ok();
}

/// Says something on standard error, beside what the command prints for a program to read.
pub fn note(line: impl Display) {
    writeln!(io::stderr().lock(), "postern: {line}").ok();
}

/// Says on standard error why it did not work.
pub fn fail(why: impl Display) -> ExitCode {
    fail_with([why])
}

fn fail_with(lines: impl IntoIterator<Item = impl Display>) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for line in lines {
        writeln!(stderr, "postern: {line}").ok();
    }
    ExitCode::FAILURE
}
