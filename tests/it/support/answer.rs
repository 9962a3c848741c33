//! What a GraphQL request was answered.

use reqwest::header::HeaderMap;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Value,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// `data`; null where there is none.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    pub fn errors(&self) -> &[Value] {
        self.body["errors"].as_array().map_or(&[], Vec::as_slice)
    }

    /// `extensions.code` of the first error.
    pub fn code(&self) -> Option<&str> {
        self.errors().first().and_then(|error| error["extensions"]["code"].as_str())
    }

    /// `extensions.reason` of the first error.
    pub fn reason(&self) -> Option<&str> {
        self.errors().first().and_then(|error| error["extensions"]["reason"].as_str())
    }

    /// The data of an answer that must have no error.
    #[track_caller]
    pub fn expect_data(self) -> Value {
        assert!(self.status == 200 && self.errors().is_empty(), "expected data: {} {}", self.status, self.body);
        self.body["data"].clone()
    }

    /// The only root field of an answer that must have no error.
    #[track_caller]
    pub fn expect_field(self) -> Value {
        let data = self.expect_data();
        data.as_object().and_then(|fields| fields.values().next()).cloned().unwrap_or_else(|| panic!("expected a field: {data}"))
    }

    /// The payload of a mutation that must have met no problem.
    #[track_caller]
    pub fn expect_done(self) -> Value {
        let payload = self.expect_field();
        assert_eq!(payload["problems"], serde_json::json!([]), "expected no problem: {payload}");
        payload
    }

    /// The first problem of a mutation that must have been refused with `code`.
    #[track_caller]
    pub fn expect_problem(self, code: &str) -> Value {
        let payload = self.expect_field();
        assert_eq!(payload["problems"][0]["code"], code, "expected a problem: {payload}");
        payload["problems"][0].clone()
    }

    /// The first error of an answer that must have failed with `code`.
    #[track_caller]
    pub fn expect_error(self, code: &str) -> Value {
        assert_eq!(self.code(), Some(code), "expected an error: {} {}", self.status, self.body);
        self.errors()[0].clone()
    }
}
