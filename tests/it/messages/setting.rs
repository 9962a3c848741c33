//! A database with the tables of the courier, and what a courier is made of.

use std::{path::PathBuf, sync::Arc, time::Duration};

use entity::Channel;
use entity::messages::{Entity as Messages, Model};
use postern::{
    clock::{Clock, Timestamp},
    crypto::{key_ring::KeyRing, secret_box::SecretBox},
    entropy::Entropy,
    flows::{
        enqueue_message,
        read_dev_inbox::{self, ReceivedMessage},
    },
    jobs::deliver_messages::{Courier, Pace, Parts, Sinks},
    outbound::{
        bell::Bell,
        message::{Delivery, MessageSecret, NewMessage, Template},
        render::Renderer,
        smtp::Mailer,
    },
    storage::{batch::Batch, database::Database, migrate},
};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, Statement};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::support::postgres;

pub const CODE: &str = "314159";
pub const LINK_TOKEN: &str = "bGluay10b2tlbi1vZi1tZXNzYWdlLXRlc3RzLTAwMDA";

/// One database, one clock, and any number of instances over them.
pub struct House {
    pub database: Database,
    pub clock: Clock,
    pub entropy: Entropy,
    pub secret_box: SecretBox,
    pub bell: Bell,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    Postgres { server: String, name: String },
}

/// A house on SQLite, and one on PostgreSQL where there is a server.
pub async fn houses() -> Vec<House> {
    let mut houses = vec![House::on_sqlite().await];
    match postgres() {
        Some(server) => houses.push(House::on_postgres(server).await),
        None => println!("POSTERN_TEST_POSTGRES is not set: on SQLite alone"),
    }
    houses
}

fn unique_name() -> String {
    format!("postern_messages_{}", Entropy::system().uuid(Clock::system().now()).simple())
}

impl House {
    pub async fn on_sqlite() -> Self {
        let folder = std::env::temp_dir().join(unique_name());
        std::fs::create_dir_all(&folder).expect("a folder");
        let url = format!("sqlite:{}?mode=rwc", folder.join("postern.db").display());
        Self::over(&url, Place::Folder(folder)).await
    }

    async fn on_postgres(server: String) -> Self {
        let name = unique_name();
        let administration = sea_orm::Database::connect(&server).await.expect("the server");
        administration.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await.expect("dropped");
        administration.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("created");
        let mut url = Url::parse(&server).expect("a URL");
        url.set_path(&name);
        Self::over(url.as_str(), Place::Postgres { server, name }).await
    }

    async fn over(url: &str, place: Place) -> Self {
        let database = Database::connect(url, 10).await.expect("a database");
        let clock = Clock::manual(Timestamp::from_millis(1_795_000_000_000));
        migrate::up(&database, &clock).await.expect("the schema");
        Self {
            database,
            clock,
            entropy: Entropy::seeded(7),
            secret_box: secret_box_of("a secret of the tests that is long enough"),
            bell: Bell::default(),
            place,
        }
    }

    /// An instance that sends to the development inbox.
    pub fn courier(&self) -> Courier {
        self.courier_to(Sinks::dev_inbox(), Pace::default())
    }

    pub fn courier_to(&self, sinks: Sinks, pace: Pace) -> Courier {
        let public_url = Url::parse("http://localhost:4000").expect("a URL");
        Courier::new(Parts {
            database: self.database.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            secret_box: self.secret_box.clone(),
            renderer: Arc::new(Renderer::new("Postern", &public_url, Duration::from_mins(10)).expect("templates")),
            sinks,
            bell: self.bell.clone(),
            pace,
        })
    }

    /// Writes a message as a flow does, in a transaction that is committed.
    pub async fn enqueue(&self, message: NewMessage) -> Uuid {
        let transaction = self.database.begin().await.expect("a transaction");
        let mut batch = Batch::default();
        let id = enqueue_message::run(&mut batch, &self.secret_box, &self.entropy, message);
        batch.run(&transaction).await.expect("enqueued");
        transaction.commit().await.expect("committed");
        id
    }

    /// A sign-up's message by e-mail.
    pub fn sign_up_code(&self, recipient: &str) -> NewMessage {
        NewMessage {
            user_id: None,
            channel: Channel::Email,
            recipient: recipient.to_owned(),
            template: Template::SignUpCode { challenge_id: Uuid::from_u128(1) },
            secret: MessageSecret { code: Some(CODE.to_owned()), link_token: Some(LINK_TOKEN.to_owned()) },
            locale: "en".to_owned(),
            created_at: self.clock.now(),
            expires_at: self.clock.now() + Duration::from_hours(48),
            delivery: Delivery::Send,
        }
    }

    pub async fn row(&self, id: Uuid) -> Model {
        Messages::find_by_id(id).one(self.database.read()).await.expect("read").expect("a row")
    }

    pub async fn rows(&self) -> Vec<Model> {
        Messages::find().order_by_asc(entity::messages::Column::Id).all(self.database.read()).await.expect("read")
    }

    pub async fn inbox(&self) -> Vec<ReceivedMessage> {
        read_dev_inbox::run(&self.database, &self.secret_box, None, 1000).await.expect("read")
    }

    /// Every byte of both tables, as a dump would have them.
    pub async fn everything_stored(&self) -> String {
        let mut dump = Vec::new();
        for row in self.rows().await {
            dump.push(format!("{row:?} {}", String::from_utf8_lossy(row.secret_sealed.as_deref().unwrap_or_default())));
        }
        for row in entity::dev_inbox::Entity::find().all(self.database.read()).await.expect("read") {
            dump.push(format!("{row:?} {}", String::from_utf8_lossy(&row.content_sealed)));
        }
        dump.join("\n")
    }

    pub async fn end(self) {
        self.database.close().await;
        match &self.place {
            Place::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Place::Postgres { server, name } => {
                let administration = sea_orm::Database::connect(server).await.expect("the server");
                let backend = administration.get_database_backend();
                let drop = Statement::from_string(backend, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                administration.execute_raw(drop).await.expect("dropped");
            }
        }
    }
}

/// What a deployment with this secret seals with.
pub fn secret_box_of(secret: &str) -> SecretBox {
    SecretBox::new(KeyRing::new(&[SecretString::from(secret)]).expect("a secret"))
}

/// Plain SMTP to a port of this machine.
pub fn mailer(port: u16, timeout: Duration) -> Mailer {
    let url = SecretString::from(format!("smtp://127.0.0.1:{port}"));
    Mailer::new(&url, "Postern <no-reply@postern.test>", timeout).expect("a mailer")
}

/// What a healthy courier does in no time may take so long on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);
