//! `postern health`: asks a running gateway how it is.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{fail, say};
use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(5);
/// The answer is a line of JSON; whatever is longer is not from a gateway.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Asks `/readyz` where the settings say that the gateway listens.
pub async fn run(config: Config) -> ExitCode {
    let address = reachable(config.http.listen);
    match timeout(PATIENCE, ask(address)).await {
        Ok(Ok((200, body))) => {
            say(body.trim());
            ExitCode::SUCCESS
        }
        Ok(Ok((status, body))) => fail(format_args!("not ready ({status}): {}", body.trim())),
        Ok(Err(error)) => fail(format_args!("no answer from {address}: {error}")),
        Err(_) => fail(format_args!("no answer from {address} within 5 seconds")),
    }
}

/// Who listens everywhere is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// One GET by HTTP/1.1; status and body.
async fn ask(address: SocketAddr) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer).await?;
    parse(&answer).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        assert_eq!(parse("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), Some((200, "{}".to_owned())));
        assert_eq!(parse("HTTP/1.1 503 Service Unavailable\r\n\r\n"), Some((503, String::new())));
        for wrong in ["", "\r\n\r\n", "HTTP/1.1 OK\r\n\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn everywhere_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:4000".parse().unwrap()), "127.0.0.1:4000".parse().unwrap());
        assert_eq!(reachable("[::]:4000".parse().unwrap()), "[::1]:4000".parse().unwrap());
        assert_eq!(reachable("10.1.2.3:80".parse().unwrap()), "10.1.2.3:80".parse().unwrap());
    }
}
