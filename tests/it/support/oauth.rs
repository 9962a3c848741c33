//! What people do on their way to a provider and back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{
    actors::{Member, Visitor},
    answer::Answer,
    provider::{FakeProvider, Person, read},
};

/// Where browsers come back to in tests.
pub const HOME: &str = "http://localhost:5173/signed-in";

/// A trip to a provider that has begun.
#[derive(Clone, Debug)]
pub struct Trip {
    /// Where the browser is to be sent.
    pub url: String,
    /// What the client keeps.
    pub verifier: String,
}

/// A page as the browser got it.
#[derive(Clone, Debug)]
pub struct Visit {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Visit {
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.headers.get(LOCATION).unwrap_or_else(|| panic!("sent nowhere: {} {}", self.status, self.body));
        location.to_str().unwrap().to_owned()
    }

    /// The code that came back to the client.
    #[track_caller]
    pub fn code(&self) -> String {
        let (url, mut pairs) = read(&self.location());
        assert!(url.starts_with(HOME.split('?').next().unwrap()), "{url}");
        pairs.remove("code").expect("a code came back")
    }

    /// The small page that says that the browser is sent nowhere.
    #[track_caller]
    pub fn expect_lost(&self) {
        assert_eq!(self.status, 400, "{}", self.body);
        assert!(!self.headers.contains_key(LOCATION) && self.body.contains("begin again"), "{}", self.body);
    }
}

pub fn verifier(seed: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(seed))
}

pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

const BEGIN: &str = "mutation ($input: BeginOAuthInput!) { beginOAuth(input: $input) {
    authorizationUrl expiresAt problems { code message path } } }";
const COMPLETE: &str = "mutation ($input: CompleteOAuthInput!) { completeOAuth(input: $input) { outcome { __typename
    ... on SignedIn { isNewUser user { id email username displayName fullName emailVerifiedAt } session { id status loginMethod }
        tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt deviceToken } }
    ... on SecondFactorRequired { loginToken methods expiresAt }
    ... on IdentityLinked { identity { id provider email linkedAt lastUsedAt } user { id } } }
    problems { code message path retryAfterSeconds attemptsLeft } } }";

fn begin_input(provider: &str, intent: &str, verifier: &str) -> Value {
    json!({"input": {"provider": provider, "redirectUri": HOME, "codeChallenge": challenge(verifier), "intent": intent}})
}

fn trip_of(answer: Answer, verifier: String) -> Trip {
    Trip { url: answer.expect_done()["authorizationUrl"].as_str().unwrap().to_owned(), verifier }
}

impl Visitor {
    pub async fn try_begin_oauth(&self, input: Value) -> Answer {
        self.graphql(BEGIN, json!({"input": input})).await
    }

    /// Begins to sign in with a provider.
    pub async fn begin_oauth(&self, provider: &str) -> Trip {
        let kept = verifier(&format!("{} {provider}", self.address()));
        trip_of(self.graphql(BEGIN, begin_input(provider, "SIGN_IN", &kept)).await, kept)
    }

    /// Opens an address of the gateway as a browser does; cookies are kept, redirects are not followed.
    pub async fn visit(&self, url: &str) -> Visit {
        let url = url::Url::parse(url).unwrap();
        let path = format!("{}{}", url.path(), url.query().map(|query| format!("?{query}")).unwrap_or_default());
        self.see(self.request(Method::GET, &path)).await
    }

    /// Sends the query of an address as a form instead, as Apple does, with what else is in the form.
    pub async fn post_back(&self, url: &str, more: &[(&str, &str)]) -> Visit {
        let url = url::Url::parse(url).unwrap();
        let body = form_urlencoded::Serializer::new(url.query().unwrap_or_default().to_owned()).extend_pairs(more).finish();
        self.see(self.request(Method::POST, url.path()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)).await
    }

    async fn see(&self, mut request: reqwest::RequestBuilder) -> Visit {
        // An app opens pages in the browser of its system.
        if let Some(cookies) = self.cookies().header().filter(|_| !self.is_browser()) {
            request = request.header(COOKIE, cookies);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        self.change_cookies(|jar| jar.keep(&headers));
        Visit { status, headers, body: response.text().await.unwrap() }
    }

    /// Goes to the provider, says yes there, and comes back.
    pub async fn travels(&self, trip: &Trip, provider: &FakeProvider, person: &Person) -> Visit {
        let away = self.visit(&trip.url).await;
        self.visit(&provider.approves(&away.location(), person)).await
    }

    pub async fn try_complete_oauth(&self, code: &str, verifier: &str) -> Answer {
        let delivery = if self.is_browser() { "COOKIE" } else { "BODY" };
        self.graphql(COMPLETE, json!({"input": {"code": code, "codeVerifier": verifier, "tokenDelivery": delivery}})).await
    }

    /// The whole way to sign in with a provider, whatever comes of it.
    pub async fn try_sign_in_with(&self, id: &str, provider: &FakeProvider, person: &Person) -> Answer {
        let trip = self.begin_oauth(id).await;
        let code = self.travels(&trip, provider, person).await.code();
        self.try_complete_oauth(&code, &trip.verifier).await
    }

    /// The same, and it goes well.
    pub async fn sign_in_with(&self, id: &str, provider: &FakeProvider, person: &Person) -> Member {
        Member::of(self, &self.try_sign_in_with(id, provider, person).await.expect_done()["outcome"])
    }
}

impl Member {
    pub async fn try_begin_oauth(&self, provider: &str, intent: &str, verifier: &str) -> Answer {
        self.graphql(BEGIN, begin_input(provider, intent, verifier)).await
    }

    /// Goes the whole way for something else than to sign in, and returns the code and what is kept.
    pub async fn travels_for(&self, intent: &str, id: &str, provider: &FakeProvider, person: &Person) -> (String, String) {
        let kept = verifier(&format!("{} {intent}", self.session_id));
        let trip = trip_of(self.try_begin_oauth(id, intent, &kept).await, kept);
        (self.visitor.travels(&trip, provider, person).await.code(), trip.verifier)
    }

    pub async fn try_complete_oauth(&self, code: &str, verifier: &str) -> Answer {
        let delivery = if self.visitor.is_browser() { "COOKIE" } else { "BODY" };
        self.graphql(COMPLETE, json!({"input": {"code": code, "codeVerifier": verifier, "tokenDelivery": delivery}})).await
    }

    /// The whole way to link a provider, whatever comes of it.
    pub async fn try_link(&self, id: &str, provider: &FakeProvider, person: &Person) -> Answer {
        let (code, kept) = self.travels_for("LINK", id, provider, person).await;
        self.try_complete_oauth(&code, &kept).await
    }

    pub async fn try_reauthenticate_by_oauth(&self, code: &str, verifier: &str) -> Answer {
        let query = "mutation ($input: ReauthenticateInput!) { reauthenticate(input: $input) { session { id authenticatedAt }
            tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt deviceToken } problems { code message path } } }";
        self.graphql(query, json!({"input": {"proof": {"oauth": {"code": code, "codeVerifier": verifier}}}})).await
    }

    pub async fn try_unlink(&self, identity_id: &str) -> Answer {
        let query = "mutation ($input: UnlinkIdentityInput!) { unlinkIdentity(input: $input) {
            user { id identities { id } } problems { code message path } } }";
        self.graphql(query, json!({"input": {"identityId": identity_id}})).await
    }

    /// What is linked, the oldest first.
    pub async fn identities(&self) -> Vec<Value> {
        let me = self.graphql("{ me { identities { id provider email linkedAt lastUsedAt } } }", json!({})).await.expect_field();
        me["identities"].as_array().unwrap().clone()
    }

    /// By what it can be proved again who is there.
    pub async fn reauthentication_methods(&self) -> Value {
        self.graphql("{ currentSession { reauthenticationMethods } }", json!({})).await.expect_field()["reauthenticationMethods"].clone()
    }
}
