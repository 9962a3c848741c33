//! `postern tokens`: makes, lists and revokes the tokens of listeners and back ends.

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use entity::{Timestamp, machine_tokens::Model};

use super::{fail, note, say, users::with_app};
use crate::{
    app::App,
    config::Config,
    domain::machine_scope::MachineScope,
    flows::{
        create_machine_token::{self, Input},
        failure::Failure,
        list_machine_tokens::{self, State},
        revoke_machine_token,
    },
};

/// What to do with machine tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token and print it, this once
    Create(Create),
    /// List the tokens: what they open, when they were last used, whether they still hold
    List,
    /// Revoke a token: it is refused, and its sockets are closed, on every instance within a second
    Revoke(Revoke),
}

/// A token to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// What it is for, as the list shows it
    #[arg(long)]
    pub name: String,
    /// What it opens: events:read, users:read or coins:write; may be given several times
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    pub scopes: Vec<MachineScope>,
    /// After how long it ends by itself, for example 90d [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub expires: Option<Duration>,
}

/// A token to be revoked.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Its id, as the list shows it
    pub id: String,
}

/// Does it.
pub async fn run(command: Command, config: Config) -> ExitCode {
    let done = match command {
        Command::Create(arguments) => Box::pin(with_app(config, async move |app| create(app, arguments).await)).await,
        Command::List => Box::pin(with_app(config, async move |app| list(app).await)).await,
        Command::Revoke(arguments) => Box::pin(with_app(config, async move |app| revoke(app, &arguments.id).await)).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}

/// The token goes to standard output and nothing else does, so that a script can take it from there.
async fn create(app: &App, arguments: Create) -> Result<(), String> {
    let input = Input { name: arguments.name, scopes: arguments.scopes, expires_in: arguments.expires };
    let made = create_machine_token::run(app, input).await.map_err(|failure| {
        explain(failure, |refusal| match refusal {
            create_machine_token::Refusal::NameInvalid => "the name must have 1 to 100 characters, and no control characters",
            create_machine_token::Refusal::NoScope => "at least one scope is needed",
            create_machine_token::Refusal::ExpiresAtOnce => "it would be over at once",
            create_machine_token::Refusal::HoldsTooLong => "a hundred years at most; without --expires it holds until it is revoked",
        })
    })?;
    let until = made.expires_at.map_or_else(|| "it holds until it is revoked".to_owned(), |at| format!("it holds until {at}"));
    note(format_args!("made the token {}; {until}. It is shown this once:", made.id));
    say(made.token.as_str());
    Ok(())
}

async fn list(app: &App) -> Result<(), String> {
    let tokens = list_machine_tokens::run(app).await.map_err(|error| error.to_string())?;
    let heading = ["ID", "STATE", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "NAME"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(heading).chain(tokens.iter().map(|(row, state)| columns(row, *state))).collect();
    let widths: [usize; 7] = std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default());
    for row in &rows {
        let line: Vec<String> = row.iter().zip(widths).map(|(text, width)| format!("{text:width$}")).collect();
        say(line.join("  ").trim_end());
    }
    Ok(())
}

fn columns(row: &Model, state: State) -> [String; 7] {
    let at = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let state = match state {
        State::Active => "active",
        State::Expired => "expired",
        State::Revoked => "revoked",
    };
    [
        row.id.to_string(),
        state.to_owned(),
        row.scopes.replace(' ', ","),
        row.created_at.to_string(),
        at(row.last_used_at),
        at(row.expires_at),
        row.name.clone(),
    ]
}

async fn revoke(app: &App, id: &str) -> Result<(), String> {
    let done = revoke_machine_token::run(app, id).await.map_err(|failure| {
        explain(failure, |refusal| match refusal {
            revoke_machine_token::Refusal::NotFound => "no token has this id; `postern tokens list` shows them",
        })
    })?;
    match done {
        revoke_machine_token::Outcome::Revoked(row) => say(format_args!("revoked the token {} ({})", row.id, row.name)),
        revoke_machine_token::Outcome::RevokedBefore(row) => say(format_args!("the token {} ({}) was revoked before", row.id, row.name)),
    }
    Ok(())
}

fn explain<R>(failure: Failure<R>, words: impl FnOnce(R) -> &'static str) -> String {
    match failure {
        Failure::Refused(refusal) => words(refusal).to_owned(),
        Failure::RateLimited { .. } | Failure::Overloaded { .. } => "too busy, or the database does not answer".to_owned(),
        Failure::Unauthenticated(_) | Failure::Forbidden => "not allowed".to_owned(),
        Failure::Fault(fault) => fault.to_string(),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::duration(text).ok_or_else(|| "it is not a duration like 12h or 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(duration("12h"), Ok(Duration::from_hours(12)));
        assert!(duration("90").is_err() && duration("soon").is_err() && duration("-1d").is_err());
    }
}
