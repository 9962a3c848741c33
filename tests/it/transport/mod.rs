//! A small schema behind the real transports, for the tests of limits, HTTP, sockets, streams and execution.

mod people;
mod schema;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{Data, Executor, ValidationMode};
use postern::{
    clock::Clock,
    entropy::Entropy,
    graphql::{
        entry::{Entry, EntryConfig},
        error,
        limits::Limits,
        root_fields::Sensitivity,
    },
    http::{
        cookies::CookieStyle,
        gateway::{Admission, Gateway, HttpSettings, SocketSettings},
        origin::Origins,
        router,
        sockets::Sockets,
    },
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use people::{People, level_of};
pub use schema::{DemoSchema, demo};

/// What a test may change before the server starts.
#[expect(clippy::struct_excessive_bools, reason = "each one is a setting of its own")]
pub struct Plan {
    pub introspection: bool,
    pub get_queries: bool,
    pub graphiql: bool,
    pub body_timeout: Duration,
    pub timeout: Duration,
    pub origins: Vec<String>,
    pub https: bool,
    pub sockets: SocketSettings,
    pub trusted_documents: Option<postern::graphql::trusted_documents::TrustedDocuments>,
    pub admission: Admission,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            introspection: true,
            get_queries: true,
            graphiql: true,
            body_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            origins: vec!["https://app.example.com".to_owned()],
            https: false,
            sockets: SocketSettings { farewell: Duration::from_millis(300), ..SocketSettings::default() },
            trusted_documents: None,
            admission: Admission::Allowed,
        }
    }
}

/// An entry to a schema, with the demo's rules.
pub fn entry<E: Executor>(strict: E, trusting: Option<E>, sdl: &str, plan: &Plan) -> Entry<E> {
    let config = EntryConfig {
        limits: Limits::default(),
        sensitivity: Sensitivity { harmless_mutations: ["note", "touch"].into(), sensitive_queries: ["usernameAvailable"].into() },
        introspection: plan.introspection,
        timeout: plan.timeout,
        trusted_documents: plan.trusted_documents.clone(),
        authorize: Arc::new(level_of),
        note_denial: Arc::new(|_, _| Box::pin(std::future::ready(()))),
    };
    Entry::new(strict, trusting, sdl, config).unwrap()
}

/// The demo's entry.
pub fn demo_entry(plan: &Plan) -> Entry<DemoSchema> {
    let strict = demo(plan.introspection, ValidationMode::Strict);
    let sdl = strict.sdl();
    entry(strict, Some(demo(plan.introspection, ValidationMode::Fast)), &sdl, plan)
}

/// A server that runs until the test ends.
pub struct Server {
    pub address: SocketAddr,
    pub people: Arc<People>,
    pub shutdown: CancellationToken,
    pub sockets: Arc<Sockets>,
    pub http: reqwest::Client,
}

impl Server {
    pub async fn start(plan: Plan) -> Self {
        let entry = demo_entry(&plan);
        Self::serve(entry, plan, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn serve<E: Executor>(entry: Entry<E>, plan: Plan, at: SocketAddr) -> Self {
        let people = Arc::new(People::default());
        let admission = plan.admission;
        let url = if plan.https { "https://auth.example.com" } else { "http://localhost:4000" };
        let gateway = Arc::new(Gateway {
            entry,
            authenticate: people.clone(),
            admit: Arc::new(move |_| admission),
            request_data: Arc::new(|_| Box::pin(std::future::ready(Data::default()))),
            admit_file: Arc::new(|_| Box::pin(std::future::ready(Err(error::forbidden())))),
            settings: HttpSettings {
                cookies: CookieStyle::for_url(&url.parse().unwrap()),
                origins: Origins::new(plan.origins, false),
                trusted_proxies: Vec::new(),
                locales: vec!["en".to_owned(), "th".to_owned()],
                https: plan.https,
                get_queries: plan.get_queries,
                graphiql: plan.graphiql,
                max_body_bytes: 65_536,
                body_timeout: plan.body_timeout,
                sockets: plan.sockets,
            },
            clock: Clock::system(),
            entropy: Entropy::system(),
            shutdown: CancellationToken::new(),
            sockets: Arc::new(Sockets::default()),
        });
        let (shutdown, sockets) = (gateway.shutdown.clone(), gateway.sockets.clone());
        let routes = router::finish(router::graphql_routes(&gateway), gateway);
        let listener = tokio::net::TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await });
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { address, people, shutdown, sockets, http: reqwest::Client::new() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Posts an operation as JSON; `token` is a Bearer token.
    pub async fn ask(&self, query: &str, token: Option<&str>) -> Reply {
        self.ask_with(&serde_json::json!({ "query": query }), token).await
    }

    pub async fn ask_with(&self, body: &Value, token: Option<&str>) -> Reply {
        let mut request = self.http.post(self.url("/graphql")).header("accept", "application/graphql-response+json").json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Reply::of(request).await
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of the first error.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn reason(&self) -> String {
        self.json()["errors"][0]["extensions"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// The code of a refusal by the entry itself.
pub fn code_of(error: &async_graphql::ServerError) -> &'static str {
    error::ErrorCode::of(error).map_or("", error::ErrorCode::as_str)
}
