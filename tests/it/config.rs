//! Settings: where they come from, what is refused, and that secrets stay secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where something is not as expected")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use postern::{
    config::{Config, LogFormat, Mode, Sources, reference},
    entropy::Entropy,
};
use proptest::prelude::*;
use secrecy::ExposeSecret;

const SECRET: &str = "a-secret-that-is-long-enough-0123456789";
const PRODUCTION: [(&str, &str); 6] = [
    ("POSTERN_MODE", "production"),
    ("POSTERN_SECRET", SECRET),
    ("POSTERN_HTTP__LISTEN", "0.0.0.0:4000"),
    ("POSTERN_HTTP__PUBLIC_URL", "https://auth.example.com"),
    ("POSTERN_MAIL__URL", "smtps://mailer:pa55word@mail.example.com"),
    ("POSTERN_MAIL__FROM", "Example <no-reply@example.com>"),
];

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("postern-config-{}-{name}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, content: &str) -> PathBuf {
        let path = self.0.join("postern.toml");
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn problems(sources: &Sources) -> Vec<String> {
    Config::read(sources).problems.iter().map(ToString::to_string).collect()
}

fn problems_of(variables: &[(&str, &str)]) -> Vec<String> {
    problems(&Sources::of(variables.iter().copied()))
}

/// The production settings with some changed, added, or (with an empty text) taken away.
fn production_with(changes: &[(&'static str, &'static str)]) -> Vec<String> {
    problems_of(&[&PRODUCTION, changes].concat())
}

#[track_caller]
fn assert_one(problems: &[String], part: &str) {
    assert!(problems.len() == 1 && problems[0].contains(part), "{part:?} alone expected, not {problems:#?}");
}

#[test]
fn without_any_setting_it_is_embedded_development() {
    let config = Config::read(&Sources::default()).into_config().unwrap();
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.http.listen, "127.0.0.1:4000".parse().unwrap());
    assert_eq!(config.http.public_base(), "http://localhost:4000");
    assert_eq!(config.http.allowed_origins, ["http://localhost:4000"]);
    assert_eq!(config.database.url, "sqlite:./data/postern.db");
    assert!(config.redis.urls.is_empty() && config.mail.url.is_none() && config.secret.is_empty());
    assert!(config.graphql.introspection && config.graphql.graphiql && config.graphql.get_queries);
    assert_eq!((config.tokens.issuer.as_str(), config.tokens.audience.as_str()), ("http://localhost:4000", "http://localhost:4000"));
    assert_eq!((config.passwords.memory_kib, config.passwords.passes, config.passwords.lanes), (19_456, 2, 1));
    assert_eq!(config.sessions.sliding_ttl, Duration::from_hours(720));
    assert_eq!(config.telemetry.format, LogFormat::Pretty);
}

#[test]
fn production_needs_and_changes_what_the_design_says() {
    let sources = Sources::of(PRODUCTION);
    let config = Config::read(&sources).into_config().unwrap();
    assert!(!config.graphql.introspection && !config.graphql.graphiql && config.graphql.get_queries);
    assert_eq!(config.telemetry.format, LogFormat::Json);
    assert_eq!(config.tokens.issuer, "https://auth.example.com");
    assert!(config.warnings().is_empty());

    let bare = problems_of(&[("POSTERN_MODE", "production")]);
    assert_eq!(bare.len(), 2, "{bare:#?}");
    assert!(bare.iter().any(|line| line.contains("POSTERN_SECRET")) && bare.iter().any(|line| line.contains("POSTERN_MAIL__URL")));
    assert!(problems_of(&[("POSTERN_MODE", "Production")]).len() >= 3, "a mode that cannot be read is held to the strict rules");
}

#[test]
fn production_refuses_what_is_unsafe() {
    for (name, text, part) in [
        ("POSTERN_SECRET", "short", "too weak"),
        ("POSTERN_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too weak"),
        ("POSTERN_HTTP__ALLOWED_ORIGINS", "*", "not an origin"),
        ("POSTERN_HTTP__PUBLIC_URL", "http://auth.example.com", "must be https"),
        ("POSTERN_RATE_LIMITS__ENABLED", "false", "must not be off"),
        ("POSTERN_PASSWORDS__MEMORY_KIB", "8", "at least 19456"),
        ("POSTERN_PASSWORDS__PASSES", "1", "at least 47104"),
        ("POSTERN_PASSWORDS__MIN_LENGTH", "7", "at least 8"),
        ("POSTERN_MAIL__FROM", "", "is needed with mail.url"),
        ("POSTERN_MAIL__FROM", "no-reply@example.com, evil@example.com", "is not an address"),
    ] {
        assert_one(&production_with(&[(name, text)]), part);
    }
}

#[test]
fn production_wants_verified_tls_beyond_this_machine() {
    for good in [
        "postgres://u:p@db.example.com/x?sslmode=verify-full",
        "postgres://u:p@127.0.0.1/x",
        "postgres://u:p@[::1]:5433/x",
        "postgresql://u:p@localhost/x?sslmode=disable",
        "postgres://u@%2Frun%2Fpostgresql/x",
        "postgres:///x?host=/run/postgresql",
        "sqlite:/var/lib/postern/postern.db",
    ] {
        assert_eq!(production_with(&[("POSTERN_DATABASE__URL", good)]), [""; 0], "{good}");
    }
    for bad in [
        "postgres://u:p@db.example.com/x",
        "postgres://u:p@db.example.com/x?sslmode=require",
        "postgres://u:p@db.example.com/x?sslmode=verify-ca",
        "postgres://u:p@db.example.com/x?sslmode=verify-full&sslmode=disable",
        "postgres://u:p@localhost/x?host=db.example.com",
        "postgres://u:p@localhost/x?hostaddr=10.0.0.1",
        "postgres:///x",
        "mysql://u:p@localhost/x",
        "sqlite::memory:",
    ] {
        assert_one(&production_with(&[("POSTERN_DATABASE__URL", bad)]), "POSTERN_DATABASE__URL");
    }
    for good in
        ["rediss://:p@cache.example.com", "redis://127.0.0.1:6379", "redis://localhost", "rediss://a.example.com,rediss://b.example.com"]
    {
        assert_eq!(production_with(&[("POSTERN_REDIS__URL", good)]), [""; 0], "{good}");
    }
    for bad in [
        "redis://cache.example.com",
        "rediss://cache.example.com/#insecure",
        "http://localhost",
        "rediss://a.example.com,redis://b.example.com",
    ] {
        assert_one(&production_with(&[("POSTERN_REDIS__URL", bad)]), "POSTERN_REDIS__URL");
    }
}

#[test]
fn development_stays_on_this_machine() {
    for (name, bad) in [
        ("POSTERN_HTTP__LISTEN", "0.0.0.0:4000"),
        ("POSTERN_HTTP__LISTEN", "192.168.1.2:4000"),
        ("POSTERN_HTTP__LISTEN", "[::]:4000"),
        ("POSTERN_HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("POSTERN_HTTP__PUBLIC_URL", "http://localhost.example.com"),
        ("POSTERN_HTTP__PUBLIC_URL", "http://0.0.0.0:4000"),
    ] {
        assert_one(&problems_of(&[(name, bad)]), "in development");
    }
    assert_eq!(problems_of(&[("POSTERN_HTTP__LISTEN", "[::1]:4001"), ("POSTERN_HTTP__PUBLIC_URL", "http://[::1]:4001")]), [""; 0]);
    assert_eq!(problems_of(&[("POSTERN_DATABASE__URL", "postgres://u:p@db/x"), ("POSTERN_REDIS__URL", "redis://cache")]), [""; 0]);
}

#[test]
fn the_public_url_is_a_plain_base() {
    for bad in [
        "ftp://localhost",
        "http://ada@localhost",
        "http://localhost/?x=1",
        "http://localhost/#x",
        "localhost:4000",
        "//localhost",
        "http://",
    ] {
        assert_eq!(problems_of(&[("POSTERN_HTTP__PUBLIC_URL", bad)]).len(), 1, "{bad}");
    }
    let config = Config::read(&Sources::of([("POSTERN_HTTP__PUBLIC_URL", "http://localhost:8080/auth/")])).into_config().unwrap();
    assert_eq!(config.http.public_base(), "http://localhost:8080/auth");
    assert_eq!(config.http.allowed_origins, ["http://localhost:8080"]);
}

// A16: where links lead is a setting, and one that cannot be meant stops the start.
#[test]
fn pages_of_ones_own_are_plain_addresses() {
    for bad in
        ["ftp://app.example.com/x", "javascript:alert(1)", "https://ada@app.example.com/x", "https://app.example.com/#/reset", "/reset"]
    {
        let problems = problems_of(&[("POSTERN_PAGES__RESET_PASSWORD", bad)]);
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert!(problems[0].starts_with("pages.reset_password"), "{problems:?}");
    }
    assert_one(&production_with(&[("POSTERN_PAGES__HOME", "http://app.example.com/")]), "pages.home");
    let config = Config::read(&Sources::of([("POSTERN_PAGES__SIGN_IN", "http://localhost:5173/welcome?a=b")])).into_config().unwrap();
    assert_eq!(config.pages.own("/sign-in").map(url::Url::as_str), Some("http://localhost:5173/welcome?a=b"));
    for page in ["/verify-email", "/reset-password", "/cancel-email-change", "/unlock", "/end-session", "/"] {
        assert_eq!(config.pages.own(page), None, "{page}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let folder = Folder::new("layers");
    let file = folder.file(
        r#"
        mode = "development"
        [http]
        listen = "127.0.0.1:5000"
        allowed_origins = ["https://app.example.com", "HTTPS://Other.example.com:443/"]
        trusted_proxies = ["10.0.0.0/8", "::1"]
        [codes]
        attempts = 5
        ttl = "5min"
        [rate_limits]
        enabled = false
        sign_in_per_ip = "3/s"
        "#,
    );
    let sources = Sources::of([
        ("POSTERN_HTTP__LISTEN", "127.0.0.1:6000"),
        ("POSTERN_CODES__TTL", ""),
        ("POSTERN_SIGN_UP__CONTACTS", " sms , email "),
    ]);
    let config = Config::read(&sources.with_file(file)).into_config().unwrap();
    assert_eq!(config.http.listen.port(), 6000);
    assert_eq!(config.http.public_base(), "http://localhost:6000");
    assert_eq!(config.http.allowed_origins, ["https://app.example.com", "https://other.example.com"]);
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert_eq!((config.codes.attempts, config.codes.ttl), (5, Duration::from_mins(5)), "an empty variable is none");
    assert!(!config.rate_limits.enabled);
    assert_eq!((config.rate_limits.sign_in_per_ip.count, config.rate_limits.sign_in_per_ip.period), (3, Duration::from_secs(1)));
    assert_eq!(config.sign_up.contacts.len(), 2);
}

#[test]
fn every_problem_is_told_at_once_in_a_line_each() {
    let folder = Folder::new("all-problems");
    let file = folder.file("[http]\nlisten = 4000\nlisen = \"x\"\n[codes]\nattempts = [1, 2]\nttl = true\n[database]\nurl = \"oracle:x\"\n[[mail]]\nurl = \"x\"\n");
    let sources = Sources::of([
        ("POSTERN_SESSIONS__MAX_LIVE", "many"),
        ("POSTERN_SESSIONS__RECENT", "0s"),
        ("POSTERN_TOKENS__ALGORITHM", "none"),
        ("POSTERN_TOKENS__ACCESS_TTL", "1h"),
        ("POSTERN_TELEMETRY__LOG", "what=is=this"),
        ("POSTERN_PHONES__DEFAULT_COUNTRY", "Thailand"),
        ("POSTERN_RATE_LIMITS__DENIED", "10.0.0.0/8,nowhere"),
    ]);
    let problems = problems(&sources.with_file(file));
    for name in [
        "POSTERN_HTTP__LISTEN",
        "http.lisen is not a setting; did you mean http.listen?",
        "POSTERN_CODES__ATTEMPTS",
        "POSTERN_CODES__TTL",
        "POSTERN_DATABASE__URL",
        "mail is not a setting",
        "POSTERN_SESSIONS__MAX_LIVE",
        "POSTERN_SESSIONS__RECENT",
        "POSTERN_TOKENS__ALGORITHM",
        "POSTERN_TOKENS__ACCESS_TTL",
        "POSTERN_TELEMETRY__LOG",
        "POSTERN_PHONES__DEFAULT_COUNTRY",
        "\"nowhere\"",
    ] {
        assert_eq!(problems.iter().filter(|line| line.contains(name)).count(), 1, "{name} in {problems:#?}");
    }
    assert_eq!(problems.len(), 13, "{problems:#?}");
    assert!(problems.iter().all(|line| !line.contains('\n')));
}

#[test]
fn unknown_variables_are_problems_with_a_hint() {
    assert_one(&problems_of(&[("POSTERN_HTTP__LISTN", "x")]), "did you mean POSTERN_HTTP__LISTEN?");
    assert_one(&problems_of(&[("POSTERN_HTTP_LISTEN", "x")]), "did you mean POSTERN_HTTP__LISTEN?");
    assert_one(&problems_of(&[("POSTERN_SECRETS", "")]), "did you mean POSTERN_SECRET?");
    assert_one(&problems_of(&[("POSTERN_HTTP__LISTEN__PORT", "1")]), "POSTERN_HTTP__LISTEN__PORT is not a setting");
    assert_one(&problems_of(&[("POSTERN_HTTP", "x")]), "POSTERN_HTTP is not a setting");
    assert_one(&problems_of(&[("POSTERN_", "x")]), "POSTERN_ is not a setting");
    assert_one(&problems_of(&[("POSTERN_SOMETHING_WHOLLY_DIFFERENT", "x")]), "is not a setting");
    let of_others = [
        ("POSTERN_TEST_POSTGRES", "x"),
        ("POSTERN_CONFIG", ""),
        ("POSTERN_PORT", "tcp://10.0.0.1:4000"),
        ("POSTERN_PORT_4000_TCP_ADDR", "10.0.0.1"),
        ("POSTERN_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(problems_of(&of_others), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_used_is_one_problem_beside_the_others() {
    let folder = Folder::new("bad-file");
    let broken = folder.file("secret = \"do-not-print-me\n[http\n");
    let found = problems(&Sources::of([("POSTERN_CODES__TTL", "soon")]).with_file(broken));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("is not TOML") && !found[0].contains("do-not-print-me"), "{found:#?}");
    assert_one(&problems(&Sources::default().with_file(folder.0.join("absent.toml"))), "cannot be read");
}

#[test]
fn secrets_stay_out_of_everything_that_is_shown() {
    let secrets = ["s3cretOne-abcdefghijklmnopqrstuvwxyz", "s3cretTwo-abcdefghijklmnopqrstuvwxyz"];
    let list = secrets.join(",");
    let sources = Sources::of([
        ("POSTERN_SECRET", list.as_str()),
        ("POSTERN_DATABASE__URL", "postgres://ada:s3cretDb@localhost/x?password=s3cretQuery"),
        ("POSTERN_REDIS__URL", "redis://:s3cretRedis@localhost"),
        ("POSTERN_MAIL__URL", "smtp://ada:s3cretMail@localhost"),
        ("POSTERN_MAIL__FROM", "a@example.com"),
    ]);
    let reading = Config::read(&sources);
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    assert_eq!(reading.config.secret.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), secrets);
    assert!(!format!("{reading:?}").contains("s3cret"), "{reading:#?}");

    let wrong = problems_of(&[
        ("POSTERN_SECRET", "s3cret"),
        ("POSTERN_DATABASE__URL", "s3cret"),
        ("POSTERN_REDIS__URL", "s3cret,http://:s3cret@x"),
        ("POSTERN_MAIL__URL", "http://ada:s3cret@localhost"),
    ]);
    assert!(wrong.len() >= 4 && !wrong.concat().contains("s3cret"), "{wrong:#?}");
}

#[test]
fn secrets_may_come_from_a_file() {
    let folder = Folder::new("secret-file");
    let path = folder.0.join("secrets");
    fs::write(&path, format!("{SECRET}\n\n{SECRET}-older\n")).unwrap();
    let path = path.to_str().unwrap();
    let config = Config::read(&Sources::of([("POSTERN_SECRET_FILE", path)])).into_config().unwrap();
    assert_eq!(config.secret.len(), 2);
    assert_one(&problems_of(&[("POSTERN_SECRET_FILE", path), ("POSTERN_SECRET", SECRET)]), "together");
    assert_one(&problems_of(&[("POSTERN_SECRET_FILE", "/does/not/exist")]), "cannot be read");
}

#[test]
fn the_first_start_makes_a_secret_that_stays() {
    let folder = Folder::new("first-start");
    let data = folder.0.join("deep/data");
    let prepared = |seed| {
        let mut config = Config::read(&Sources::of([("POSTERN_DATA_DIR", data.to_str().unwrap())])).into_config().unwrap();
        config.prepare(&Entropy::seeded(seed)).map(|()| config.secret[0].expose_secret().to_owned())
    };
    let made: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..16).map(|seed| scope.spawn(move || prepared(seed).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(made.iter().all(|secret| *secret == made[0]), "starts at the same time agree");
    assert_eq!(prepared(99).unwrap(), made[0]);
    assert_eq!(mode_of(&data), 0o700);
    assert_eq!(mode_of(&data.join("secret")), 0o600);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no drafts are left");

    fs::set_permissions(data.join("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(prepared(1).unwrap_err().to_string().contains("chmod 600"));
    fs::set_permissions(data.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(data.join("secret"), "cut").unwrap();
    assert!(prepared(1).unwrap_err().to_string().contains("damaged"), "a damaged secret is never replaced in silence");
}

#[test]
fn given_secrets_and_databases_leave_the_data_folder_alone() {
    let folder = Folder::new("no-data");
    let data = folder.0.join("data");
    let sources = Sources::of([
        ("POSTERN_DATA_DIR", data.to_str().unwrap()),
        ("POSTERN_SECRET", SECRET),
        ("POSTERN_DATABASE__URL", "postgres://localhost/x"),
    ]);
    let mut config = Config::read(&sources).into_config().unwrap();
    config.prepare(&Entropy::seeded(1)).unwrap();
    assert!(!data.exists());
}

#[test]
fn a_port_that_the_system_chose_is_taken_over_everywhere() {
    let mut config = Config::for_tests(Path::new("/nowhere"));
    assert_eq!(config.http.listen.port(), 0);
    config.listening_on("127.0.0.1:5432".parse().unwrap());
    assert_eq!(config.http.public_base(), "http://localhost:5432");
    assert_eq!(config.http.allowed_origins, ["http://localhost:5432"]);
    assert_eq!((config.tokens.issuer.as_str(), config.tokens.audience.as_str()), ("http://localhost:5432", "http://localhost:5432"));

    let chosen = [
        ("POSTERN_HTTP__LISTEN", "127.0.0.1:0"),
        ("POSTERN_HTTP__PUBLIC_URL", "http://localhost:8080"),
        ("POSTERN_TOKENS__ISSUER", "urn:me"),
    ];
    let mut config = Config::read(&Sources::of(chosen)).into_config().unwrap();
    config.listening_on("127.0.0.1:5432".parse().unwrap());
    assert_eq!((config.http.public_base(), config.tokens.issuer.as_str()), ("http://localhost:8080", "urn:me"));
}

#[test]
fn the_settings_of_tests_are_good() {
    let config = Config::for_tests(Path::new("/tmp/with space & 100% ?"));
    assert_eq!(config.database.url, "sqlite:/tmp/with space & 100%25 %3F/postern.db");
    assert_eq!((config.mode, config.secret.len(), config.passwords.memory_kib), (Mode::Development, 1, 8));
}

#[test]
fn the_reference_in_the_documentation_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(kept == reference(), "docs/configuration.md is out of date: cargo run -- config reference > docs/configuration.md");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading(index in 0..200_usize, text in "\\PC*|[0-9]{0,30}(ms|s|min|h|d|/min|/[0-9]+h)?|(postgres|sqlite|redis|smtp|http)s?:/{0,2}\\PC*") {
        let settings = Config::read(&Sources::default()).settings;
        let name = settings[index % settings.len()].variable();
        let reading = Config::read(&Sources::of([(name.as_str(), text.as_str())]));
        prop_assert!(reading.problems.iter().all(|problem| !problem.to_string().contains('\n')));
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

// B6: what would send text messages must be whole and safe before anything starts.
#[test]
fn senders_of_text_messages_are_checked_whole() {
    const SID: &str = "AC0123456789abcdef0123456789abcdef";
    const KEY: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let twilio = [
        ("POSTERN_SMS__SENDER", "twilio"),
        ("POSTERN_SMS__TWILIO_ACCOUNT_SID", SID),
        ("POSTERN_SMS__TWILIO_AUTH_TOKEN", "tw1lio-token"),
        ("POSTERN_SMS__TWILIO_FROM", "+15005550006"),
    ];
    let webhook = [
        ("POSTERN_SMS__SENDER", "webhook"),
        ("POSTERN_SMS__WEBHOOK_URL", "https://sms.example.com/x"),
        ("POSTERN_SMS__WEBHOOK_SECRET", KEY),
    ];
    assert!(production_with(&twilio).is_empty() && production_with(&webhook).is_empty());
    let reading = Config::read(&Sources::of([&PRODUCTION[..], &twilio[..]].concat()));
    assert!(!format!("{:?} {:?}", reading.config, reading.settings).contains("tw1lio-token"));
    for (base, change, part) in [
        (&twilio[..], ("POSTERN_SMS__SENDER", "pigeons"), "sms.sender"),
        (&twilio, ("POSTERN_SMS__TWILIO_ACCOUNT_SID", "AC1"), "sms.twilio_account_sid"),
        (&twilio, ("POSTERN_SMS__TWILIO_AUTH_TOKEN", ""), "sms.twilio_auth_token"),
        (&twilio, ("POSTERN_SMS__TWILIO_API_KEY", "SK0123456789abcdef0123456789abcdef"), "sms.twilio_api_secret"),
        (&twilio, ("POSTERN_SMS__TWILIO_FROM", ""), "sms.twilio_from"),
        (&twilio, ("POSTERN_SMS__TWILIO_MESSAGING_SERVICE_SID", "MG0123456789abcdef0123456789abcdef"), "exclude each other"),
        (&twilio, ("POSTERN_SMS__TWILIO_BASE_URL", "http://twilio.example.com"), "sms.twilio_base_url"),
        (&twilio, ("POSTERN_SMS__TWILIO_STATUS_CALLBACK", "https://u:p@example.com"), "sms.twilio_status_callback"),
        (&twilio, ("POSTERN_SMS__ALLOWED_COUNTRIES", "TH,QQ"), "\"QQ\""),
        (&twilio, ("POSTERN_SMS__PER_NUMBER", "many"), "sms.per_number"),
        (&webhook, ("POSTERN_SMS__WEBHOOK_URL", "http://sms.example.com/x"), "sms.webhook_url"),
        (&webhook, ("POSTERN_SMS__WEBHOOK_URL", ""), "sms.webhook_url"),
        (&webhook, ("POSTERN_SMS__WEBHOOK_SECRET", "whsec_c2hvcnQ="), "sms.webhook_secret"),
        (&webhook, ("POSTERN_SMS__WEBHOOK_SECRET", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), "sms.webhook_secret"),
    ] {
        assert_one(&production_with(&[base, &[change]].concat()), part);
    }
}

// ---- providers -----------------------------------------------------------------------------------------------------

const GOOGLE: [(&str, &str); 3] = [
    ("POSTERN_PROVIDERS__GOOGLE__KIND", "google"),
    ("POSTERN_PROVIDERS__GOOGLE__CLIENT_ID", "id"),
    ("POSTERN_PROVIDERS__GOOGLE__CLIENT_SECRET", "s3cret-of-google"),
];

#[test]
fn providers_stand_beside_one_another() {
    let folder = Folder::new("providers");
    let key = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let pem = p256::pkcs8::EncodePrivateKey::to_pkcs8_pem(&key, p256::pkcs8::LineEnding::LF).unwrap();
    let path = folder.0.join("AuthKey.p8");
    fs::write(&path, pem.as_bytes()).unwrap();
    let file = folder.file(
        r#"
        [providers.my-own]
        kind = "oidc"
        name = "Ours"
        issuer = "https://login.example.com/"
        client_id = "postern"
        scopes = ["openid", "email", "groups"]
        link_by_email = false
        [oauth]
        redirect_uris = ["https://app.example.com/back", "com.example.app:/back"]
        "#,
    );
    let in_line = pem.replace('\n', "\\n");
    let variables = [
        ("POSTERN_PROVIDERS__APPLE__KIND", "apple"),
        ("POSTERN_PROVIDERS__APPLE__CLIENT_ID", "com.example.signin"),
        ("POSTERN_PROVIDERS__APPLE__TEAM_ID", "TEAM"),
        ("POSTERN_PROVIDERS__APPLE__KEY_ID", "KEY"),
        ("POSTERN_PROVIDERS__APPLE__PRIVATE_KEY", path.to_str().unwrap()),
        ("POSTERN_PROVIDERS__MY_APPLE__KIND", "apple"),
        ("POSTERN_PROVIDERS__MY_APPLE__CLIENT_ID", "com.example.other"),
        ("POSTERN_PROVIDERS__MY_APPLE__TEAM_ID", "TEAM"),
        ("POSTERN_PROVIDERS__MY_APPLE__KEY_ID", "KEY"),
        ("POSTERN_PROVIDERS__MY_APPLE__PRIVATE_KEY", in_line.as_str()),
    ];
    let reading = Config::read(&Sources::of(GOOGLE.into_iter().chain(variables)).with_file(file));
    let shown = format!("{:?} {:?}", reading.settings, reading.config);
    assert!(!shown.contains("s3cret-of-google") && !shown.contains("BEGIN PRIVATE KEY"), "secrets are not shown");
    let config = reading.into_config().unwrap();
    let ids: Vec<&str> = config.providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["apple", "google", "my-own", "my_apple"]);
    let ours = &config.providers[2];
    assert_eq!((ours.name.as_str(), ours.issuer.as_str(), ours.link_by_email), ("Ours", "https://login.example.com/", false));
    assert_eq!(ours.scopes, ["openid", "email", "groups"]);
    assert_eq!((config.providers[1].issuer.as_str(), config.providers[1].name.as_str()), ("https://accounts.google.com", "Google"));
    assert_eq!(config.oauth.redirect_uris, ["https://app.example.com/back", "com.example.app:/back"]);
    assert!(config.oauth.allow_private_addresses, "in development");
    assert!(!Config::read(&Sources::of(PRODUCTION)).config.oauth.allow_private_addresses);
}

#[test]
fn what_a_provider_lacks_is_told_at_once() {
    let with = |changes: &[(&'static str, &'static str)]| problems_of(&[&GOOGLE, changes].concat());
    assert!(with(&[]).is_empty());
    assert_eq!(Config::read(&Sources::of(GOOGLE)).config.warnings().len(), 1, "nobody could come back");
    assert_one(&with(&[("POSTERN_PROVIDERS__GOOGLE__CLIENT_SECRET", "")]), "providers.google.client_secret");
    assert_one(&with(&[("POSTERN_PROVIDERS__GOOGLE__CLIENT_ID", "")]), "providers.google.client_id");
    assert_one(&with(&[("POSTERN_PROVIDERS__GOOGLE__SCOPES", "email")]), "openid");
    assert_one(&with(&[("POSTERN_PROVIDERS__GOOGLE__TEAM_ID", "T")]), "apple alone");
    assert_one(&with(&[("POSTERN_PROVIDERS__GOOGLE__CLIENT_IDD", "x")]), "did you mean POSTERN_PROVIDERS__GOOGLE__CLIENT_ID?");
    let lacking = with(&[
        ("POSTERN_PROVIDERS__ACME__KIND", "oidc"),
        ("POSTERN_PROVIDERS__FRUIT__KIND", "apple"),
        ("POSTERN_PROVIDERS__X__NAME", "X"),
    ]);
    for name in ["acme.client_id", "acme.issuer", "fruit.client_id", "fruit.team_id", "fruit.key_id", "fruit.private_key", "x.kind"] {
        assert!(lacking.iter().any(|problem| problem.contains(&format!("providers.{name}"))), "{name}: {lacking:#?}");
    }
    assert_eq!(lacking.len(), 7);
    for wrong in ["login.example.com", "http://login.example.com", "https://u@login.example.com", "https://login.example.com?x", "ftp://x"]
    {
        assert_one(&problems_of(&[&GOOGLE[..], &[("POSTERN_PROVIDERS__GOOGLE__ISSUER", wrong)]].concat()), "providers.google.issuer");
    }
    assert_one(
        &with(&[("POSTERN_PROVIDERS__GOOGLE__KIND", "facebook")]).into_iter().take(1).collect::<Vec<_>>(),
        "google, line, apple or oidc",
    );
    assert!(with(&[("POSTERN_PROVIDERS__1ST__KIND", "line")]).iter().any(|problem| problem.contains("id is wrong")));
    let key = [
        ("POSTERN_PROVIDERS__FRUIT__KIND", "apple"),
        ("POSTERN_PROVIDERS__FRUIT__CLIENT_ID", "x"),
        ("POSTERN_PROVIDERS__FRUIT__TEAM_ID", "x"),
        ("POSTERN_PROVIDERS__FRUIT__KEY_ID", "x"),
        ("POSTERN_PROVIDERS__FRUIT__PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
    ];
    assert_one(&with(&key), "P-256 private key");
}

// E8, A16
#[test]
fn addresses_to_come_back_to_are_looked_at() {
    for fine in [
        "https://app.example.com/",
        "com.example.app:/back",
        "myapp://back?x=1",
        "http://localhost:5173/back",
        "https://app.example.com/back?from=x",
    ] {
        assert!(production_with(&[("POSTERN_OAUTH__REDIRECT_URIS", fine)]).is_empty(), "{fine}");
    }
    for wrong in [
        "/back",
        "app.example.com",
        "javascript:alert(1)",
        "data:text/html",
        "https://ok@evil.example/",
        "https://u:p@app.example.com/",
        "https://app.example.com/#x",
        "https://app.example.com\\@evil.example",
        "http://app.example.com/",
        "https://äpp.example.com/",
        "file:///x",
    ] {
        assert_one(&production_with(&[("POSTERN_OAUTH__REDIRECT_URIS", wrong)]), "oauth.redirect_uris");
    }
}

#[test]
fn a_bucket_has_a_name_that_s3_takes() {
    let told = |name: &str, value: &str| problems_of(&[("POSTERN_AVATARS__S3_BUCKET", "pictures"), (name, value)]);
    for right in ["pictures", "a.b-c.2026", "abc"] {
        assert_eq!(told("POSTERN_AVATARS__S3_BUCKET", right), Vec::<String>::new(), "{right}");
    }
    for wrong in ["Bad Bucket", "ab", "UPPER", "a..b", "-abc", "abc.", "a/b/c", &"a".repeat(64)] {
        assert_one(&told("POSTERN_AVATARS__S3_BUCKET", wrong), "avatars.s3_bucket");
    }
    for wrong in ["us east", "eu/1"] {
        assert_one(&told("POSTERN_AVATARS__S3_REGION", wrong), "avatars.s3_region");
    }
}
