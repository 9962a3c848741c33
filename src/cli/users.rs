//! `postern users`: creates administrators.

use std::{
    io::{self, IsTerminal, Read},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{fail, say};
use crate::config::Config;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an administrator; the password is asked for on the terminal, or read from standard input
    CreateAdmin(CreateAdmin),
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
    let Command::CreateAdmin(arguments) = command;
    // On a thread of its own: a person may take their time.
    let password = match tokio::task::spawn_blocking(ask_password).await {
        Ok(Ok(password)) => password,
        Ok(Err(error)) => return fail(format_args!("no password: {error}")),
        Err(error) => return fail(format_args!("no password: {error}")),
    };
    match create(config, arguments.email, password).await {
        Ok(id) => {
            say(format_args!("made the administrator {id}"));
            ExitCode::SUCCESS
        }
        Err(why) => fail(why),
    }
}

/// Starts what the flow needs, runs it, and lets everything end.
#[expect(clippy::unused_async, reason = "the flow is asynchronous")]
async fn create(config: Config, email: String, password: Zeroizing<String>) -> Result<String, String> {
    // The seam to `flows::create_admin`.
    drop((config, email, password));
    Err("this build cannot make users".to_owned())
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
