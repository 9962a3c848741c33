//! Where the data lies.

use std::{fmt, path::Path};

use url::Url;

use super::{
    Mode,
    reader::Reader,
    value::{CredentialUrl, is_loopback, masked},
};

/// Settings of the database.
#[derive(Clone)]
pub struct Database {
    /// `sqlite:path` or `postgres://…`; it may carry a password.
    pub url: String,
    /// Connections at most: of the pool on PostgreSQL, of the readers on SQLite.
    pub max_connections: u32,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>, data_dir: &Path) -> Self {
        let CredentialUrl(url) = reader.derived(
            "database.url",
            (CredentialUrl(sqlite_url(data_dir)), "sqlite: with postern.db in data_dir"),
            "Where the data lies: sqlite:path, or postgres://user:password@host/name. PostgreSQL beyond loopback and Unix sockets needs sslmode=verify-full in production.",
        );
        let database = Self { url, max_connections: reader.count("database.max_connections", 10, "Connections to the database at most.") };
        if let Err(why) = database.check(reader.mode) {
            reader.problem("database.url", why);
        }
        database
    }

    /// Whether the data lies in a file beside the program.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    fn check(&self, mode: Mode) -> Result<(), &'static str> {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
            return if path.is_empty() || path == ":memory:" || self.url.contains("mode=memory") {
                Err("must name a file: a database in memory would be lost")
            } else {
                Ok(())
            };
        }
        let url = Url::parse(&self.url).map_err(|_| "is not a URL")?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err("must begin with sqlite: or postgres://");
        }
        let mut host = url.host_str().unwrap_or_default().replace("%2F", "/").replace("%2f", "/");
        let mut verified = false;
        for (key, value) in url.query_pairs() {
            match &*key {
                "host" | "hostaddr" => host = value.into_owned(),
                "sslmode" | "ssl-mode" => verified = value == "verify-full",
                _ => {}
            }
        }
        if mode == Mode::Development || verified || host.starts_with('/') || is_loopback(&host) {
            Ok(())
        } else if host.is_empty() {
            Err("must name its host in production, or the folder of its socket by ?host=/run/postgresql")
        } else {
            Err("must carry sslmode=verify-full in production, unless the host is loopback or a Unix socket")
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("url", &masked(&self.url)).field("max_connections", &self.max_connections).finish()
    }
}

/// The file in the data folder; the driver decodes `%` and ends the path at `?`.
pub(super) fn sqlite_url(data_dir: &Path) -> String {
    let path = data_dir.join("postern.db");
    format!("sqlite:{}", path.display().to_string().replace('%', "%25").replace('?', "%3F"))
}
