//! The real program as a process of its own, which a test may kill. It lives by the clock on the wall.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
};

use super::{
    actors::{Delivery, Visitor},
    gateway::Door,
    place::Place,
};

pub struct Process {
    child: Child,
    door: Arc<Door>,
    /// The address of its database.
    pub database_url: String,
}

impl Process {
    /// Started on a database of its own, without leaky buckets.
    pub async fn start() -> Self {
        Self::start_in(Arc::new(Place::create().await)).await
    }

    /// Started again on the same data, after it ended.
    pub async fn restart(mut self) -> Self {
        self.kill();
        Self::start_in(Arc::clone(&self.door.place)).await
    }

    async fn start_in(place: Arc<Place>) -> Self {
        let config = place.config();
        let redis = config.redis.urls.join(",");
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.envs([
            ("POSTERN_DATA_DIR", place.folder.to_str().unwrap()),
            ("POSTERN_HTTP__LISTEN", "127.0.0.1:0"),
            ("POSTERN_HTTP__TRUSTED_PROXIES", "127.0.0.1/32"),
            ("POSTERN_DATABASE__URL", &config.database.url),
            ("POSTERN_RATE_LIMITS__ENABLED", "false"),
            ("POSTERN_PASSWORDS__MEMORY_KIB", "8"),
            ("POSTERN_PASSWORDS__PASSES", "1"),
        ]);
        if !redis.is_empty() {
            command.env("POSTERN_REDIS__URL", redis);
        }
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::task::spawn_blocking(move || {
            let first = said.next();
            // Read on, or the program would wait for a reader.
            std::thread::spawn(move || said.for_each(drop));
            first
        });
        let first = first.await.unwrap().expect("it says where it listens").unwrap();
        let port: u16 = first.rsplit(':').next().and_then(|port| port.trim().parse().ok()).unwrap_or_else(|| panic!("{first}"));
        let door = Door {
            place,
            origin: format!("http://localhost:{port}"),
            address: format!("127.0.0.1:{port}"),
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        };
        Self { child, door: Arc::new(door), database_url: config.database.url }
    }

    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// Somebody with a native app.
    pub fn app_user(&self) -> Visitor {
        Visitor::new(Arc::clone(&self.door), Delivery::Body)
    }

    /// The same person, at this process.
    pub fn welcome(&self, visitor: &Visitor) -> Visitor {
        visitor.through(&self.door)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; how it ended.
    pub async fn terminate(mut self) -> ExitStatus {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
