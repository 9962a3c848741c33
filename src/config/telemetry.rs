//! What is logged, and how.

use tracing_subscriber::EnvFilter;

use super::{Mode, reader::Reader, value::Value};

/// Settings of the log.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// What is logged, in the form of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

impl Value for LogFormat {
    const FORM: &'static str = "pretty or json";

    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Pretty => "pretty".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }
}

impl Telemetry {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let by_mode = match reader.mode {
            Mode::Development => LogFormat::Pretty,
            Mode::Production => LogFormat::Json,
        };
        let telemetry = Self {
            log: reader.value(
                "telemetry.log",
                "info,sqlx=warn,webauthn_rs_core=off".to_owned(),
                "What is logged: a level, or levels by module like info,postern::flows=debug.",
            ),
            format: reader.derived(
                "telemetry.format",
                (by_mode, "pretty in development, json in production"),
                "How a log line looks: pretty or json.",
            ),
        };
        if EnvFilter::builder().parse(&telemetry.log).is_err() {
            reader.problem("telemetry.log", "is not a level (error, warn, info, debug, trace) or a list like info,postern::flows=debug");
        }
        telemetry
    }
}
