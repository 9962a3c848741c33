//! A throwaway PostgreSQL that a test may restart.

use std::{
    fs,
    os::unix::fs::chown,
    path::PathBuf,
    process::{Command, Stdio},
};

use postern::{clock::Clock, entropy::Entropy};

/// A server that ends with the test.
pub struct PostgresProcess {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl PostgresProcess {
    /// Started; `None` where the environment names no PostgreSQL, or its programs are not on this machine.
    pub async fn start() -> Option<Self> {
        crate::support::postgres()?;
        let Some(bin) = bin() else {
            println!("left out: initdb is not installed");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("postern-postgres-{}", Entropy::system().uuid(Clock::system().now()).simple()));
        fs::create_dir_all(&folder).unwrap();
        if let Some((user, group)) = other_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let server = Self { bin, folder, port };
        tokio::task::spawn_blocking(move || {
            server.run("initdb", &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
            server.control(&["start"]);
            server
        })
        .await
        .ok()
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Breaks every connection, as a crash does, and starts it again.
    pub async fn restart(&self) {
        let server = Self { bin: self.bin.clone(), folder: self.folder.clone(), port: self.port };
        tokio::task::spawn_blocking(move || {
            server.control(&["restart", "-m", "immediate"]);
            std::mem::forget(server);
        })
        .await
        .unwrap();
    }

    fn control(&self, what: &[&str]) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=60 -c shared_buffers=32MB",
            self.port
        );
        let log = self.folder.join("log");
        self.run("pg_ctl", &[&["-w", "-t", "60", "-l", log.to_str().unwrap(), "-o", &options], what].concat());
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = if other_user().is_some() {
            let (user, group) = other_user().unwrap();
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups", "--"]);
            command.arg(self.bin.join(program));
            command
        } else {
            Command::new(self.bin.join(program))
        };
        command.arg("-D").arg(self.folder.join("data")).args(arguments).current_dir(&self.folder);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{program}: {status}");
    }
}

impl Drop for PostgresProcess {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where the programs of PostgreSQL are.
fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut found: Vec<PathBuf> = versions.chain(["/usr/bin".into(), "/usr/local/bin".into()]).collect();
    found.retain(|folder| folder.join("initdb").exists());
    found.pop()
}

/// PostgreSQL refuses to run as root: then whom it runs as.
fn other_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"])? != 0 {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}
