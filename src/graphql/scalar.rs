//! Scalars that print as the contract says.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use entity::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An instant in UTC, RFC 3339, for example `2026-11-20T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => match OffsetDateTime::parse(text, &Rfc3339) {
                Ok(instant) => Ok(Self(instant.into())),
                Err(_) => Err(InputValueError::custom("an RFC 3339 instant is expected, for example 2026-11-20T12:00:00.000Z")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// A calendar date without a time, for example `1990-04-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub time::Date);

const CALENDAR_DATE: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!("[year]-[month]-[day]");

#[Scalar]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => match time::Date::parse(text, CALENDAR_DATE) {
                Ok(date) => Ok(Self(date)),
                Err(_) => Err(InputValueError::custom("a date is expected, for example 1990-04-01")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(format!("{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day()))
    }
}

/// Any JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(pub serde_json::Value);

#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value.into_json() {
            Ok(json) => Ok(Self(json)),
            Err(_) => Err(InputValueError::custom("a JSON value is expected")),
        }
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or(Value::Null)
    }
}
