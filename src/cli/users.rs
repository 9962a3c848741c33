//! `postern users`: creates administrators, imports accounts.

mod import;

use std::{
    io::{self, IsTerminal, Read},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{fail, say};
use crate::{
    app::App,
    clock::Clock,
    config::Config,
    domain::password::PasswordRefusal,
    entropy::Entropy,
    flows::{
        create_admin::{self, Input, Refusal},
        failure::Failure,
    },
    supervise::Supervisor,
};

/// How long what was begun may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an administrator; the password is asked for on the terminal, or read from standard input
    CreateAdmin(CreateAdmin),
    /// Take accounts over from another program, with their password hashes (bcrypt, scrypt, PBKDF2, Argon2, SHA-crypt, Django's, PHP's, Firebase's)
    Import(import::Import),
}

/// Who becomes an administrator.
#[derive(Debug, Args)]
pub struct CreateAdmin {
    /// The e-mail address, which counts as verified
    #[arg(long)]
    pub email: String,
}

/// A password is 128 code points at most by default; more than this is a file given by mistake.
const LONGEST_INPUT: u64 = 64 * 1024;

/// Does it.
pub async fn run(command: Command, config: Config) -> ExitCode {
    match command {
        Command::CreateAdmin(arguments) => Box::pin(create_admin(arguments, config)).await,
        Command::Import(arguments) => Box::pin(import::run(arguments, config)).await,
    }
}

async fn create_admin(arguments: CreateAdmin, config: Config) -> ExitCode {
    // On a thread of its own: a person may take their time.
    let password = match tokio::task::spawn_blocking(ask_password).await {
        Ok(Ok(password)) => password,
        Ok(Err(error)) => return fail(format_args!("no password: {error}")),
        Err(error) => return fail(format_args!("no password: {error}")),
    };
    match Box::pin(with_app(config, async move |app| create(app, arguments.email, password).await)).await {
        Ok(id) => {
            say(format_args!("made the administrator {id}"));
            ExitCode::SUCCESS
        }
        Err(why) => fail(why),
    }
}

/// Starts what a flow needs, runs it, and lets everything end.
pub(super) async fn with_app<T>(mut config: Config, work: impl AsyncFnOnce(&App) -> Result<T, String>) -> Result<T, String> {
    config.prepare(&Entropy::system()).map_err(|problem| problem.to_string())?;
    let supervisor = Supervisor::new();
    let app = App::start(config, Clock::system(), Entropy::system(), &supervisor).await.map_err(|error| error.to_string())?;
    let done = work(&app).await;
    supervisor.stop_tasks(GRACE).await;
    done
}

async fn create(app: &App, email: String, password: Zeroizing<String>) -> Result<String, String> {
    let made = create_admin::run(app, Input { email, password: password.to_string() }).await;
    made.map(|id| id.to_string()).map_err(|failure| match failure {
        Failure::Refused(refusal) => match refusal {
            Refusal::EmailInvalid => "this is not an e-mail address".to_owned(),
            Refusal::EmailTaken => "this address has an account".to_owned(),
            Refusal::Password(PasswordRefusal::TooShort) => "the password is too short".to_owned(),
            Refusal::Password(PasswordRefusal::TooLong) => "the password is too long".to_owned(),
            Refusal::Weak(_) => "the password is too easy to guess".to_owned(),
        },
        Failure::RateLimited { .. } | Failure::Overloaded { .. } => "too busy, or the database does not answer".to_owned(),
        Failure::Unauthenticated(_) | Failure::Forbidden => "not allowed".to_owned(),
        Failure::Fault(fault) => fault.to_string(),
    })
}

fn ask_password() -> io::Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return read_password(io::stdin().lock());
    }
    let password = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if password == again { Ok(password) } else { Err(io::Error::other("the two are not the same")) }
}

/// All of the input but the line break at its end: a password may begin and end with blanks.
fn read_password(input: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    input.take(LONGEST_INPUT).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match line {
        "" => Err(io::Error::other("standard input is empty")),
        line if line.contains('\n') => Err(io::Error::other("standard input has more than one line")),
        line => Ok(Zeroizing::new(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_the_password() {
        for (input, password) in [("secret", "secret"), ("secret\n", "secret"), ("secret\r\n", "secret"), (" a b \n", " a b ")] {
            assert_eq!(read_password(input.as_bytes()).unwrap().as_str(), password, "{input:?}");
        }
        for wrong in [&b""[..], b"\n", b"two\nlines\n", b"\xff\xfe"] {
            assert!(read_password(wrong).is_err(), "{wrong:?}");
        }
    }
}
