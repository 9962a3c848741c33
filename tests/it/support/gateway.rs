//! A gateway for one test.

use std::{
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use postern::{app::App, clock::Clock, config::Config};
use sea_orm::{ColumnTrait, Database, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use tokio_util::context::TokioContext;

use super::{
    actors::{Delivery, Visitor},
    place::Place,
    program::{self, Program},
};

/// How long the courier has for what is due when a test ends.
const DELIVERY: Duration = Duration::from_secs(3);

/// A running gateway with a database of its own. When it is dropped everything goes, and the test fails if messages are left undelivered.
pub struct Gateway {
    program: Option<Program>,
    door: Arc<Door>,
    pub config: Config,
    pub clock: Clock,
}

/// What actors know of a gateway.
pub struct Door {
    pub place: Arc<Place>,
    /// `http://localhost:port`: what pages of its own send as `Origin`.
    pub origin: String,
    /// Where it listens, as `127.0.0.1:port`.
    pub address: String,
    pub client: reqwest::Client,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With settings that `change` changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(Arc::new(Place::create().await), change).await
    }

    /// With the time of the machine, as production insists on.
    pub async fn start_in_real_time() -> Self {
        let mut place = Place::create().await;
        place.clock = Clock::system();
        Self::start_in(Arc::new(place), |_| {}).await
    }

    /// Two that share one PostgreSQL and one Redis; None where these were not given.
    pub async fn start_pair() -> Option<(Self, Self)> {
        let place = Arc::new(Place::create().await);
        if !place.is_shared() {
            println!("skipped: needs POSTERN_TEST_POSTGRES and POSTERN_TEST_REDIS");
            return None;
        }
        let first = Self::start_in(Arc::clone(&place), |_| {}).await;
        let other = first.config.clone();
        let second = Self::start_in(place, |config| name_like(config, &other)).await;
        Some((first, second))
    }

    /// Another instance on the same data, as after a restart or beside it.
    pub async fn start_beside(&self) -> Self {
        self.start_beside_with(|_| {}).await
    }

    /// The same with settings that `change` changed.
    pub async fn start_beside_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let other = self.config.clone();
        Self::start_in(Arc::clone(&self.door.place), |config| {
            name_like(config, &other);
            change(config);
        })
        .await
    }

    /// Ends this one and starts it anew on the same data; actors of the old one must come `at` the new one.
    pub async fn restart(mut self) -> Self {
        self.program = None;
        Box::pin(self.start_beside()).await
    }

    async fn start_in(place: Arc<Place>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = place.config();
        change(&mut config);
        let clock = place.clock.clone();
        let program = Program::start(config, clock.clone(), place.entropy.clone()).await;
        let config = program.config.clone();
        let door = Door {
            origin: config.http.public_url.origin().ascii_serialization(),
            address: config.http.listen.to_string(),
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            place,
        };
        Self { program: Some(program), door: Arc::new(door), config, clock }
    }

    /// The parts of the running program, for what cannot be seen from outside (counts of queries, faults to inject). Work that they do is to be
    /// done [`inside`](Self::inside).
    pub fn app(&self) -> &Arc<App> {
        &self.program.as_ref().expect("it runs").app
    }

    /// Does work of the program's own parts where the program runs. A connection that is opened on the way goes into the program's pool, and would
    /// answer no more once the test's runtime stands still: while the program ends.
    pub fn inside<F: Future>(&self, work: F) -> TokioContext<Pin<Box<F>>> {
        TokioContext::new(Box::pin(work), self.program.as_ref().expect("it runs").runtime.clone())
    }

    /// Somebody with a browser: cookies, an `Origin`, an address of their own.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(Arc::clone(&self.door), Delivery::Cookie)
    }

    /// Somebody with a native app: tokens in the answer, no cookies, no `Origin`.
    pub fn app_user(&self) -> Visitor {
        Visitor::new(Arc::clone(&self.door), Delivery::Body)
    }

    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// Moves the time of every gateway of this deployment forward.
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Says that messages may be left undelivered when this test ends.
    pub fn expect_undelivered(&self) {
        self.door.place.may_leave_messages.store(true, Ordering::Relaxed);
    }

    /// A look into the database, for what must never be in there.
    pub async fn database(&self) -> DatabaseConnection {
        Database::connect(&self.config.database.url).await.unwrap()
    }
}

impl Deref for Gateway {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let watched = self.program.is_some() && !std::thread::panicking() && !self.door.place.may_leave_messages.load(Ordering::Relaxed);
        let left = if watched { program::finish(undelivered(self.config.database.url.clone())) } else { None };
        self.program = None;
        if let Some(Ok(left)) = left {
            assert!(left.is_empty(), "messages were left undelivered: {left:?}");
        }
    }
}

/// Gives an instance the name of another, as behind a load balancer.
fn name_like(config: &mut Config, other: &Config) {
    config.http.public_url = other.http.public_url.clone();
    config.http.allowed_origins.clone_from(&other.http.allowed_origins);
    config.tokens.issuer.clone_from(&other.tokens.issuer);
    config.tokens.audience.clone_from(&other.tokens.audience);
}

/// Which messages still wait for the courier after it had its time, and how they stand. A test that calls flows by itself opens connections of the
/// program's pool in a runtime of its own, which stands still here: it takes its last message before it ends.
async fn undelivered(url: String) -> Result<Vec<String>, DbErr> {
    let database = Database::connect(&url).await?;
    let patience = Instant::now() + DELIVERY;
    loop {
        let waiting = entity::messages::Entity::find()
            .filter(entity::messages::Column::State.eq(entity::messages::State::Pending))
            .all(&database)
            .await?;
        if waiting.is_empty() || Instant::now() > patience {
            database.close().await?;
            return Ok(waiting
                .into_iter()
                .map(|message| {
                    format!(
                        "{} to {}, attempts: {}, due at {}, {:?}",
                        message.template, message.recipient, message.attempts, message.next_attempt_at, message.last_error
                    )
                })
                .collect());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
