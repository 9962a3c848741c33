//! `postern users import`: takes accounts over from a file, looked at as a whole before anything is written.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    super::{fail, say},
    with_app,
};
use crate::{
    app::App,
    config::Config,
    flows::{
        failure::Failure,
        import_users::{self, BATCH, Finding, Line, Seen},
    },
};

/// What to import.
#[derive(Debug, Args)]
pub struct Import {
    /// JSON Lines, an account each: email, emailVerified, phone, phoneVerified, username, passwordHash, profile, metadata, status, createdAt, id
    pub file: PathBuf,
    /// Look at every line, say what is wrong, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leave out what is wrong instead of writing nothing at all
    #[arg(long)]
    pub skip_invalid: bool,
}

/// No line is longer: a profile and its metadata have some 20 KiB.
const LONGEST_LINE: u64 = 128 * 1024;

/// How many lines came to what.
#[derive(Default)]
struct Sums {
    new: u64,
    known: u64,
    wrong: u64,
}

/// Does it.
pub(super) async fn run(arguments: Import, config: Config) -> ExitCode {
    match Box::pin(with_app(config, async move |app| import(app, &arguments).await)).await {
        Ok((lines, true)) => {
            say(lines);
            ExitCode::SUCCESS
        }
        Ok((lines, false)) => fail(lines),
        Err(why) => fail(why),
    }
}

async fn import(app: &App, arguments: &Import) -> Result<(String, bool), String> {
    let mut sums = Sums::default();
    let mut seen = Seen::default();
    let mut lines = Lines::open(&arguments.file)?;
    while let Some(batch) = lines.next_batch()? {
        for (number, finding) in check(app, &batch, &mut seen).await? {
            match finding {
                Finding::New(_) => sums.new += 1,
                Finding::Known => sums.known += 1,
                Finding::Wrong(problems) => {
                    sums.wrong += 1;
                    tell(number, problems);
                }
            }
        }
    }
    let Sums { new, known, wrong } = sums;
    if arguments.dry_run {
        let sentence = format!("looked at it only: {new} new, {known} there already, {wrong} wrong");
        return Ok((sentence, wrong == 0));
    }
    if wrong > 0 && !arguments.skip_invalid {
        return Ok((format!("nothing was imported: {wrong} lines are wrong, {new} new, {known} there already"), false));
    }
    let written = write_all(app, &arguments.file).await?;
    let Sums { new, known, wrong } = written;
    Ok((format!("imported {new}, {known} there already, {wrong} left out"), wrong == 0))
}

/// The second time through the file.
async fn write_all(app: &App, file: &Path) -> Result<Sums, String> {
    let mut sums = Sums::default();
    let mut seen = Seen::default();
    let mut lines = Lines::open(file)?;
    while let Some(batch) = lines.next_batch()? {
        let mut accounts = Vec::new();
        for (_, finding) in check(app, &batch, &mut seen).await? {
            match finding {
                Finding::New(user) => accounts.push(*user),
                Finding::Known => sums.known += 1,
                Finding::Wrong(_) => sums.wrong += 1,
            }
        }
        let count = accounts.len() as u64;
        if write(app, accounts.clone()).await? {
            sums.new += count;
            continue;
        }
        // Somebody signed up meanwhile under one of these names: the others are taken one by one.
        for account in accounts {
            let id = account.id;
            if write(app, vec![account]).await? {
                sums.new += 1;
            } else {
                sums.wrong += 1;
                say(format_args!("account {id}: one of its names was taken meanwhile"));
            }
        }
    }
    Ok(sums)
}

async fn check(app: &App, batch: &[Line], seen: &mut Seen) -> Result<Vec<(u64, Finding)>, String> {
    import_users::check(app, batch, seen).await.map_err(|error| error.to_string())
}

async fn write(app: &App, accounts: Vec<entity::users::Model>) -> Result<bool, String> {
    import_users::write(app, accounts).await.map_err(|failure| match failure {
        Failure::Fault(fault) => fault.to_string(),
        _ => "the database does not answer".to_owned(),
    })
}

fn tell(number: u64, problems: Vec<import_users::Problem>) {
    for problem in problems {
        say(format_args!("line {number}: {problem}"));
    }
}

/// The lines of a file, without those that are blank.
struct Lines {
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, String> {
        let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        // It is read twice.
        match opened.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Self { reader: BufReader::new(opened), number: 0 }),
            _ => Err(format!("{} is not a file", file.display())),
        }
    }

    fn next_batch(&mut self) -> Result<Option<Vec<Line>>, String> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(line) = self.next().map_err(|error| format!("line {}: {error}", self.number))?
        {
            batch.push(line);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            self.number += 1;
            if self.reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            if bytes.len() as u64 > LONGEST_LINE {
                return Err(io::Error::other("this line is longer than 128 KiB"));
            }
            let text = String::from_utf8(bytes).map_err(|_| io::Error::other("this line is not UTF-8"))?;
            let text = text.trim_start_matches('\u{feff}').trim();
            if !text.is_empty() {
                return Ok(Some(Line { number: self.number, text: text.to_owned() }));
            }
        }
    }
}
