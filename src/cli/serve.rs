//! `postern serve`: runs the gateway.

use std::{io, process::ExitCode, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{fail, say};
use crate::{
    app::{App, sinks},
    clock::Clock,
    config::{Config, Mode},
    entropy::Entropy,
    http::{assemble::assemble, server::Server},
    storage::database::Database,
    supervise::Supervisor,
    telemetry::{self, Metrics},
};

/// How long answers and sockets may take to end, and then how long couriers and other tasks may.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until SIGTERM or Ctrl-C, then drains; a second signal, or one while it starts, ends it at once.
pub async fn run(mut config: Config) -> ExitCode {
    telemetry::start_log(&config.telemetry);
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return fail(format_args!("cannot listen to signals: {error}")),
    };
    if let Err(problem) = config.prepare(&Entropy::system()) {
        return fail(problem);
    }
    // Before the database is touched, like every other setting.
    if let Err(problem) = sinks(&config) {
        return fail(problem);
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    // Before anything else is opened: an address in use is the most common reason not to start.
    let listen = config.http.listen;
    let server = match Server::bind(listen).await {
        Ok(server) => server,
        Err(error) => return fail(format_args!("http.listen: cannot listen on {listen}: {error}")),
    };
    match server.address() {
        Ok(address) => config.listening_on(address),
        Err(error) => return fail(format_args!("http.listen: {error}")),
    }
    let welcome = welcome(&config);
    let started = tokio::select! {
        started = start(config) => started,
        () = signals.next() => return fail("ended while it started"),
    };
    let (router, supervisor, database) = match started {
        Ok(started) => started,
        Err(why) => return fail(why),
    };
    say(welcome);
    tracing::info!(address = %server.address().unwrap_or(listen), version = env!("CARGO_PKG_VERSION"), "serving");

    let closing = supervisor.closing().clone();
    let mut serving = tokio::spawn(server.serve(router, closing, GRACE));
    tokio::select! {
        () = signals.next() => tracing::info!("draining"),
        _ = &mut serving => return fail("the server ended by itself"),
    }
    tokio::select! {
        left = drain(serving, &supervisor) => {
            // SQLite then folds its log into its one file, and removes it.
            if tokio::time::timeout(GRACE, database.close()).await.is_err() {
                tracing::warn!("the database did not close in time");
            }
            tracing::info!("ended");
            if left.is_empty() { ExitCode::SUCCESS } else { fail(format_args!("aborted: {}", left.join(", "))) }
        }
        () = signals.next() => fail("ended before everything was drained"),
    }
}

/// The seam to the composition root: `App::start`, whose supervisor, router and database these are.
async fn start(config: Config) -> Result<(crate::http::server::Router, Supervisor, Database), String> {
    let supervisor = Supervisor::new();
    let metrics = Metrics::install();
    metrics.keep_tidy(&supervisor);
    let app = App::start(config, Clock::system(), Entropy::system(), &supervisor).await.map_err(|error| error.to_string())?;
    let routes = assemble(&app, metrics, supervisor.closing().clone()).map_err(|error| error.to_string())?;
    Ok((routes, supervisor, app.database.clone()))
}

/// Connections first, while everything that they need still runs; then the tasks. Returns those that had to be aborted.
async fn drain(serving: tokio::task::JoinHandle<()>, supervisor: &Supervisor) -> Vec<&'static str> {
    let ((), served) = tokio::join!(supervisor.close_connections(GRACE), serving);
    if let Err(error) = served {
        tracing::error!(%error, "the server did not end well");
    }
    supervisor.stop_tasks(GRACE).await
}

/// What to open next.
fn welcome(config: &Config) -> String {
    let base = config.http.public_base();
    let mut lines = vec![format!("Postern {} serves {base}", env!("CARGO_PKG_VERSION"))];
    if config.graphql.graphiql {
        lines.push(format!("  GraphiQL    {base}/graphql"));
    }
    if config.mode == Mode::Development && config.mail.url.is_none() {
        lines.push(format!("  dev inbox   {base}/dev/inbox"));
    }
    lines.push(format!("  health      {base}/readyz"));
    if config.mode == Mode::Development {
        lines.push(format!("  data        {}", config.data_dir.display()));
    }
    lines.join("\n")
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for either.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
