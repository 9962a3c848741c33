//! `/livez`, `/readyz` and `/metrics`.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a report serves everybody who asks: the route is open, and must not become a way to load the database.
const FRESH: Duration = Duration::from_millis(250);

/// How the gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All parts answer.
    Ok,
    /// Something is away that the gateway can do without for a while.
    Degraded,
    /// Something is away that nothing works without.
    Unavailable,
}

/// What the gateway and its parts said.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst that follows.
    pub status: Status,
    /// Part by part: whether it answers.
    pub parts: BTreeMap<&'static str, Status>,
}

/// Whether the gateway can do without a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It cannot.
    Required,
    /// It can for a while.
    Optional,
}

struct Part {
    name: &'static str,
    need: Need,
    answers: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

/// The parts that are asked, and the metrics of the process.
pub struct Health {
    parts: Vec<Part>,
    metrics: Metrics,
    closing: CancellationToken,
    gauges: Vec<Box<dyn Fn() + Send + Sync>>,
    last: Mutex<Option<(Instant, Report)>>,
}

impl Health {
    /// Without parts yet. Once `closing` is cancelled it says unavailable, so that balancers look elsewhere.
    #[must_use]
    pub fn new(metrics: Metrics, closing: CancellationToken) -> Self {
        Self { parts: Vec::new(), metrics, closing, gauges: Vec::new(), last: Mutex::new(None) }
    }

    /// One more part; `answers` says whether it does, and is given up after two seconds.
    #[must_use]
    pub fn with<F, Fut>(mut self, name: &'static str, need: Need, answers: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.parts.push(Part { name, need, answers: Box::new(move || Box::pin(answers())) });
        self
    }

    /// Sets gauges whenever the metrics are asked for.
    #[must_use]
    pub fn measuring(mut self, set: impl Fn() + Send + Sync + 'static) -> Self {
        self.gauges.push(Box::new(set));
        self
    }

    /// Asks all parts at once, or tells what they just said.
    pub async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        let mut report = match &*last {
            Some((at, report)) if at.elapsed() < FRESH => report.clone(),
            _ => {
                let report = self.ask().await;
                *last = Some((Instant::now(), report.clone()));
                report
            }
        };
        if self.closing.is_cancelled() {
            report.status = Status::Unavailable;
        }
        report
    }

    async fn ask(&self) -> Report {
        let answers = join_all(self.parts.iter().map(|part| async move {
            let answered = timeout(PATIENCE, (part.answers)()).await.unwrap_or(false);
            metrics::gauge!("postern_part_up", "part" => part.name).set(u32::from(answered));
            (part, answered)
        }));
        let mut report = Report { status: Status::Ok, parts: BTreeMap::new() };
        for (part, answered) in answers.await {
            report.parts.insert(part.name, if answered { Status::Ok } else { Status::Unavailable });
            match (answered, part.need) {
                (false, Need::Required) => report.status = Status::Unavailable,
                (false, Need::Optional) if report.status == Status::Ok => report.status = Status::Degraded,
                (true, _) | (false, Need::Optional) => {}
            }
        }
        report
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("parts", &self.parts.iter().map(|part| part.name).collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// The three routes, to be merged into the router.
pub fn routes<S: Clone + Send + Sync + 'static>(health: Arc<Health>) -> Router<S> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/metrics", get(metrics)).with_state(health)
}

async fn livez() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let report = health.report().await;
    let status = match report.status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    for gauge in &health.gauges {
        gauge();
    }
    (headers, health.metrics.render()).into_response()
}
