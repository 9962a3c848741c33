//! The demo's schema: people with people inside, secrets, faults, and subscriptions that end in every way.
#![allow(clippy::unused_async, reason = "resolvers are async")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, Enum, ID, InputObject, Object, OneofObject, Result, Schema, Subscription, TypeDirective, Union, ValidationMode,
};
use futures::{Stream, StreamExt, stream};
use postern::{
    flows::caller::{Caller, Identity},
    graphql::{
        auth_level::AuthLevel,
        error,
        response_cookies::{CookieKind, ResponseCookies},
    },
};

#[TypeDirective(location = "FieldDefinition")]
fn auth(requires: AuthLevel) {}

pub type DemoSchema = Schema<Query, Mutation, Subscription>;

pub fn demo(introspection: bool, mode: ValidationMode) -> DemoSchema {
    let builder = Schema::build(Query, Mutation::default(), Subscription).validation_mode(mode);
    if introspection { builder.finish() } else { builder.disable_introspection().disable_suggestions().finish() }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Red,
    Blue,
}

#[derive(InputObject)]
pub struct SignInInput {
    name: String,
    #[graphql(default)]
    colour: Option<Colour>,
}

#[derive(OneofObject)]
pub enum Choice {
    Number(i32),
    Text(String),
}

pub struct Person(i32);

#[Object]
impl Person {
    async fn id(&self) -> ID {
        self.0.into()
    }
    async fn number(&self) -> i32 {
        self.0
    }
    async fn friend(&self) -> Person {
        Person(self.0 + 1)
    }
    async fn friends(&self, first: Option<i32>, last: Option<i32>) -> Vec<Person> {
        (0..first.or(last).unwrap_or(20).clamp(0, 100)).map(Person).collect()
    }
    async fn slow(&self, millis: u64) -> i32 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.0
    }
    /// Fails, but only itself.
    async fn brittle(&self, fail: bool) -> Option<Result<i32>> {
        if fail { Some(Err(error::forbidden())) } else { Some(Ok(1)) }
    }
    /// Fails, and takes its parent along.
    async fn fatal(&self) -> Result<i32> {
        Err(error::forbidden())
    }
}

pub struct Robot;

#[Object]
impl Robot {
    async fn model(&self) -> &str {
        "R2"
    }
}

#[derive(Union)]
pub enum Being {
    Person(Person),
    Robot(Robot),
}

pub struct Query;

/// Keeps the compiler from seeing that what follows is never reached.
const fn is_calm() -> bool {
    false
}

#[Object]
impl Query {
    async fn me(&self, context: &Context<'_>) -> Option<Result<Person>> {
        match &context.data_unchecked::<Arc<Caller>>().identity {
            Identity::Anonymous | Identity::Machine(_) => None,
            Identity::Refused(reason) | Identity::Past { reason, .. } => Some(Err(error::unauthenticated(*reason))),
            Identity::Session(signed_in) => Some(Ok(Person(i32::try_from(signed_in.live.user.id.as_u128()).unwrap()))),
        }
    }
    async fn person(&self) -> Option<Person> {
        Some(Person(0))
    }
    async fn people(&self, first: Option<i32>) -> Vec<Option<Person>> {
        (0..first.unwrap_or(3)).map(|number| Some(Person(number))).collect()
    }
    async fn beings(&self) -> Vec<Being> {
        vec![Being::Person(Person(7)), Being::Robot(Robot)]
    }
    #[graphql(directive = auth::apply(AuthLevel::SignedIn))]
    async fn cursor(&self) -> String {
        "c".to_owned()
    }
    #[graphql(directive = auth::apply(AuthLevel::Admin))]
    async fn users(&self, #[graphql(default = 50)] first: i32) -> Vec<Person> {
        (0..first).map(Person).collect()
    }
    #[graphql(directive = auth::apply(AuthLevel::Recent))]
    async fn vault(&self) -> i32 {
        42
    }
    async fn username_available(&self, username: String) -> bool {
        username.len() > 3
    }
    async fn choose(&self, choice: Choice) -> String {
        match choice {
            Choice::Number(number) => number.to_string(),
            Choice::Text(text) => text,
        }
    }
    async fn echo(&self, text: Option<String>, id: Option<ID>, #[graphql(default = 5)] number: i32) -> String {
        format!("{text:?} {id:?} {number}")
    }
    async fn fault(&self) -> Result<i32> {
        Err(error::internal("SELECT secret FROM users failed at /srv/postern/storage.rs"))
    }
    async fn io_fault(&self) -> Result<i32> {
        Err(std::io::Error::other("secret path"))?
    }
    async fn panic(&self) -> i32 {
        assert!(is_calm(), "secret panic");
        1
    }
    async fn limited(&self) -> Result<i32> {
        Err(error::rate_limited(Duration::from_millis(1500)))
    }
    async fn caller(&self, context: &Context<'_>) -> String {
        let caller = context.data_unchecked::<Arc<Caller>>();
        format!("{:?} {:?} {:?} {:?} {}", caller.locale, caller.device_token, caller.refresh_cookie, caller.user_agent, caller.method)
    }
}

#[derive(Default)]
pub struct Mutation {
    runs: AtomicUsize,
}

#[Object]
impl Mutation {
    async fn sign_in(&self, context: &Context<'_>, input: SignInInput) -> String {
        let cookies = context.data_unchecked::<ResponseCookies>();
        cookies.set(CookieKind::Access, "access-value".to_owned(), Duration::from_mins(1));
        cookies.clear(CookieKind::Refresh);
        format!("{} {}", input.name, input.colour.map_or("none", |colour| if colour == Colour::Red { "red" } else { "blue" }))
    }
    async fn resend(&self) -> bool {
        true
    }
    /// Harmless.
    async fn note(&self) -> usize {
        self.runs.fetch_add(1, Ordering::SeqCst) + 1
    }
    /// Harmless.
    async fn touch(&self) -> usize {
        self.runs.fetch_add(1, Ordering::SeqCst) + 1
    }
}

pub struct Subscription;

#[Subscription]
impl Subscription {
    /// Counts, and completes.
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(0..to)
    }
    /// Never says anything.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn))]
    async fn silence(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }
    /// As fast as it can.
    async fn flood(&self) -> impl Stream<Item = String> {
        stream::repeat_with(|| "x".repeat(8000)).then(|text| async {
            tokio::task::yield_now().await;
            text
        })
    }
    /// Tells the end of the session, and ends.
    #[graphql(directive = auth::apply(AuthLevel::SignedIn))]
    async fn farewell(&self) -> impl Stream<Item = Result<i32>> {
        stream::iter([Ok(1), Ok(2), Err(error::session_ended())])
    }
    async fn fault(&self) -> impl Stream<Item = Result<i32>> {
        stream::iter([Err(error::internal("secret stream"))])
    }
    async fn panic(&self) -> impl Stream<Item = i32> {
        stream::once(async { i32::try_from(u64::MAX).expect("secret panic") })
    }
}
