//! The one place that starts the program: in a thread with a runtime of its own, so that it can also be ended from `drop`.

use std::{sync::Arc, thread, time::Duration};

use postern::{
    app::App,
    clock::Clock,
    config::Config,
    entropy::Entropy,
    http::{assemble::assemble, server::Server},
    supervise::Supervisor,
    telemetry::Metrics,
};
use tokio::{runtime, sync::oneshot, task::JoinHandle};

/// How long connections and tasks may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// A started program: it ends when this is dropped.
pub struct Program {
    pub app: Arc<App>,
    /// As it runs: with the port that it found free.
    pub config: Config,
    /// Where it runs.
    pub runtime: runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Program {
    /// Starts it on a free port; fails as the program would.
    pub async fn start(config: Config, clock: Clock, entropy: Entropy) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let running = Box::pin(Running::start(config, clock, entropy)).await;
                let _ = tell.send((Arc::clone(&running.app), running.config.clone(), runtime::Handle::current()));
                let _ = stopped.await;
                running.stop().await;
            });
            runtime.shutdown_background();
        });
        let (app, config, runtime) = told.await.expect("the gateway starts; what it says is above");
        Self { app, config, runtime, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
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
    supervisor: Supervisor,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start(mut config: Config, clock: Clock, entropy: Entropy) -> Self {
        let supervisor = Supervisor::new();
        let server = Server::bind(config.http.listen).await.unwrap();
        config.listening_on(server.address().unwrap());
        let app = App::start(config.clone(), clock, entropy, &supervisor).await.unwrap_or_else(|error| panic!("{error}"));
        let routes = assemble(&app, Metrics::install(), supervisor.closing().clone()).unwrap_or_else(|error| panic!("{error}"));
        let serving = tokio::spawn(server.serve(routes, supervisor.closing().clone(), GRACE));
        Self { app, config, supervisor, serving }
    }

    async fn stop(self) {
        let ((), served) = tokio::join!(self.supervisor.close_connections(GRACE), self.serving);
        let left = self.supervisor.stop_tasks(GRACE).await;
        served.expect("the server ends well");
        assert!(left.is_empty(), "aborted: {left:?}");
    }
}
