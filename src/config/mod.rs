//! The settings: defaults, then `postern.toml`, then the environment; every problem reported at once.

mod accounts;
mod audit;
mod avatars;
mod clean_up;
mod codes;
mod database;
mod geo;
mod graphql;
mod http;
mod links;
mod lockout;
mod mail;
mod messages;
mod oauth;
mod pages;
mod passkeys;
mod passwords;
mod phones;
mod profile;
mod providers;
mod rate_limits;
mod reader;
mod redis;
mod reference;
mod risk;
mod secret;
mod sessions;
mod sign_up;
mod sms;
mod sources;
mod telemetry;
mod tokens;
mod unknown;
mod value;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

pub use self::{
    accounts::Accounts,
    audit::Audit,
    avatars::{Avatars, S3},
    clean_up::CleanUp,
    codes::Codes,
    database::Database,
    geo::Geo,
    graphql::Graphql,
    http::Http,
    links::Links,
    lockout::Lockout,
    mail::Mail,
    messages::Messages,
    oauth::OAuth,
    pages::Pages,
    passkeys::Passkeys,
    passwords::Passwords,
    phones::Phones,
    profile::{Profile, ProfileField},
    providers::{ClientKey, Provider, ProviderKind},
    rate_limits::{Rate, RateLimits},
    reader::{Problem, Setting},
    redis::Redis,
    reference::reference,
    risk::Risk,
    sessions::Sessions,
    sign_up::SignUp,
    sms::{Sms, SmsSender, Twilio, TwilioFrom, Webhook},
    sources::Sources,
    telemetry::{LogFormat, Telemetry},
    tokens::{SigningAlgorithm, Tokens},
};
use self::{reader::Reader, value::Value};
use crate::entropy::Entropy;

/// Everything that an operator can choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// For whom the gateway runs.
    pub mode: Mode,
    /// Where files lie that the gateway makes itself.
    pub data_dir: PathBuf,
    /// Secrets of 32 bytes or more: the first seals, all open.
    pub secret: Vec<SecretString>,
    /// The HTTP surface.
    pub http: Http,
    /// Where the data lies.
    pub database: Database,
    /// Short-lived state that instances share.
    pub redis: Redis,
    /// E-mail.
    pub mail: Mail,
    /// Text messages.
    pub sms: Sms,
    /// The GraphQL surface.
    pub graphql: Graphql,
    /// How often things may happen.
    pub rate_limits: RateLimits,
    /// Passkeys.
    pub passkeys: Passkeys,
    /// Passwords.
    pub passwords: Passwords,
    /// When guessing locks.
    pub lockout: Lockout,
    /// Where addresses lie.
    pub geo: Geo,
    /// From when on a sign-in is suspicious.
    pub risk: Risk,
    /// Code challenges.
    pub codes: Codes,
    /// Links in messages.
    pub links: Links,
    /// The pages behind them.
    pub pages: Pages,
    /// Sign-up.
    pub sign_up: SignUp,
    /// Access tokens.
    pub tokens: Tokens,
    /// Sessions.
    pub sessions: Sessions,
    /// Messages.
    pub messages: Messages,
    /// Phone numbers.
    pub phones: Phones,
    /// Profiles.
    pub profile: Profile,
    /// How accounts end.
    pub accounts: Accounts,
    /// How often the gateway tidies up.
    pub clean_up: CleanUp,
    /// Where the audit log is handed on to.
    pub audit: Audit,
    /// Pictures of people.
    pub avatars: Avatars,
    /// Accounts elsewhere that people sign in with, by their ids.
    pub providers: Vec<Provider>,
    /// The round trip to them.
    pub oauth: OAuth,
    /// The log.
    pub telemetry: Telemetry,
}

/// Reads a duration as the settings write it: `500ms`, `10s`, `15min`, `24h`, `30d`.
#[must_use]
pub fn duration(text: &str) -> Option<std::time::Duration> {
    Value::read(text)
}

/// For whom the gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For one developer, on loopback alone.
    Development,
    /// For everybody; missing and unsafe settings stop the start.
    Production,
}

impl Value for Mode {
    const FORM: &'static str = "development or production";

    fn read(text: &str) -> Option<Self> {
        match text {
            "development" => Some(Self::Development),
            "production" => Some(Self::Production),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Development => "development".to_owned(),
            Self::Production => "production".to_owned(),
        }
    }
}

/// What reading the settings found.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The settings; where one is wrong, its default.
    pub config: Config,
    /// Every setting with default, meaning and value in force, in the order of the reference.
    pub settings: Vec<Setting>,
    /// What is wrong; the gateway starts only where this is empty.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// The settings, or everything that is wrong with them.
    pub fn into_config(self) -> Result<Config, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self.config) } else { Err(self.problems) }
    }
}

impl Config {
    /// Reads the settings from file and environment. Touches no file but the given ones.
    #[must_use]
    pub fn read(sources: &Sources) -> Reading {
        let layers = sources.layers();
        let mut reader = Reader::new(&layers.figment);
        let mode = reader.value(
            "mode",
            Mode::Development,
            "development (one developer, loopback alone) or production (missing and unsafe settings stop the start).",
        );
        // A mode that cannot be read is the strict one, so that no check is skipped by a typing error.
        reader.mode = if reader.problems.is_empty() { mode } else { Mode::Production };
        let data_dir = reader.value(
            "data_dir",
            PathBuf::from("./data"),
            "Where files lie that the gateway makes itself: the SQLite file, the secret of development.",
        );
        let secret = secret::read(&mut reader);
        let http = Http::read(&mut reader);
        let config = Self {
            mode,
            secret,
            database: Database::read(&mut reader, &data_dir),
            redis: Redis::read(&mut reader),
            mail: Mail::read(&mut reader),
            sms: Sms::read(&mut reader),
            graphql: Graphql::read(&mut reader),
            rate_limits: RateLimits::read(&mut reader),
            passkeys: Passkeys::read(&mut reader, &http),
            passwords: Passwords::read(&mut reader),
            lockout: Lockout::read(&mut reader),
            geo: Geo::read(&mut reader),
            risk: Risk::read(&mut reader),
            codes: Codes::read(&mut reader),
            links: Links::read(&mut reader),
            pages: Pages::read(&mut reader),
            sign_up: SignUp::read(&mut reader),
            tokens: Tokens::read(&mut reader, &http),
            sessions: Sessions::read(&mut reader),
            messages: Messages::read(&mut reader),
            phones: Phones::read(&mut reader),
            profile: Profile::read(&mut reader),
            accounts: Accounts::read(&mut reader),
            clean_up: CleanUp::read(&mut reader),
            audit: Audit::read(&mut reader),
            avatars: Avatars::read(&mut reader, &data_dir),
            oauth: OAuth::read(&mut reader),
            providers: Provider::read_all(&mut reader),
            telemetry: Telemetry::read(&mut reader),
            data_dir,
            http,
        };
        let mut problems = layers.problems;
        problems.append(&mut reader.problems);
        problems.extend(unknown::in_file(&layers.file_keys, &reader.settings));
        problems.extend(unknown::in_environment(sources.variables(), &reader.settings));
        Reading { config, settings: reader.settings, problems }
    }

    /// Makes what the start needs: the data folder where the gateway keeps files of its own, and in development, at the first start, the secret.
    pub fn prepare(&mut self, entropy: &Entropy) -> Result<(), Problem> {
        let makes_secret = self.mode == Mode::Development && self.secret.is_empty();
        if makes_secret || self.database.url == database::sqlite_url(&self.data_dir) {
            secret::make_folder(&self.data_dir)?;
        }
        if makes_secret {
            self.secret = vec![secret::load_or_make(&self.data_dir, entropy)?];
        }
        Ok(())
    }

    /// Takes over the address that the system chose where the settings asked for port 0, also in what follows from it.
    pub fn listening_on(&mut self, address: SocketAddr) {
        let before = self.http.public_base().to_owned();
        self.http.listening_on(address);
        self.passkeys.listening_on(address.port());
        let base = self.http.public_base();
        for claim in [&mut self.tokens.issuer, &mut self.tokens.audience] {
            if *claim == before {
                base.clone_into(claim);
            }
        }
    }

    /// What is allowed but surely not meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.mode == Mode::Production && self.http.is_local() {
            warnings.push(format!("http.public_url is {}: links in messages lead nowhere for anybody else", self.http.public_base()));
        }
        if self.mode == Mode::Production && self.redis.urls.is_empty() && !self.database.is_sqlite() {
            warnings.push("redis.url is not set: several instances would not share challenges and rate limits".to_owned());
        }
        if self.mode == Mode::Production && self.sms.sender.is_some() && self.sms.allowed_countries.is_empty() {
            warnings
                .push("sms.allowed_countries is not set: codes go to every country, and dear ones are a business of fraudsters".to_owned());
        }
        if !self.providers.is_empty() && self.oauth.redirect_uris.is_empty() {
            warnings.push("oauth.redirect_uris is not set: nobody who signs in with a provider could come back".to_owned());
        }
        warnings
    }

    /// Settings for tests: development, embedded, a fixed secret, any free port, hashes that cost next to nothing, and no clean-up but by hand.
    #[must_use]
    pub fn for_tests(data_dir: &Path) -> Self {
        let sources = Sources::of([
            ("POSTERN_DATA_DIR", data_dir.to_string_lossy().as_ref()),
            ("POSTERN_SECRET", "the fixed secret of every test and long enough"),
            ("POSTERN_HTTP__LISTEN", "127.0.0.1:0"),
            ("POSTERN_PASSWORDS__MEMORY_KIB", "8"),
            ("POSTERN_PASSWORDS__PASSES", "1"),
            ("POSTERN_PASSWORDS__IMPORTED_FLOOR", "0s"),
            ("POSTERN_CLEAN_UP__EVERY", "24h"),
        ]);
        Self::read(&sources).config
    }
}
