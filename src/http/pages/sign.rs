//! A page without anything to do: says why the browser is sent nowhere.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    frame::{Frame, PageError, Sheet},
    note::{Note, Told},
};
use crate::app::App;

/// Makes such pages, in the style of the others.
pub struct Sign(Frame);

impl Sign {
    pub(in crate::http) fn new(app: &App) -> Result<Self, PageError> {
        Ok(Self(Frame::new(app)?))
    }

    /// A text of the pages' own, by key.
    pub(in crate::http) fn show(&self, app: &App, status: StatusCode, locale: Option<&str>, key: &'static str) -> Response {
        self.respond(app, status, locale, &[Note::own(key)])
    }

    /// What can meet every request. What broke is logged here.
    pub(in crate::http) fn tell(&self, app: &App, locale: Option<&str>, error: async_graphql::Error, request_id: &str) -> Response {
        let told = Told::of(error.into(), request_id);
        let mut response = self.respond(app, told.status, locale, &told.notes);
        if let Some(wait) = told.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }

    fn respond(&self, app: &App, status: StatusCode, locale: Option<&str>, notes: &[Note]) -> Response {
        let language = self.0.language(locale, None);
        let html = self.0.render(app, language, &Sheet { view: None, notes, form_cookie: "" });
        self.0.respond(status, language, html)
    }
}
