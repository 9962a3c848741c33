//! A database with one or more instances of the bus on it, and a way to cut what lies between.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use entity::{
    account_events::{Kind, Model},
    user_sessions, users,
};
use futures::{Stream, StreamExt};
use postern::{
    clock::{Clock, Timestamp},
    entropy::Entropy,
    events::{Event, Events, Of, SubscribeTo, redis::Hints},
    flows::live_sessions::LiveSessions,
    storage::{
        account_events::{self, NewEvent, Positions},
        batch::Batch,
        database::{Backend, Database},
        deployment, migrate,
    },
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait,
    QueryFilter, sea_query::Expr,
};
use tokio::{net::TcpListener, net::TcpStream, sync::watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub struct World {
    pub url: String,
    pub database: Database,
    pub clock: Clock,
    pub entropy: Entropy,
    pub epoch: i32,
    folder: PathBuf,
    stop: CancellationToken,
    /// Holds a lock of the server: a transaction that one test keeps open delays the streams of all databases there.
    _alone: Option<DatabaseConnection>,
}

/// One gateway's share of the world.
pub struct Instance {
    pub events: Events,
    pub live: Arc<LiveSessions>,
    pub database: Database,
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where servers are")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A world for each database that is there.
pub async fn worlds() -> Vec<World> {
    let mut worlds = vec![World::new(None).await];
    worlds.extend(postgres().await);
    worlds
}

/// A world on PostgreSQL, where one is given.
pub async fn postgres() -> Option<World> {
    let Some(server) = setting("POSTERN_TEST_POSTGRES") else {
        println!("POSTERN_TEST_POSTGRES is not set: not tested on PostgreSQL");
        return None;
    };
    Some(World::new(Some(server)).await)
}

impl World {
    async fn new(server: Option<String>) -> Self {
        let name = format!("postern_events_{:016x}", u64::from_le_bytes(Entropy::system().bytes()));
        let folder = std::env::temp_dir().join(&name);
        let (url, alone) = match server {
            Some(server) => {
                let mut options = ConnectOptions::new(&server);
                options.min_connections(1).max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
                let admin = sea_orm::Database::connect(options).await.unwrap();
                admin.execute_unprepared("SELECT pg_advisory_lock(20261121)").await.unwrap();
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
                let mut url = url::Url::parse(&server).unwrap();
                url.set_path(&name);
                (url.to_string(), Some(admin))
            }
            None => (format!("sqlite:{}", folder.join("postern.db").display()), None),
        };
        let database = Database::connect(&url, 40).await.unwrap();
        let clock = Clock::manual(Timestamp::from_millis(1_790_000_000_000));
        migrate::up(&database, &clock).await.unwrap();
        let epoch = deployment::epoch(database.read()).await.unwrap();
        Self { url, database, clock, entropy: Entropy::seeded(7), epoch, folder, stop: CancellationToken::new(), _alone: alone }
    }

    pub fn backend(&self) -> Backend {
        self.database.backend()
    }

    pub async fn instance(&self) -> Instance {
        self.instance_at(&self.url, None).await
    }

    /// An instance that reaches the database (and Redis) at the given addresses.
    pub async fn instance_at(&self, url: &str, redis: Option<&str>) -> Instance {
        let database = Database::connect(url, 6).await.unwrap();
        let reader = Database::connect(url, 2).await.unwrap();
        let hints = redis.map(|url| Hints::new(&[url.to_owned()], Duration::from_millis(500)).unwrap());
        let events = Events::connect(reader, self.clock.clone(), hints).await.unwrap();
        let (running, stop) = (events.clone(), self.stop.clone());
        tokio::spawn(async move { running.run(stop).await });
        let live = Arc::new(LiveSessions::new(database.clone(), events.freshness(), 1000));
        until("the log was read", || events.freshness().is_current()).await;
        Instance { events, live, database }
    }

    pub async fn user(&self) -> Uuid {
        let now = self.clock.now();
        let id = self.entropy.uuid(now);
        users::ActiveModel {
            id: Set(id),
            role: Set(users::Role::User),
            status: Set(users::Status::Active),
            metadata: Set(serde_json::json!({})),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        }
        .insert(self.database.write())
        .await
        .unwrap();
        id
    }

    pub async fn session(&self, user_id: Uuid) -> Uuid {
        let now = self.clock.now();
        let id = self.entropy.uuid(now);
        user_sessions::ActiveModel {
            id: Set(id),
            user_id: Set(user_id),
            refresh_generation: Set(1),
            confirmed_generation: Set(0),
            refresh_key_id: Set("k".to_owned()),
            refresh_token_hash: Set(vec![0; 32]),
            refreshed_at: Set(now),
            token_delivery: Set(user_sessions::TokenDelivery::Body),
            amr: Set(serde_json::json!(["pwd"])),
            status: Set(user_sessions::Status::Active),
            device_type: Set(user_sessions::DeviceType::Desktop),
            device_name: Set("Firefox on Linux".to_owned()),
            login_method: Set(user_sessions::LoginMethod::Password),
            authenticated_at: Set(now),
            risk_score: Set(0),
            risk_signals: Set(serde_json::json!([])),
            is_suspicious: Set(false),
            expires_at: Set(now + Duration::from_hours(1)),
            absolute_expires_at: Set(now + Duration::from_hours(2)),
            last_activity_at: Set(now),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        }
        .insert(self.database.write())
        .await
        .unwrap();
        id
    }

    pub fn event(&self, kind: Kind, user_id: Uuid, session_id: Option<Uuid>) -> NewEvent {
        let now = self.clock.now();
        NewEvent { id: self.entropy.uuid(now), kind, user_id, session_id, at: now }
    }

    /// Writes events in a transaction of their own and commits it; nobody is told.
    pub async fn write(&self, events: &[NewEvent]) -> Vec<Model> {
        let transaction = self.database.begin().await.unwrap();
        let rows = insert(&transaction, self.epoch, events).await;
        transaction.commit().await.unwrap();
        rows
    }

    /// Marks a session revoked in a transaction that the caller commits.
    pub async fn revoke_in(&self, transaction: &DatabaseTransaction, user_id: Uuid, session_id: Uuid) -> Vec<Model> {
        user_sessions::Entity::update_many()
            .col_expr(user_sessions::Column::Status, Expr::value(user_sessions::Status::Revoked))
            .filter(user_sessions::Column::Id.eq(session_id))
            .exec(transaction)
            .await
            .unwrap();
        insert(transaction, self.epoch, &[self.event(Kind::SessionRevoked, user_id, Some(session_id))]).await
    }

    pub async fn revoke(&self, user_id: Uuid, session_id: Uuid) -> Vec<Model> {
        let transaction = self.database.begin().await.unwrap();
        let rows = self.revoke_in(&transaction, user_id, session_id).await;
        transaction.commit().await.unwrap();
        rows
    }

    pub fn listen(&self, user_id: Uuid, session_id: Uuid, of: Of, after: Option<Positions>) -> SubscribeTo {
        SubscribeTo { user_id, session_id, session_expires_at: self.clock.now() + Duration::from_hours(1), of, after }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The next `count` events, which have to come in time.
pub async fn take(stream: &mut (impl Stream<Item = Event> + Unpin), count: usize) -> Vec<Event> {
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        events.push(next.unwrap_or_else(|_| panic!("only {} of {count} events came", events.len())).expect("the stream ended"));
    }
    events
}

/// Nothing comes for a while.
pub async fn silent(stream: &mut (impl Stream<Item = Event> + Unpin), time: Duration) {
    if let Ok(event) = tokio::time::timeout(time, stream.next()).await {
        panic!("unexpected: {event:?}");
    }
}

/// The ids as they came, none twice.
pub fn ids(events: &[Event]) -> Vec<Uuid> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.row.id).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an event came twice");
    ids
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    crate::support::until(what, Duration::from_secs(15), async || condition()).await;
}

/// A way to a server that can be cut: connections break, and new ones are refused until it is mended.
pub struct Bridge {
    pub port: u16,
    open: watch::Sender<bool>,
}

impl Bridge {
    pub async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, watching) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut watching, address) = (watching.clone(), address.clone());
                if !*watching.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(address).await else { return };
                    tokio::select! {
                        _ = watching.wait_for(|open| !open) => {}
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Self { port, open }
    }

    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

/// The same URL through a bridge.
pub async fn bridged(url: &str) -> (Bridge, String) {
    let mut url = url::Url::parse(url).unwrap();
    let bridge = Bridge::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(bridge.port)).unwrap();
    (bridge, url.to_string())
}

/// Writes events in a transaction that the caller commits.
pub async fn insert(transaction: &DatabaseTransaction, epoch: i32, events: &[NewEvent]) -> Vec<Model> {
    account_events::insert(transaction, epoch, events, Batch::default(), []).await.unwrap().rows
}
