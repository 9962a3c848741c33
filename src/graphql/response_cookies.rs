//! The cookies that a resolver wants its answer to carry, in words that know nothing of HTTP.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Which of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieKind {
    /// The access token; lasts as long as the refresh token, so that an expired token reads as expired, not as signed out.
    Access,
    /// The refresh token.
    Refresh,
    /// The device token.
    Device,
    /// The round trips to providers that the browser began.
    OAuth,
    /// What the forms of the hosted pages are bound to.
    Form,
}

/// A cookie to set or, without a value, to clear.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseCookie {
    /// Which one.
    pub kind: CookieKind,
    /// Its value and how long it lasts.
    pub value: Option<(String, Duration)>,
}

impl fmt::Debug for ResponseCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, if self.value.is_some() { "set" } else { "cleared" })
    }
}

/// Collects cookies while a request runs; in the request's data. Where it is missing, the transport has no cookies.
#[derive(Clone, Debug, Default)]
pub struct ResponseCookies(Arc<Mutex<Vec<ResponseCookie>>>);

impl ResponseCookies {
    /// Sets a cookie; the last word on a kind counts.
    pub fn set(&self, kind: CookieKind, value: String, max_age: Duration) {
        self.put(ResponseCookie { kind, value: Some((value, max_age)) });
    }

    /// Clears a cookie.
    pub fn clear(&self, kind: CookieKind) {
        self.put(ResponseCookie { kind, value: None });
    }

    fn put(&self, cookie: ResponseCookie) {
        let mut cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.retain(|other| other.kind != cookie.kind);
        cookies.push(cookie);
    }

    /// What was collected.
    pub fn take(&self) -> Vec<ResponseCookie> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
