//! What the program is made of: the only composition root.

use std::{sync::Arc, time::Duration};

use entity::Channel;

use crate::{
    clock::Clock,
    config::{Config, Mode, Rate, SigningAlgorithm},
    crypto::{
        key_ring::{KeyRing, NoSecret},
        password_hash::{Costs, PasswordHasher, SetUpError, Settings},
        secret_box::SecretBox,
        signing_key::Algorithm,
        webauthn::{NoPage, RelyingParty},
    },
    domain::contact::Contact,
    entropy::Entropy,
    ephemeral::{
        self, InvalidAddress, Store,
        challenges::Challenges,
        rate_limits::{Limits, RateLimits},
    },
    events::{Events, redis::Hints},
    flows::{
        event_streams::EventStreams,
        in_flight::InFlight,
        live_sessions::LiveSessions,
        machine_tokens::MachineTokens,
        receive_picture::Room,
        signing_keys::{KeyRotation, Rotation, SigningKeyFault},
        statistics,
    },
    jobs::{
        deliver_messages::{Courier, Pace, Parts, SinkError, Sinks},
        forward_audit,
        note_activity::Activity,
    },
    outbound::{
        audit_webhook::{AuditWebhook, CannotPost},
        bell::Bell,
        breaches::{BreachFault, Breaches},
        own_texts::TextProblems,
        picture_maker::PictureMaker,
        pictures::{PictureFault, Pictures},
        places::{Places, PlacesFault},
        providers::{CannotAsk, Providers},
        render::{RenderError, Renderer},
    },
    storage::{
        database::Database,
        deployment,
        error::StorageError,
        migrate::{self, AtStart, MigrateError},
    },
    supervise::Supervisor,
};

/// Sessions kept in memory, some 2 KiB each.
const SESSIONS_KEPT: u64 = 20_000;
/// The reader of events has connections of its own: requests that hold all the others cannot delay it.
const READER_CONNECTIONS: u32 = 2;
/// How often the signing keys are looked after.
const KEYS_EVERY: Duration = Duration::from_mins(5);
/// Two clocks further apart than this disagree about what has expired.
const LARGEST_SKEW: i64 = 2_000;

/// Everything that a request can reach.
pub struct App {
    /// The settings.
    pub config: Config,
    /// What time it is.
    pub clock: Clock,
    /// Where random bytes come from.
    pub entropy: Entropy,
    /// What is kept for good.
    pub database: Database,
    /// Raised by a restore: part of every position in the logs.
    pub epoch: i32,
    /// What is kept for minutes.
    pub store: Arc<dyn Store>,
    /// Codes that were sent.
    pub challenges: Challenges,
    /// Leaky buckets.
    pub rate_limits: RateLimits,
    /// Keys by purpose.
    pub key_ring: KeyRing,
    /// Sealing.
    pub secret_box: SecretBox,
    /// Passwords that are being checked, by whose they are.
    pub passwords_in_flight: InFlight,
    /// Argon2id on threads of its own.
    pub passwords: PasswordHasher,
    /// What passkeys belong to, where there are any.
    pub relying_party: Option<RelyingParty>,
    /// What signs access tokens.
    pub signing_keys: KeyRotation,
    /// The bus.
    pub events: Events,
    /// The streams that clients listen to.
    pub event_streams: Arc<EventStreams>,
    /// Sessions in memory.
    pub live_sessions: Arc<LiveSessions>,
    /// Machine tokens in memory.
    pub machine_tokens: Arc<MachineTokens>,
    /// The texts of messages.
    pub renderer: Arc<Renderer>,
    /// Wakes the courier.
    pub courier: Bell,
    /// Notes that sessions are in use.
    pub activity: Activity,
    /// Passwords that are known from breaches.
    pub breaches: Breaches,
    /// Where avatars lie.
    pub pictures: Pictures,
    /// Where addresses lie.
    pub places: Arc<Places>,
    /// Accounts elsewhere that people sign in with.
    pub providers: Providers,
    /// How many files there may be at once.
    pub picture_room: Room,
    /// Makes pictures of files.
    pub picture_maker: PictureMaker,
    /// Figures that were taken last.
    pub statistics: statistics::Kept,
    /// Languages of messages.
    pub locales: &'static [&'static str],
}

/// Why the program does not start; each is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("database: {0}")]
    Storage(#[from] StorageError),
    /// The schema.
    #[error("{0}")]
    Migrate(#[from] MigrateError),
    /// The schema is not as the migrations made it.
    #[error("the database's schema is not as it should be: {0}")]
    Integrity(String),
    /// The clocks disagree.
    #[error("this machine's clock is {milliseconds} ms away from the database's; at most {LARGEST_SKEW} ms are safe")]
    Clock {
        /// How far.
        milliseconds: i64,
    },
    /// Redis.
    #[error("redis.url: {0}")]
    Redis(#[from] InvalidAddress),
    /// Redis, for hints.
    #[error("redis.url: cannot be used for hints: {0}")]
    Hints(String),
    /// The secret.
    #[error("secret: {0}")]
    Secret(#[from] NoSecret),
    /// Argon2.
    #[error("passwords: {0}")]
    Passwords(#[from] SetUpError),
    /// Passkeys.
    #[error("passkeys: {0}")]
    Passkeys(#[from] NoPage),
    /// Breached passwords.
    #[error("passwords: {0}")]
    Breaches(#[from] BreachFault),
    /// Avatars.
    #[error("avatars: {0}")]
    Pictures(#[from] PictureFault),
    /// The places of addresses.
    #[error("{0}")]
    Places(#[from] PlacesFault),
    /// Providers.
    #[error("providers: {0}")]
    Providers(#[from] CannotAsk),
    /// Signing keys.
    #[error("signing keys: {0}")]
    SigningKeys(#[from] SigningKeyFault),
    /// Who is told of the audit log.
    #[error("audit.webhook_url: {0}")]
    AuditWebhook(#[from] CannotPost),
    /// Who sends messages.
    #[error("{0}")]
    Sinks(#[from] SinkError),
    /// The built-in texts of messages.
    #[error("templates: {0}")]
    Templates(#[from] RenderError),
    /// The deployment's own.
    #[error("messages.folder:\n{0}")]
    OwnTexts(#[from] TextProblems),
}

impl App {
    /// Opens everything, brings the schema up (in development) or checks it (in production), and starts what runs beside the requests.
    pub async fn start(config: Config, clock: Clock, entropy: Entropy, supervisor: &Supervisor) -> Result<Arc<Self>, StartError> {
        let database = Database::connect(&config.database.url, config.database.max_connections).await?;
        bring_up(&config, &database, &clock).await?;
        let epoch = deployment::epoch(database.read()).await?;
        let key_ring = KeyRing::new(&config.secret)?;
        let secret_box = SecretBox::new(key_ring.clone());
        let store = ephemeral::connect(&config.redis.urls, config.redis.timeout, clock.clone())?;
        let hints = match config.redis.urls.as_slice() {
            [] => None,
            urls => Some(Hints::new(urls, config.redis.timeout).map_err(|error| StartError::Hints(error.to_string()))?),
        };
        let reader_database = Database::connect(&config.database.url, READER_CONNECTIONS).await?;
        let events = Events::connect(reader_database, clock.clone(), hints).await?;
        let live_sessions = Arc::new(LiveSessions::new(database.clone(), events.freshness(), SESSIONS_KEPT));
        let machine_tokens = Arc::new(MachineTokens::new(database.clone(), events.freshness()));
        let event_streams = Arc::new(EventStreams {
            events: events.clone(),
            live_sessions: Arc::clone(&live_sessions),
            machine_tokens: Arc::clone(&machine_tokens),
            mode: config.mode,
            key_ring: key_ring.clone(),
            clock: clock.clone(),
        });
        let signing_keys = KeyRotation::new(rotation(&config), secret_box.clone(), entropy.clone());
        signing_keys.ensure(database.write(), clock.now()).await?;
        let passwords = PasswordHasher::new(hashing(&config), entropy.clone())?;
        let relying_party = RelyingParty::of(&config.passkeys, &config.messages.product_name)?;
        let renderer = Arc::new(renderer(&config)?);
        let breaches = Breaches::open(&config.passwords)?;
        let pictures = Pictures::open(&config.avatars)?;
        let places = Arc::new(Places::open(&config.geo)?);
        let providers = Providers::open(&config.providers, &config.oauth, &clock)?;
        let picture_maker = PictureMaker::new(&config.avatars.program);
        let courier = Bell::default();
        let activity = Activity::default();
        let app = Arc::new(Self {
            challenges: Challenges::new(Arc::clone(&store)),
            rate_limits: RateLimits::new(limits(&config), Arc::clone(&store)),
            locales: &["en", "th"],
            config,
            clock,
            entropy,
            database,
            epoch,
            store,
            key_ring,
            secret_box,
            passwords_in_flight: InFlight::default(),
            passwords,
            relying_party,
            signing_keys,
            events,
            event_streams,
            live_sessions,
            machine_tokens,
            renderer,
            courier,
            activity,
            breaches,
            pictures,
            places,
            providers,
            picture_room: Room::default(),
            picture_maker,
            statistics: statistics::Kept::default(),
        });
        app.start_tasks(supervisor)?;
        Ok(app)
    }

    /// Whether messages of this channel reach anybody: by a sender, or in development in the inbox.
    pub fn reaches(&self, channel: Channel) -> bool {
        let sends = match channel {
            // Production does not start without.
            Channel::Email => true,
            Channel::Sms => self.config.sms.sender.is_some(),
        };
        sends || self.config.mode == Mode::Development
    }

    /// Whether an account can begin with a contact of this channel.
    pub fn offers(&self, channel: Channel) -> bool {
        // Without a sender nobody would ever get the code.
        self.reaches(channel) && self.config.sign_up.contacts.contains(&channel)
    }

    /// Whether messages go to this contact: its channel reaches people, and a number is of a country that gets text messages.
    pub fn reaches_contact(&self, contact: &Contact) -> bool {
        let allowed = &self.config.sms.allowed_countries;
        let allowed_country = match contact {
            Contact::Email(_) => true,
            Contact::Phone(phone) => allowed.is_empty() || phone.is_of_one_of(allowed),
        };
        allowed_country && self.reaches(contact.channel())
    }

    fn start_tasks(self: &Arc<Self>, supervisor: &Supervisor) -> Result<(), StartError> {
        let sinks = sinks(&self.config)?;
        let courier = Courier::new(Parts {
            database: self.database.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            secret_box: self.secret_box.clone(),
            renderer: Arc::clone(&self.renderer),
            sinks,
            bell: self.courier.clone(),
            pace: Pace {
                concurrency: usize::from(self.config.messages.at_once),
                retry_for: self.config.messages.retry_for,
                ..Pace::default()
            },
        });
        supervisor.spawn("deliver messages", move |stop| {
            let courier = courier.clone();
            async move {
                courier.run(stop).await;
                Ok::<(), std::convert::Infallible>(())
            }
        });
        let events = self.events.clone();
        supervisor.spawn("read events", move |stop| {
            let events = events.clone();
            async move {
                events.run(stop).await;
                Ok::<(), std::convert::Infallible>(())
            }
        });
        let app = Arc::clone(self);
        supervisor.spawn("note activity", move |stop| {
            let app = Arc::clone(&app);
            async move { crate::jobs::note_activity::run(&app, stop).await }
        });
        let app = Arc::clone(self);
        supervisor.spawn("end overdue sessions", move |stop| {
            let app = Arc::clone(&app);
            async move { crate::jobs::end_overdue_sessions::run(&app, stop).await }
        });
        let app = Arc::clone(self);
        supervisor.spawn("clean up", move |stop| {
            let app = Arc::clone(&app);
            async move { crate::jobs::clean_up::run(&app, stop).await }
        });
        let app = Arc::clone(self);
        supervisor.spawn("sweep avatars", move |stop| {
            let app = Arc::clone(&app);
            async move { crate::jobs::sweep_avatars::run(&app, stop).await }
        });
        let places = Arc::clone(&self.places);
        supervisor.spawn("reload places", move |stop| {
            let places = Arc::clone(&places);
            async move { crate::jobs::reload_places::run(&places, stop).await }
        });
        let app = Arc::clone(self);
        supervisor.spawn("reseal seeds", move |stop| {
            let app = Arc::clone(&app);
            async move { crate::jobs::reseal_seeds::run(&app, stop).await }
        });
        self.forward_audit(supervisor)?;
        let app = Arc::clone(self);
        supervisor.spawn("rotate signing keys", move |stop| {
            let app = Arc::clone(&app);
            async move { app.look_after_keys(stop).await }
        });
        Ok(())
    }

    fn forward_audit(self: &Arc<Self>, supervisor: &Supervisor) -> Result<(), CannotPost> {
        let Some(settings) = &self.config.audit.webhook else { return Ok(()) };
        let (app, webhook) = (Arc::clone(self), Arc::new(AuditWebhook::new(settings, forward_audit::TIMEOUT)?));
        let holder: Arc<str> = self.entropy.uuid(self.clock.now()).to_string().into();
        supervisor.spawn("forward audit", move |stop| {
            let (app, webhook, holder) = (Arc::clone(&app), Arc::clone(&webhook), Arc::clone(&holder));
            async move { forward_audit::run(&app, &webhook, &holder, stop).await }
        });
        Ok(())
    }

    async fn look_after_keys(&self, stop: tokio_util::sync::CancellationToken) -> Result<(), SigningKeyFault> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(KEYS_EVERY) => {}
            }
            let now = self.clock.now();
            self.signing_keys.ensure(self.database.write(), now).await?;
            self.signing_keys.forget_retired(self.database.write(), now).await?;
        }
    }
}

/// Who sends messages, as the settings have it.
pub fn sinks(config: &Config) -> Result<Sinks, StartError> {
    Ok(Sinks::from_settings(config)?)
}

/// The texts of messages as the settings have them; reads files of the deployment's own.
pub fn renderer(config: &Config) -> Result<Renderer, StartError> {
    let renderer =
        Renderer::new(&config.messages.product_name, &config.http.public_url, config.codes.ttl)?.leading_to(config.pages.clone());
    match &config.messages.folder {
        Some(folder) => Ok(renderer.with_folder(folder)?),
        None => Ok(renderer),
    }
}

async fn bring_up(config: &Config, database: &Database, clock: &Clock) -> Result<(), StartError> {
    let missing = if config.mode == Mode::Production { AtStart::Check } else { AtStart::Apply };
    let problems = migrate::at_start(database, clock, missing).await?;
    if !problems.is_empty() {
        return Err(StartError::Integrity(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")));
    }
    let milliseconds = database.now_skew(clock).await?;
    if config.mode == Mode::Production && milliseconds.abs() > LARGEST_SKEW {
        return Err(StartError::Clock { milliseconds });
    }
    Ok(())
}

fn rotation(config: &Config) -> Rotation {
    let algorithm = match config.tokens.algorithm {
        SigningAlgorithm::Es256 => Algorithm::Es256,
        SigningAlgorithm::EdDsa => Algorithm::EdDsa,
    };
    Rotation { algorithm, every: config.tokens.rotate_after, access_ttl: config.tokens.access_ttl }
}

const fn hashing(config: &Config) -> Settings {
    let rules = &config.passwords;
    Settings {
        costs: Costs { memory_kib: rules.memory_kib, passes: rules.passes, lanes: rules.lanes },
        threads: rules.threads,
        queue: rules.queue,
        queue_wait: rules.queue_wait,
        floor: rules.imported_floor,
    }
}

fn limits(config: &Config) -> Limits {
    let (rules, sms) = (&config.rate_limits, &config.sms);
    let limit = |rate: Rate| ephemeral::Limit::new(rate.count, rate.period);
    let cap = |rate: Rate| ephemeral::Limit::within(rate.count, rate.period);
    Limits {
        enabled: rules.enabled,
        sign_in_per_ip: limit(rules.sign_in_per_ip),
        sign_in_per_account: limit(rules.sign_in_per_account),
        sign_up_per_ip: limit(rules.sign_up_per_ip),
        codes_per_contact: limit(rules.codes_per_contact),
        codes_per_ip: limit(rules.codes_per_ip),
        username_available_per_ip: limit(rules.username_available_per_ip),
        avatars_per_user: limit(rules.avatars_per_user),
        passkeys_per_ip: limit(rules.passkeys_per_ip),
        refresh_per_session: limit(rules.refresh_per_session),
        requests_per_ip: limit(rules.requests_per_ip),
        sms_pause: ephemeral::Limit::new(1, config.codes.resend_after),
        sms_per_number: cap(sms.per_number),
        sms_per_account: cap(sms.per_account),
        sms_per_block: cap(sms.per_block),
        sms_per_country: cap(sms.per_country),
        sms_in_all: cap(sms.in_all),
    }
}
