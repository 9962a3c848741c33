//! The program as a process of its own that a test may kill, and whose time the test sets: this binary of tests again, started for that alone.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use postern::{
    clock::{Clock, Timestamp},
    config::Config,
    entropy::Entropy,
};
use serde_json::{Value, json};

use super::{
    actors::{Delivery, Visitor},
    gateway::Door,
    place::Place,
    program::Program,
};

const VARIABLE: &str = "POSTERN_TEST_STEERED";
const MARK: &str = "steered: ";
const PATIENCE: Duration = Duration::from_secs(20);

/// A running process. It is killed when this is dropped.
pub struct Steered {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
    door: Arc<Door>,
}

impl Steered {
    /// Started on a place, at the time of the place's clock, without leaky buckets; its mail goes to a port of this machine.
    pub fn start(place: Arc<Place>, mail_port: u16) -> Self {
        let config = place.config();
        let settings = json!({
            "folder": place.folder, "database": config.database.url, "redis": config.redis.urls, "mailPort": mail_port,
            "now": place.clock.now().millis(),
        });
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "support::steered::an_instance_that_another_test_steers", "--nocapture"])
            .env(VARIABLE, settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines {
                // The harness may have begun the line with words of its own.
                if let Some((_, said)) = line.split_once(MARK) {
                    drop(sender.send(said.to_owned()));
                }
            }
        });
        let address = said.recv_timeout(PATIENCE).expect("it says where it listens");
        let door = Door {
            place,
            origin: format!("http://localhost:{}", address.rsplit(':').next().unwrap()),
            address,
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        };
        Self { child, orders, said, door: Arc::new(door) }
    }

    /// Somebody with a native app.
    pub fn app_user(&self) -> Visitor {
        Visitor::new(Arc::clone(&self.door), Delivery::Body)
    }

    /// Moves its time forward, and that of the place.
    pub fn advance(&mut self, duration: Duration) {
        self.door.place.clock.advance(duration);
        writeln!(self.orders, "{}", duration.as_millis()).unwrap();
        assert_eq!(self.said.recv_timeout(PATIENCE).as_deref(), Ok("advanced"));
    }

    /// SIGKILL, and started again on the same data when some time has passed.
    pub fn kill_and_restart(mut self, after: Duration, mail_port: u16) -> Self {
        self.kill();
        self.door.place.clock.advance(after);
        Self::start(Arc::clone(&self.door.place), mail_port)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Not a test: what the process does that a test has started. Where none has, it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how the process is told what it runs on is no setting of the program")]
async fn an_instance_that_another_test_steers() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let mut config = Config::for_tests(settings["folder"].as_str().unwrap().as_ref());
    settings["database"].as_str().unwrap().clone_into(&mut config.database.url);
    config.redis.urls = serde_json::from_value(settings["redis"].clone()).unwrap();
    config.redis.timeout = Duration::from_secs(3);
    config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    config.rate_limits.enabled = false;
    config.mail.url = Some(format!("smtp://127.0.0.1:{}", settings["mailPort"]).into());
    config.mail.from = Some("Postern <no-reply@postern.test>".to_owned());
    let clock = Clock::manual(Timestamp::from_millis(settings["now"].as_i64().unwrap()));
    let program = Program::start(config, clock.clone(), Entropy::system()).await;
    println!("{MARK}{}", program.config.http.listen);
    tokio::task::spawn_blocking(move || {
        for order in std::io::stdin().lines().map_while(Result::ok) {
            clock.advance(Duration::from_millis(order.parse().unwrap()));
            println!("{MARK}advanced");
        }
    })
    .await
    .unwrap();
    drop(program);
}
