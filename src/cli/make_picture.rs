//! `postern make-picture`: makes the picture of the file on standard input, for the gateway that started it. It bounds itself first: no header
//! tells what a file takes that was made to take much.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::fail;
use crate::domain::picture::{MOST_MEMORY, Picture, square};

/// Processor time. A photograph of a phone takes a tenth of it.
const SECONDS: u64 = 5;

/// Reads, makes, answers.
pub fn run() -> ExitCode {
    match bound().and_then(|()| answer()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("no picture: {error}")),
    }
}

/// Where the system does not count all memory as data, the limits of the decoders hold alone.
fn bound() -> io::Result<()> {
    for (resource, most) in [(Resource::Data, MOST_MEMORY), (Resource::Cpu, SECONDS), (Resource::Core, 0), (Resource::Fsize, 0)] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

fn answer() -> io::Result<()> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    let answer = Picture::into_answer(square(&bytes));
    io::stdout().lock().write_all(&answer)?;
    io::stdout().lock().flush()
}
