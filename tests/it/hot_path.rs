//! What a signed-in request on a warm session costs: neither the database nor Redis is asked.

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use url::Url;

use super::support::Gateway;

const REQUESTS: usize = 100;
/// The courier and others look after their work now and then; it is enough that one round meets none of them.
const ROUNDS: usize = 4;

#[tokio::test]
async fn a_warm_session_asks_nobody() {
    let gateway = Gateway::start().await;
    let member = gateway.app_user().becomes_member("ann@example.com").await;
    member.me().await;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let redis = match gateway.config.redis.urls.first() {
            Some(url) => Some(Watch::begin(url).await),
            None => None,
        };
        let before = gateway.app().database.statements();
        for _ in 0..REQUESTS {
            let me = member.graphql("{ me { id email } }", json!({})).await.expect_field();
            assert_eq!(me["email"], "ann@example.com");
        }
        let statements = gateway.app().database.statements() - before;
        let commands = match redis {
            Some(watch) => watch.end().await,
            None => Vec::new(),
        };
        if statements == 0 && commands.is_empty() {
            return;
        }
        seen.push((statements, commands));
    }
    panic!("{REQUESTS} requests asked the database or Redis each time: {seen:?}");
}

/// Sees every command that reaches one numbered database of a Redis.
struct Watch {
    monitor: BufReader<TcpStream>,
    server: Url,
}

/// Sent at the beginning and at the end: what is seen in between is what there was.
const MARK: &str = "hot-path-mark";

impl Watch {
    async fn begin(url: &str) -> Self {
        let server = Url::parse(url).unwrap();
        let mut watch = Self { monitor: BufReader::new(connect(&server).await), server };
        watch.monitor.get_mut().write_all(b"MONITOR\r\n").await.unwrap();
        assert_eq!(watch.line().await.trim(), "+OK");
        watch.until_mark().await;
        watch
    }

    async fn end(mut self) -> Vec<String> {
        let database = format!(" [{} ", self.server.path().trim_start_matches('/'));
        let mut commands = self.until_mark().await;
        commands.retain(|command| command.contains(&database));
        commands
    }

    async fn until_mark(&mut self) -> Vec<String> {
        let mark = format!("{MARK}-{}", self.server.path());
        connect(&self.server).await.write_all(format!("ECHO {mark}\r\n").as_bytes()).await.unwrap();
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if line.contains(&format!("\"{mark}\"")) {
                return lines;
            }
            lines.push(line);
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.monitor.read_line(&mut line).await.unwrap() > 0, "Redis went away");
        line
    }
}

async fn connect(server: &Url) -> TcpStream {
    TcpStream::connect((server.host_str().unwrap(), server.port().unwrap_or(6379))).await.unwrap()
}
