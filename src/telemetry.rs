//! Logs and metrics.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{LogFormat, Telemetry},
    supervise::Supervisor,
};

/// Upper bounds of the buckets of every histogram of seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts the log of this process, on standard error so that what commands print stays alone on standard output. Where one runs already it stays.
pub fn start_log(settings: &Telemetry) {
    let Ok(filter) = EnvFilter::builder().parse(&settings.log) else { return };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match settings.format {
        LogFormat::Pretty => log.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
    };
    if started.is_err() {
        tracing::debug!("a log runs already");
    }
}

/// What this process has counted, for Prometheus to fetch.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Makes the recorder of this process. A process has one for good: where it is taken, as by another gateway in a test, what this one renders stays empty.
    #[must_use]
    pub fn install() -> Self {
        let builder = PrometheusBuilder::new();
        let builder = match builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS) {
            Ok(builder) => builder,
            // Only an empty list of buckets is refused; without them histograms become summaries.
            Err(_) => PrometheusBuilder::new(),
        };
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("metrics are recorded already");
        }
        Self(handle)
    }

    /// The page in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Has the recorder tidied regularly; without it histograms grow until somebody fetches them.
    pub fn keep_tidy(&self, supervisor: &Supervisor) {
        let handle = self.0.clone();
        supervisor.spawn("metrics upkeep", move |stop| {
            let handle = handle.clone();
            async move {
                while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
                    handle.run_upkeep();
                }
                Ok::<_, std::convert::Infallible>(())
            }
        });
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
