//! The one place that starts the program: in a thread with a runtime of its own, so that it can also be ended from `drop`.

use std::{sync::Arc, thread::JoinHandle};

use postern::{app::App, clock::Clock, config::Config, entropy::Entropy};
use tokio::{runtime, sync::oneshot};

/// A started program: it ends when this is dropped.
pub struct Program {
    pub app: Arc<App>,
    /// As it runs: with the port that it found free.
    pub config: Config,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it on a free port; fails as the program would.
    pub async fn start(config: Config, clock: Clock, entropy: Entropy) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let running = Running::start(config, clock, entropy).await;
                let _ = tell.send((Arc::clone(&running.app), running.config.clone()));
                let _ = stopped.await;
                running.stop().await;
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

/// The program as `serve` puts it together.
struct Running {
    app: Arc<App>,
    config: Config,
}

impl Running {
    async fn start(config: Config, _clock: Clock, _entropy: Entropy) -> Self {
        panic!("App::start is not there yet: {}", config.http.listen)
    }

    async fn stop(self) {}
}
