//! One visit to a page: who comes, by which link, and what came of it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_graphql::{Error, Executor};
use async_trait::async_trait;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use zeroize::Zeroizing;

use super::{
    form::{Form, LANGUAGE, LINK_TOKEN, is_same_origin},
    frame::{Frame, Sheet},
    note::{Note, Told, Trouble, Words},
    view::View,
};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    flows::caller::Caller,
    graphql::{
        error::overloaded,
        problem::ProblemCode,
        response_cookies::{CookieKind, ResponseCookies},
    },
    http::{
        answer::{set_cookies, set_request_id},
        authenticate::CookieUse,
        gateway::{Arrival, Gateway},
        graphql::read_away,
    },
};

/// Tabs of a day share one.
const FORM_COOKIE: Duration = Duration::from_hours(24);
/// Longer ones are none of ours.
const LONGEST_TOKEN: usize = 256;

/// What a page works with.
pub(super) struct Visit<'a> {
    /// The program.
    pub app: &'a App,
    /// Who comes.
    pub caller: Caller,
    /// Of the link.
    pub token: Zeroizing<String>,
    /// What the browser shall keep.
    pub cookies: ResponseCookies,
}

/// What went wrong when the button was pressed.
pub(super) struct Met<'a>(&'a [Note]);

impl Met<'_> {
    /// Whether that did.
    pub(super) fn has(&self, code: ProblemCode) -> bool {
        self.0.iter().any(|note| note.words == Words::Of(code))
    }
}

/// One page.
#[async_trait]
pub(super) trait Page: Send + Sync + 'static {
    /// Its path, as in the links of messages.
    fn path(&self) -> &'static str;

    /// What is to be seen before the button is pressed, or after that went wrong; uses nothing up.
    async fn look(&self, visit: &Visit<'_>, met: Met<'_>) -> Result<View, Trouble>;

    /// What the button does.
    async fn act(&self, visit: &Visit<'_>, form: &Form) -> Result<View, Trouble>;
}

/// A page behind HTTP.
pub(super) struct Door<E> {
    pub page: Box<dyn Page>,
    pub frame: Arc<Frame>,
    pub app: Arc<App>,
    pub gateway: Arc<Gateway<E>>,
}

/// What every answer of one visit needs.
struct Opened<'a> {
    visit: Visit<'a>,
    form_cookie: String,
    /// The language in which a form was shown.
    spoken: Option<String>,
}

impl<E: Executor> Door<E> {
    /// Answers GET and HEAD.
    pub(super) async fn look(self: Arc<Self>, peer: IpAddr, request: Request) -> Response {
        let (head, _) = request.into_parts();
        let arrival = self.gateway.arrival(peer, &head.headers, "GET", self.page.path());
        if let Err(error) = self.gateway.admitted(arrival.ip) {
            return self.refuse(&head.headers, &arrival.request_id, error);
        }
        let token = head.uri.query().and_then(token_in).unwrap_or_default();
        let opened = self.open(arrival, &head.headers, token).await;
        match self.look_again(&opened, &[]).await {
            Ok(view) => self.show(&opened, StatusCode::OK, Some(&view), &[]),
            Err(trouble) => self.tell(&opened, trouble).await,
        }
    }

    /// Answers POST.
    pub(super) async fn act(self: Arc<Self>, peer: IpAddr, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let headers = &head.headers;
        let arrival = self.gateway.arrival(peer, headers, "POST", self.page.path());
        if let Err(error) = self.gateway.admitted(arrival.ip) {
            read_away(body.into_data_stream());
            return self.refuse(headers, &arrival.request_id, error);
        }
        if !is_same_origin(headers, &self.app.config.http.public_url.origin().ascii_serialization()) {
            read_away(body.into_data_stream());
            return self.bare(headers, &arrival.request_id, StatusCode::FORBIDDEN, &[Note::own("foreign")]);
        }
        let form = match Form::read(headers, body, self.app.config.http.body_timeout).await {
            Ok(form) => form,
            Err(refusal) => {
                let mut response = self.bare(headers, &arrival.request_id, refusal.status(), &[Note::own("unreadable")]);
                // What is left of the body is not used: the connection is of no more use.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                return response;
            }
        };
        let is_ours = form.is_of(&self.app, self.gateway.settings.cookies.find(headers, CookieKind::Form), self.page.path());
        let token = form.text(LINK_TOKEN).filter(|token| token.len() <= LONGEST_TOKEN).unwrap_or_default();
        let opened = Opened { spoken: form.text(LANGUAGE), ..self.open(arrival, headers, token).await };
        if !is_ours {
            return match self.look_again(&opened, &[]).await {
                Ok(view) => self.show(&opened, StatusCode::FORBIDDEN, Some(&view), &[Note::own("stale")]),
                Err(trouble) => self.tell(&opened, trouble).await,
            };
        }
        match self.in_time(self.page.act(&opened.visit, &form)).await {
            Ok(view) => self.show(&opened, StatusCode::OK, Some(&view), &[]),
            Err(trouble) => self.tell(&opened, trouble).await,
        }
    }

    /// Tells what went wrong: at the form, where the link still stands, so that it can be tried again.
    async fn tell(&self, opened: &Opened<'_>, trouble: Trouble) -> Response {
        let told = Told::of(trouble, &opened.visit.caller.request_id);
        let view = if told.status == StatusCode::GONE { None } else { self.look_again(opened, &told.notes).await.ok() };
        let mut response = self.show(opened, told.status, view.as_ref(), &told.notes);
        set_retry_after(response.headers_mut(), &told);
        response
    }

    async fn look_again(&self, opened: &Opened<'_>, met: &[Note]) -> Result<View, Trouble> {
        self.in_time(self.page.look(&opened.visit, Met(met))).await
    }

    async fn open(&self, arrival: Arrival, headers: &HeaderMap, token: String) -> Opened<'_> {
        let presented = self.gateway.presented(headers, CookieUse::Count);
        let identity = self.gateway.identify(presented.credentials).await;
        let caller = self.gateway.caller(arrival, headers, presented.device_token, presented.refresh_cookie, identity);
        let kept = self.gateway.settings.cookies.find(headers, CookieKind::Form).filter(|cookie| OpaqueToken::parse(cookie).is_some());
        let form_cookie = kept.map_or_else(|| OpaqueToken::generate(&self.app.entropy).raw().to_owned(), str::to_owned);
        let cookies = ResponseCookies::default();
        // Set anew each time, so that it never ends before the forms that are bound to it.
        cookies.set(CookieKind::Form, form_cookie.clone(), FORM_COOKIE);
        Opened { visit: Visit { app: &self.app, caller, token: Zeroizing::new(token), cookies }, form_cookie, spoken: None }
    }

    async fn in_time(&self, work: impl Future<Output = Result<View, Trouble>>) -> Result<View, Trouble> {
        let limit = self.app.config.http.request_timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(overloaded(Duration::from_secs(2)).into()))
    }

    fn show(&self, opened: &Opened<'_>, status: StatusCode, view: Option<&View>, notes: &[Note]) -> Response {
        let Opened { visit, form_cookie, spoken } = opened;
        let of_owner = view.and_then(|view| view.locale.as_deref()).or(spoken.as_deref());
        let language = self.frame.language(visit.caller.locale.as_deref(), of_owner);
        let html = self.frame.render(&self.app, language, &Sheet { view, notes, form_cookie });
        let mut response = self.frame.respond(status, language, html);
        set_request_id(response.headers_mut(), &visit.caller.request_id);
        set_cookies(response.headers_mut(), &visit.cookies.take(), self.gateway.settings.cookies);
        response
    }

    /// Answers a request of which nothing may be looked at.
    fn refuse(&self, headers: &HeaderMap, request_id: &str, error: Error) -> Response {
        let told = Told::of(error.into(), request_id);
        let mut response = self.bare(headers, request_id, told.status, &told.notes);
        set_retry_after(response.headers_mut(), &told);
        response
    }

    fn bare(&self, headers: &HeaderMap, request_id: &str, status: StatusCode, notes: &[Note]) -> Response {
        let language = self.frame.language(self.gateway.locale(headers).as_deref(), None);
        let html = self.frame.render(&self.app, language, &Sheet { view: None, notes, form_cookie: "" });
        let mut response = self.frame.respond(status, language, html);
        set_request_id(response.headers_mut(), request_id);
        response
    }
}

fn set_retry_after(headers: &mut HeaderMap, told: &Told) {
    if let Some(wait) = told.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
}

/// The token of a query string, where there is one that could be ours.
fn token_in(query: &str) -> Option<String> {
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == LINK_TOKEN)?.1.into_owned();
    (token.len() <= LONGEST_TOKEN).then_some(token)
}
