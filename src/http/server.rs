//! Takes connections in and lets them go: time limits from the first byte, and a shutdown that lets answers finish.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use axum::Router;
use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// How long the head of a request may take to come; an idle connection is closed after it too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 64 * 1024;
const STREAMS: u32 = 100;
/// After an error such as too many open files: trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A bound address that nobody is served at yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Where, also when the system chose the port.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `closing` is cancelled, then takes nobody in, lets answers finish for `grace` at most, and cuts off the rest.
    pub async fn serve(self, router: Router, closing: CancellationToken, grace: Duration) {
        let connections = TaskTracker::new();
        let cut_off = CancellationToken::new();
        while let Some(accepted) = closing.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection { peer, router: router.clone(), closing: closing.clone() };
                    let cut_off = cut_off.clone();
                    connections.spawn(async move {
                        let gauge = metrics::gauge!("postern_http_connections");
                        gauge.increment(1);
                        cut_off.run_until_cancelled(connection.serve(stream)).await;
                        gauge.decrement(1);
                    });
                }
                // The client was gone before it was taken in.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot take in connections");
                    closing.run_until_cancelled(sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
        drop(self.listener);
        connections.close();
        if timeout(grace, connections.wait()).await.is_err() {
            tracing::warn!(left = connections.len(), "answers did not finish in time");
            cut_off.cancel();
            connections.wait().await;
        }
    }
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    closing: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Self { peer, router, closing } = self;
        // Answers are small and written at once: waiting to fill a packet would only delay them.
        stream.set_nodelay(true).ok();
        let begun = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&begun);
        let service = router.map_request(move |request| {
            mark.store(true, Ordering::Relaxed);
            of_peer(request, peer)
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEAD_TIMEOUT)
            .max_concurrent_streams(STREAMS)
            // WebSockets over HTTP/2 (RFC 8441) come as CONNECT.
            .enable_connect_protocol();
        let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut served = std::pin::pin!(served);
        let (mut told, mut waited) = (false, false);
        // Telling the protocol's version from the first bytes has no time limit of its own, so the first request has one.
        let mut first = std::pin::pin!(sleep(HEAD_TIMEOUT));
        loop {
            tokio::select! {
                result = served.as_mut() => {
                    if let Err(error) = result {
                        tracing::trace!(error, "a connection ended badly");
                    }
                    return;
                }
                () = closing.cancelled(), if !told => {
                    told = true;
                    served.as_mut().graceful_shutdown();
                }
                () = first.as_mut(), if !waited => {
                    if !begun.load(Ordering::Relaxed) {
                        return;
                    }
                    waited = true;
                }
            }
        }
    }
}

fn of_peer<B>(request: axum::http::Request<B>, peer: SocketAddr) -> Request
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}
