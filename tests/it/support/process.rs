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

/// The name of a variable, and its value.
pub type Setting<'a> = (&'static str, &'a str);

pub struct Process {
    child: Child,
    door: Arc<Door>,
    settings: Vec<(&'static str, String)>,
    /// The address of its database.
    pub database_url: String,
}

impl Process {
    /// Started on a database of its own, without leaky buckets.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings of its own.
    pub async fn start_with(settings: &[Setting<'_>]) -> Self {
        Self::start_in(Arc::new(Place::create().await), settings).await
    }

    /// The same in production, with these settings besides what production asks for; nobody reads its mail.
    pub async fn start_production(settings: &[Setting<'_>]) -> Self {
        let place = Arc::new(Place::create().await);
        let production = [
            ("POSTERN_MODE", "production"),
            ("POSTERN_SECRET", "a secret of the tests that is long enough"),
            ("POSTERN_MAIL__URL", "smtp://127.0.0.1:9"),
            ("POSTERN_MAIL__FROM", "no-reply@postern.test"),
            // As it is by itself.
            ("POSTERN_RATE_LIMITS__ENABLED", ""),
            ("POSTERN_PASSWORDS__MEMORY_KIB", ""),
            ("POSTERN_PASSWORDS__PASSES", ""),
        ];
        let settings = [&production, settings].concat();
        let migrated = command(&place, &settings).args(["migrate", "up"]).stdout(Stdio::null()).status().unwrap();
        assert!(migrated.success());
        Self::start_in(place, &settings).await
    }

    /// Started again on the same data, after it ended.
    pub async fn restart(mut self) -> Self {
        self.kill();
        let settings = std::mem::take(&mut self.settings);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::start_in(Arc::clone(&self.door.place), &settings).await
    }

    async fn start_in(place: Arc<Place>, settings: &[Setting<'_>]) -> Self {
        let database_url = place.config().database.url;
        let mut child = command(&place, settings).spawn().unwrap();
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
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { child, door: Arc::new(door), settings, database_url }
    }

    /// What another command of the program says, with the settings of this one.
    pub async fn command_line(&self, arguments: &[&str]) -> std::process::Output {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut command = command(&self.door.place, &settings);
        command.args(arguments).stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.child.id()
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

/// The program on a place, with settings that come last.
fn command(place: &Place, settings: &[Setting<'_>]) -> Command {
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
        ("POSTERN_PASSWORDS__IMPORTED_FLOOR", "0s"),
    ]);
    if !redis.is_empty() {
        command.env("POSTERN_REDIS__URL", redis);
    }
    command.envs(settings.iter().copied());
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
