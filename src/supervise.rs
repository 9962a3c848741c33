//! Tasks that run beside the requests: started together, restarted when they fail, drained at shutdown.

use std::{
    any::Any,
    fmt::Display,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A task that ran this long counts as healthy again.
const RECOVERED_AFTER: Duration = Duration::from_mins(1);

/// Starts tasks, restarts them with growing pauses, and ends them in order. Clones share the same tasks.
///
/// Shutdown has two steps. `closing` tells those who talk to clients to say goodbye while everything they need still runs; only when they have
/// gone are the tasks told to stop.
#[derive(Clone, Debug, Default)]
pub struct Supervisor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    closing: CancellationToken,
    stop: CancellationToken,
    connections: TaskTracker,
    tasks: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl Supervisor {
    /// Without tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task until it ends well or the shutdown. `task` is called anew after each failure, an error or a panic; it should end soon once the token is cancelled, work that cannot wait (a
    /// message half sent) done. After the shutdown began nothing is started any more.
    pub fn spawn<F, Fut, E>(&self, name: &'static str, task: F)
    where
        F: Fn(CancellationToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let stop = self.0.stop.clone();
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock that the shutdown takes: no task slips in behind it.
        if !stop.is_cancelled() {
            tasks.push((name, tokio::spawn(keep_running(name, task, stop))));
        }
    }

    /// Cancelled when the shutdown begins: sockets and streams close then.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Where sockets and other long conversations are tracked, so that the shutdown waits for their goodbye.
    #[must_use]
    pub fn connections(&self) -> &TaskTracker {
        &self.0.connections
    }

    /// Begins the shutdown and waits, `grace` at most, until tracked connections have gone.
    pub async fn close_connections(&self, grace: Duration) {
        self.0.closing.cancel();
        self.0.connections.close();
        if tokio::time::timeout(grace, self.0.connections.wait()).await.is_err() {
            tracing::warn!(left = self.0.connections.len(), "connections did not close in time");
        }
    }

    /// Stops the tasks and waits for them; those that are not through after `grace` are aborted, and named.
    pub async fn stop_tasks(&self, grace: Duration) -> Vec<&'static str> {
        self.0.closing.cancel();
        let tasks = {
            let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.stop.cancel();
            std::mem::take(&mut *tasks)
        };
        let deadline = Instant::now() + grace;
        let mut aborted = Vec::new();
        for (name, mut handle) in tasks {
            if timeout_at(deadline, &mut handle).await.is_err() {
                handle.abort();
                tracing::warn!(task = name, "did not stop in time");
                aborted.push(name);
            }
        }
        aborted
    }
}

async fn keep_running<F, Fut, E>(name: &'static str, task: F, stop: CancellationToken)
where
    F: Fn(CancellationToken) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        metrics::gauge!("postern_task_running", "task" => name).set(1);
        let result = AssertUnwindSafe(async { task(stop.clone()).await }).catch_unwind().await;
        metrics::gauge!("postern_task_running", "task" => name).set(0);
        let (kind, error) = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => ("error", error.to_string()),
            Err(panic) => ("panic", said(panic.as_ref()).to_owned()),
        };
        metrics::counter!("postern_task_failures_total", "task" => name, "kind" => kind).increment(1);
        if stop.is_cancelled() {
            tracing::warn!(task = name, kind, error, "failed while stopping");
            return;
        }
        if started.elapsed() >= RECOVERED_AFTER {
            pause = FIRST_PAUSE;
        }
        tracing::error!(task = name, kind, error, again_in = ?pause, "failed");
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn failing_tasks_come_back_and_good_ends_stay() {
        let supervisor = Supervisor::new();
        let (runs, (done, ended)) = (AtomicU32::new(0), oneshot::channel());
        let done = Mutex::new(Some(done));
        supervisor.spawn("stumbles", move |_| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            assert!(run != 0, "panics before it is even made");
            let done = if run == 3 { done.lock().unwrap().take() } else { None };
            async move {
                match run {
                    1 => return Err("no luck"),
                    2 => panic!("worse"),
                    3 => done.unwrap().send(()).unwrap(),
                    _ => unreachable!("it ended well"),
                }
                Ok(())
            }
        });
        ended.await.unwrap();
        assert!(supervisor.stop_tasks(LONG).await.is_empty());
    }

    #[tokio::test]
    async fn shutdown_drains_names_the_stubborn_and_starts_nothing_more() {
        let supervisor = Supervisor::new();
        let drained = Arc::new(AtomicBool::new(false));
        let (begin, running) = oneshot::channel();
        let begin = Mutex::new(Some(begin));
        supervisor.spawn("stubborn", |_| async {
            std::future::pending::<()>().await;
            Ok::<_, String>(())
        });
        let tidy = Arc::clone(&drained);
        supervisor.spawn("tidy", move |stop| {
            let (begin, tidy) = (begin.lock().unwrap().take(), Arc::clone(&tidy));
            async move {
                begin.unwrap().send(()).unwrap();
                stop.cancelled().await;
                tokio::task::yield_now().await;
                tidy.store(true, Ordering::SeqCst);
                Ok::<_, String>(())
            }
        });
        running.await.unwrap();
        assert_eq!(supervisor.stop_tasks(Duration::from_millis(300)).await, ["stubborn"]);
        assert!(drained.load(Ordering::SeqCst));

        let late = Arc::new(AtomicBool::new(false));
        let ran = Arc::clone(&late);
        supervisor.spawn("late", move |_| {
            ran.store(true, Ordering::SeqCst);
            std::future::ready(Ok::<_, String>(()))
        });
        assert!(supervisor.stop_tasks(LONG).await.is_empty());
        assert!(!late.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn connections_are_waited_for_before_tasks_stop() {
        let supervisor = Supervisor::new();
        let (closing, stop) = (supervisor.closing().clone(), supervisor.0.stop.clone());
        let goodbye = tokio::spawn(supervisor.connections().track_future(async move {
            closing.cancelled().await;
            tokio::task::yield_now().await;
            stop.is_cancelled()
        }));
        supervisor.close_connections(LONG).await;
        assert!(goodbye.is_finished());
        assert!(!goodbye.await.unwrap(), "tasks must still run while connections close");
    }

    #[tokio::test]
    async fn connections_that_do_not_go_hold_nothing_up() {
        let supervisor = Supervisor::new();
        let stays = tokio::spawn(supervisor.connections().track_future(std::future::pending::<()>()));
        supervisor.close_connections(Duration::from_millis(10)).await;
        assert!(!stays.is_finished());
        stays.abort();
    }
}
