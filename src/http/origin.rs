//! Which web origins may call: an exact list, and every loopback origin in development.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

/// The allowed origins.
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Vec<String>,
    any_loopback: bool,
}

/// What a request's `Origin` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none: no browser, or the same origin.
    Absent,
    /// It is allowed.
    Allowed,
    /// It is not.
    Foreign,
}

impl Origins {
    /// `allowed` are serialized origins as browsers send them, for example `https://app.example.com`.
    pub fn new(allowed: Vec<String>, any_loopback: bool) -> Self {
        Self { allowed, any_loopback }
    }

    /// Judges the `Origin` of a request. Two of them, `null` and what is no text are foreign.
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Verdict::Absent,
            (Some(origin), None) if origin.to_str().is_ok_and(|origin| self.allows(origin)) => Verdict::Allowed,
            _ => Verdict::Foreign,
        }
    }

    fn allows(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == origin) || (self.any_loopback && is_loopback(origin))
    }

    /// Adds what lets a page of an allowed origin read the answer.
    pub fn expose(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(header::VARY, HeaderValue::from_static("Origin"));
        if self.judge(request) == Verdict::Allowed
            && let Some(origin) = request.get(header::ORIGIN)
        {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After, X-Request-Id"));
        }
    }

    /// Answers a preflight.
    pub fn preflight(&self, request: &HeaderMap) -> Response {
        if self.judge(request) != Verdict::Allowed {
            return (StatusCode::FORBIDDEN, [(header::VARY, "Origin")]).into_response();
        }
        let mut answer = StatusCode::NO_CONTENT.into_response();
        let headers = answer.headers_mut();
        self.expose(request, headers);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type, Authorization, GraphQL-Require-Preflight, Postern-Device"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        answer
    }
}

/// Methods that `Access-Control-Request-Method` and forms can name but that change nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_loopback(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    let named = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    named && matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(origins: &Origins, origin: &'static str) -> Verdict {
        origins.judge(&HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]))
    }

    #[test]
    fn the_list_is_exact() {
        // H11
        let origins = Origins::new(vec!["https://app.example.com".to_owned()], false);
        assert_eq!(judged(&origins, "https://app.example.com"), Verdict::Allowed);
        for foreign in [
            "null",
            "https://app.example.com.evil.org",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://evil.org",
            "http://localhost:4000",
            "",
        ] {
            assert_eq!(judged(&origins, foreign), Verdict::Foreign, "{foreign}");
        }
        assert_eq!(origins.judge(&HeaderMap::new()), Verdict::Absent);
    }

    #[test]
    fn development_allows_every_loopback_origin() {
        let origins = Origins::new(Vec::new(), true);
        for allowed in ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:3000", "http://app.localhost:3000"] {
            assert_eq!(judged(&origins, allowed), Verdict::Allowed, "{allowed}");
        }
        for foreign in
            ["http://localhost.evil.org", "http://evil.org", "file://localhost", "http://localhost:3000/", "http://a@localhost:3000"]
        {
            assert_eq!(judged(&origins, foreign), Verdict::Foreign, "{foreign}");
        }
    }
}
