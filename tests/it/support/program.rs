//! The one place that starts the program: in a thread with a runtime of its own, so that it can also be ended from `drop`.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle};

use postern::{app::App, clock::Clock, config::Config, entropy::Entropy};
use tokio::{net::TcpListener, runtime, sync::oneshot};

/// A started program: it ends when this is dropped.
pub struct Program {
    pub app: Arc<App>,
    /// As it runs: with the port that it found free.
    pub config: Config,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it on a free port, which `config` learns; fails as the program would.
    pub async fn start(mut config: Config, clock: Clock, entropy: Entropy) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                config.listening_on(listener.local_addr().unwrap());
                let app = parts::start(config.clone(), clock, entropy).await;
                let router = parts::router(Arc::clone(&app)).into_make_service_with_connect_info::<SocketAddr>();
                let server = tokio::spawn(async move { axum::serve(listener, router).await });
                let _ = tell.send((Arc::clone(&app), config));
                let _ = stopped.await;
                server.abort();
                parts::stop(&app).await;
            });
            runtime.shutdown_background();
        });
        let (app, config) = told.await.expect("the gateway starts; what it says is above");
        Self { app, config, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || !matches!(ended, Some(Err(_))), "the gateway panicked while it ended");
    }
}

/// Runs `work` to its end from where nothing can be awaited.
pub fn finish<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let thread = std::thread::spawn(|| runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work));
    thread.join().ok()
}

/// What the program offers to start and stop it.
mod parts {
    use std::sync::Arc;

    use postern::{app::App, clock::Clock, config::Config, entropy::Entropy};

    pub async fn start(_config: Config, _clock: Clock, _entropy: Entropy) -> Arc<App> {
        panic!("App::start is not there yet")
    }

    pub fn router(_app: Arc<App>) -> axum::Router {
        panic!("http::router::router is not there yet")
    }

    pub async fn stop(_app: &App) {}
}
