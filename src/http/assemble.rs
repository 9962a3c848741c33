//! Puts the routes of a running program together.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use async_graphql::{Data, Error, ValidationMode};
use async_trait::async_trait;
use axum::Router;
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    authenticate::{Authenticate, Credentials},
    avatars,
    cookies::CookieStyle,
    dev_inbox::{self, DevInbox},
    forward_auth,
    gateway::{Admission, Admit, Gateway, HttpSettings, SocketSettings},
    health::{self, Health, Need},
    jwks,
    message_previews::{self, Previews},
    oauth,
    origin::Origins,
    pages, router,
    sockets::Sockets,
};
use crate::{
    app::App,
    config::{Config, Mode},
    ephemeral::{
        RateLimited,
        rate_limits::{Rule, ip_subject},
    },
    events::Events,
    flows::{
        authenticate,
        caller::{Caller, Identity, Reason},
        live_sessions::expires_at,
        note_denial,
        receive_picture::{self, Incoming},
    },
    graphql::{
        entry::{Entry, EntryConfig},
        error,
        guard::authorize_root,
        limits::Limits,
        problem::settle,
        root_fields::Sensitivity,
        schema,
        schema_facts::FactsError,
        trusted_documents::{TrustedDocuments, TrustedDocumentsError},
    },
    telemetry::Metrics,
};

/// Why the routes cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// The schema contradicts itself.
    #[error("schema: {0}")]
    Schema(#[from] FactsError),
    /// The folder of trusted documents.
    #[error("graphql.trusted_documents: {0}")]
    TrustedDocuments(#[from] TrustedDocumentsError),
    /// The hosted pages.
    #[error("pages: {0}")]
    Pages(#[from] pages::PageError),
}

/// All routes of the program. `closing` is cancelled when it stops: sockets and streams say goodbye then.
pub fn assemble(app: &Arc<App>, metrics: Metrics, closing: CancellationToken) -> Result<Router, AssemblyError> {
    let gateway = Arc::new(Gateway {
        entry: entry(app)?,
        authenticate: Arc::new(Sessions(Arc::clone(app))),
        admit: {
            let app = Arc::clone(app);
            Arc::new(move |ip| admit(&app, ip))
        },
        request_data: {
            let events = app.events.clone();
            Arc::new(
                move |prepared| {
                    if prepared.asks_for("eventCursor") { position(events.clone()).boxed() } else { ready(Data::default()).boxed() }
                },
            )
        },
        admit_file: {
            let app = Arc::clone(app);
            Arc::new(move |caller| {
                let app = Arc::clone(&app);
                async move { admit_file(&app, &caller).await }.boxed()
            })
        },
        settings: settings(app),
        clock: app.clock.clone(),
        entropy: app.entropy.clone(),
        shutdown: closing.clone(),
        sockets: Arc::new(Sockets::default()),
    });
    let keys = Arc::clone(app);
    let open = jwks::routes(Arc::new(move || keys.signing_keys.keys().jwks(keys.clock.now()))).merge(avatars::routes(app.pictures.clone()));
    let mut routes = router::graphql_routes(&gateway)
        .merge(router::admitting(open, &gateway))
        .merge(forward_auth::routes(&gateway, looking(app)))
        .merge(health::routes(Arc::new(health(app, metrics, closing))))
        .merge(pages::routes(app, &gateway)?)
        .merge(oauth::routes(app, &gateway)?);
    if app.config.mode == Mode::Development {
        routes = routes.merge(dev_inbox::routes(DevInbox { database: app.database.clone(), secret_box: app.secret_box.clone() }));
        routes = routes.merge(message_previews::routes(Previews { renderer: Arc::clone(&app.renderer), locales: app.locales }));
    }
    Ok(router::finish(routes, gateway))
}

fn entry(app: &Arc<App>) -> Result<Entry<schema::Schema>, AssemblyError> {
    let rules = &app.config.graphql;
    let of_app = Arc::clone(app);
    let config = EntryConfig {
        limits: Limits {
            depth: rules.max_depth,
            selections: rules.max_selections,
            page_product: u64::from(rules.max_page_product),
            aliases: rules.max_aliases,
            fragments: count(rules.max_fragments),
            directives: count(rules.max_directives),
            root_fields: count(rules.max_root_fields),
            tokens: count(rules.max_tokens),
            ..Limits::default()
        },
        sensitivity: Sensitivity {
            harmless_mutations: HashSet::from(["renamePasskey", "revokeOtherSessions", "revokeSession", "signOut"]),
            sensitive_queries: HashSet::from(["usernameAvailable"]),
        },
        introspection: rules.introspection,
        timeout: app.config.http.request_timeout,
        trusted_documents: rules.trusted_documents.as_deref().map(TrustedDocuments::read).transpose()?,
        authorize: Arc::new(move |caller, level, root_field| authorize_root(&of_app, caller, level, root_field)),
        note_denial: {
            let app = Arc::clone(app);
            Arc::new(move |caller, field| {
                let app = Arc::clone(&app);
                async move { note_denial::run(&app, &caller, &field).await }.boxed()
            })
        },
    };
    let strict = schema::build(app, ValidationMode::Strict, rules.introspection);
    let trusting = schema::build(app, ValidationMode::Fast, rules.introspection);
    Ok(Entry::new(strict, Some(trusting), &schema::sdl(), config)?)
}

fn settings(app: &App) -> HttpSettings {
    let Config { http, graphql, mode, .. } = &app.config;
    HttpSettings {
        cookies: CookieStyle::for_url(&http.public_url),
        origins: Origins::new(http.allowed_origins.clone(), *mode == Mode::Development),
        trusted_proxies: http.trusted_proxies.clone(),
        locales: app.locales.iter().map(|locale| (*locale).to_owned()).collect(),
        https: http.public_url.scheme() == "https",
        get_queries: graphql.get_queries,
        graphiql: graphql.graphiql,
        max_body_bytes: graphql.max_body_bytes,
        body_timeout: http.body_timeout,
        sockets: SocketSettings {
            per_user: count(graphql.sockets_per_user),
            anonymous_per_ip: count(graphql.uninitialised_sockets_per_ip),
            subscriptions: count(graphql.subscriptions_per_socket),
            max_age: graphql.socket_max_age,
            ..SocketSettings::default()
        },
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn admit(app: &App, ip: IpAddr) -> Admission {
    judge(app, ip, |subject| app.rate_limits.take_local(Rule::RequestsPerIp, subject, app.clock.now()))
}

/// The same question, which counts nothing.
fn looking(app: &Arc<App>) -> Admit {
    let app = Arc::clone(app);
    Arc::new(move |ip| judge(&app, ip, |subject| app.rate_limits.probe_local(Rule::RequestsPerIp, subject, app.clock.now())))
}

fn judge(app: &App, ip: IpAddr, ask: impl FnOnce(&str) -> Result<(), RateLimited>) -> Admission {
    if app.config.rate_limits.denied.iter().any(|network| network.contains(&ip)) {
        return Admission::Denied;
    }
    match ask(&ip_subject(ip)) {
        Ok(()) => Admission::Allowed,
        Err(limited) => Admission::Limited { retry_after: limited.retry_after },
    }
}

async fn admit_file(app: &App, caller: &Caller) -> Result<Incoming, Error> {
    settle("receive_picture", receive_picture::run(app, caller).await)?.map_err(|_| error::forbidden())
}

fn health(app: &Arc<App>, metrics: Metrics, closing: CancellationToken) -> Health {
    let (of_database, of_store, of_events, of_pools) = (Arc::clone(app), Arc::clone(app), Arc::clone(app), Arc::clone(app));
    let health = Health::new(metrics, closing)
        .measuring(move || {
            for pool in of_pools.database.pools() {
                metrics::gauge!("postern_database_connections", "pool" => pool.pool, "state" => "open").set(pool.open);
                metrics::gauge!("postern_database_connections", "pool" => pool.pool, "state" => "idle").set(pool.idle);
            }
        })
        .with("database", Need::Required, move || {
            let app = Arc::clone(&of_database);
            async move { app.database.ping().await.is_ok() }
        })
        .with("events", Need::Optional, move || {
            let app = Arc::clone(&of_events);
            async move { app.events.freshness().is_current() }
        });
    if app.config.redis.urls.is_empty() {
        return health;
    }
    health.with("redis", Need::Optional, move || {
        let app = Arc::clone(&of_store);
        async move { app.store.ping().await.is_ok() }
    })
}

/// Where the events stand; missing where the database does not say.
async fn position(events: Events) -> Data {
    let mut data = Data::default();
    match events.caught_up().await {
        Ok(positions) => data.insert(positions),
        Err(error) => tracing::warn!(%error, "cannot tell where the events stand"),
    }
    data
}

/// Who knows sessions and machines.
struct Sessions(Arc<App>);

#[async_trait]
impl Authenticate for Sessions {
    async fn authenticate(&self, credentials: Credentials) -> Identity {
        match credentials {
            Credentials::Nothing => Identity::Anonymous,
            Credentials::Unreadable => Identity::Refused(Reason::TokenInvalid),
            Credentials::AccessToken(token) => authenticate::run(&self.0, &token).await,
        }
    }

    fn user_id(&self, identity: &Identity) -> Option<Uuid> {
        match identity {
            Identity::Session(me) => Some(me.live.user.id),
            Identity::Machine(machine) => Some(machine.id),
            Identity::Anonymous | Identity::Refused(_) | Identity::Past { .. } => None,
        }
    }

    fn session_ended(&self, identity: &Identity) -> BoxFuture<'static, ()> {
        match identity {
            Identity::Session(me) => {
                let app = Arc::clone(&self.0);
                let session_id = me.live.session.id;
                let ended = app.events.session_ended(session_id, expires_at(&me.live));
                async move {
                    // It was live when it was authenticated; whether it still is, now that it is watched, has to be asked again.
                    if let Ok(None) = app.live_sessions.get(session_id, app.clock.now()).await {
                        return;
                    }
                    ended.await;
                }
                .boxed()
            }
            Identity::Machine(machine) => {
                let (app, machine) = (Arc::clone(&self.0), Arc::clone(machine));
                async move { app.machine_tokens.ended(&machine, &app.clock).await }.boxed()
            }
            Identity::Anonymous | Identity::Refused(_) | Identity::Past { .. } => std::future::pending().boxed(),
        }
    }
}
