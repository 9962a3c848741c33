//! One POST to a service that the settings name: bounded in time and size, and never led elsewhere.

use std::{fmt, time::Duration};

use reqwest::{
    Client, Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    redirect::Policy,
};

use super::send_failure::{SendFailure, one_line};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Posts. Keeps connections for the next one.
pub(super) struct Poster {
    client: Client,
}

/// Name and password.
pub(super) struct Credentials<'a> {
    pub name: &'a str,
    pub password: &'a str,
}

/// What is posted.
pub(super) struct Parcel<'a> {
    pub url: Url,
    pub content_type: &'static str,
    pub body: String,
    pub headers: Vec<(&'static str, String)>,
    pub credentials: Option<Credentials<'a>>,
}

/// What a service answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Poster")
    }
}

impl Poster {
    /// `timeout` is for one POST from connecting to the end of the answer.
    pub(super) fn new(timeout: Duration) -> Result<Self, String> {
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(timeout)
            .user_agent(concat!("Postern/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| one_line(&error))?;
        Ok(Self { client })
    }

    /// Any answer is one, also a refusal; without one it may go better later.
    pub(super) async fn post(&self, parcel: Parcel<'_>) -> Result<Answer, SendFailure> {
        let later = |error: reqwest::Error| SendFailure::Later(cause(&error));
        let mut request = self.client.post(parcel.url).header(CONTENT_TYPE, parcel.content_type).body(parcel.body);
        for (name, value) in parcel.headers {
            let value = HeaderValue::try_from(value).map_err(|error| SendFailure::Refused(one_line(&error)))?;
            request = request.header(HeaderName::from_static(name), value);
        }
        if let Some(credentials) = parcel.credentials {
            request = request.basic_auth(credentials.name, Some(credentials.password));
        }
        let mut response = request.send().await.map_err(later)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(later)? {
            body.extend_from_slice(chunk.get(..chunk.len().min(LONGEST_ANSWER - body.len())).unwrap_or_default());
            if body.len() >= LONGEST_ANSWER {
                break;
            }
        }
        Ok(Answer { status, body })
    }
}

/// The innermost cause says what happened; the URL is left out, since it may carry what the log must not have.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    one_line(&cause)
}
