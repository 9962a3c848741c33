//! Makes pictures in a process of their own: this program again (`postern make-picture`), without its settings, bounded in memory and time.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncReadExt, process::Command};

/// The word of the command line that makes one.
pub const COMMAND: &str = "make-picture";

/// From its start to its end, on a machine that is busy; what it may compute is bounded besides, and it ends with the request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// More is no answer.
const LONGEST_ANSWER: u64 = 4 * 1024 * 1024;

/// The system counts memory that may be written as taken, so the allocator asks for no more of it than is used; and one thread does all.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("MIMALLOC_ARENA_EAGER_COMMIT", "0"),
    ("MIMALLOC_PAGE_COMMIT_ON_DEMAND", "1"),
    ("MIMALLOC_PURGE_DELAY", "0"),
    ("RAYON_NUM_THREADS", "1"),
    ("RUST_MIN_STACK", "262144"),
];

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// What the process said.
    Answer(Vec<u8>),
    /// It needed more memory or time than it has, or broke on the file.
    TooMuch,
}

/// Starts the processes.
#[derive(Clone, Debug)]
pub struct PictureMaker {
    program: PathBuf,
}

impl PictureMaker {
    /// By this program.
    #[must_use]
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// Makes a picture of a file, which is read from where it stands.
    pub async fn make(&self, file: File) -> io::Result<Made> {
        let mut command = Command::new(&self.program);
        // It shall know no secret of its parent's environment.
        command.arg(COMMAND).env_clear().envs(ENVIRONMENT);
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let Some(said) = child.stdout.take() else { return Err(io::Error::other("a process without output")) };
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(TIMEOUT, async {
            said.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
            child.wait().await
        });
        if let Ok(status) = ended.await {
            return Ok(if status?.success() { Made::Answer(answer) } else { Made::TooMuch });
        }
        child.kill().await?;
        Ok(Made::TooMuch)
    }
}
