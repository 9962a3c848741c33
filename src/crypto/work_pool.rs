//! Threads for work that takes a processor for long: a bounded queue, and memory that each thread keeps between jobs.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// A thread that has nothing to do for so long gives its memory back.
const IDLE_BEFORE_RELEASE: Duration = Duration::from_secs(10);
/// A caller waits this much longer than the queue allows before it stops believing in an answer.
const LONGEST_JOB: Duration = Duration::from_secs(2);

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub threads: usize,
    pub queue: usize,
    pub queue_wait: Duration,
}

/// The job was not done: the queue was full, or it waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// The pool. `S` is what a thread keeps between jobs. When it goes, its threads end after the job that they are at.
pub(super) struct WorkPool<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    limits: Limits,
    state: Mutex<State<S>>,
    work_came: Condvar,
}

struct State<S> {
    queue: VecDeque<Waiting<S>>,
    open: bool,
}

struct Waiting<S> {
    since: Instant,
    job: Box<dyn Job<S>>,
}

trait Job<S>: Send {
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool;
    fn run(self: Box<Self>, kept: &mut S);
}

struct Ask<T, F> {
    work: F,
    answer: oneshot::Sender<T>,
}

impl<S, T: Send, F: FnOnce(&mut S) -> T + Send> Job<S> for Ask<T, F> {
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(self: Box<Self>, kept: &mut S) {
        // Nobody may be waiting any more; then the result is dropped.
        let _ = self.answer.send((self.work)(kept));
    }
}

/// How much further back in the scheduler's queue these threads stand than those that answer requests.
const NICENESS: i32 = 5;

/// Lets the threads that answer requests go first: a hash takes some 15 ms of a core, most of what they do takes microseconds. Applies to the
/// calling thread alone.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the threads that hash passwords run at normal priority");
    }
}

impl<S: Default + 'static> WorkPool<S> {
    /// Starts the threads.
    pub fn start(limits: Limits) -> io::Result<Self> {
        let state = Mutex::new(State { queue: VecDeque::with_capacity(limits.queue), open: true });
        let pool = Self { shared: Arc::new(Shared { limits, state, work_came: Condvar::new() }) };
        for number in 0..limits.threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || {
                give_way();
                shared.work();
            })?;
        }
        Ok(pool)
    }

    /// Does `work` on one of the threads. Where the caller goes away first, work that has not begun is skipped.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut S) -> T + Send + 'static) -> Result<T, Refused> {
        let (answer, coming) = oneshot::channel();
        self.shared.enqueue(Box::new(Ask { work, answer }))?;
        match tokio::time::timeout(self.shared.limits.queue_wait + LONGEST_JOB, coming).await {
            Ok(Ok(done)) => Ok(done),
            // Popped too late, or it panicked.
            Ok(Err(_)) => Err(Refused),
            Err(_) => Err(refuse("stuck")),
        }
    }
}

impl<S: Default> Shared<S> {
    fn enqueue(&self, job: Box<dyn Job<S>>) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.queue.len() >= self.limits.queue {
            // Those whose callers have gone must not take the room of those who wait.
            state.queue.retain(|waiting| waiting.job.is_wanted());
        }
        if state.queue.len() >= self.limits.queue || !state.open {
            return Err(refuse("full"));
        }
        state.queue.push_back(Waiting { since: Instant::now(), job });
        record_depth(state.queue.len());
        drop(state);
        self.work_came.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut kept = S::default();
        while let Some(waiting) = self.next(&mut kept) {
            let waited = waiting.since.elapsed();
            metrics::histogram!("postern_password_queue_wait_seconds").record(waited.as_secs_f64());
            if !waiting.job.is_wanted() {
                continue;
            }
            if waited > self.limits.queue_wait {
                refuse("late");
                continue;
            }
            if catch_unwind(AssertUnwindSafe(|| waiting.job.run(&mut kept))).is_err() {
                tracing::error!("a job of the password threads panicked");
                kept = S::default();
            }
        }
    }

    /// Waits for the next job; `None` once the pool is gone.
    fn next(&self, kept: &mut S) -> Option<Waiting<S>> {
        let mut released = false;
        let mut state = self.lock();
        loop {
            if !state.open {
                return None;
            }
            if let Some(waiting) = state.queue.pop_front() {
                record_depth(state.queue.len());
                return Some(waiting);
            }
            if released {
                state = self.work_came.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (woken, timeout) = self.work_came.wait_timeout(state, IDLE_BEFORE_RELEASE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.queue.is_empty() {
                drop(state);
                *kept = S::default();
                released = true;
                state = self.lock();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Drop for WorkPool<S> {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).open = false;
        self.shared.work_came.notify_all();
    }
}

fn refuse(why: &'static str) -> Refused {
    metrics::counter!("postern_password_jobs_refused_total", "why" => why).increment(1);
    Refused
}

#[expect(clippy::cast_precision_loss, reason = "a queue is some hundred jobs long")]
fn record_depth(depth: usize) {
    metrics::gauge!("postern_password_queue_depth").set(depth as f64);
}
