//! A file that comes with an operation.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, InputValueError, InputValueResult, Result, Scalar, ScalarType, Value};

use super::error;
use crate::flows::receive_picture::Received;

/// A file sent by the GraphQL multipart request specification.
pub struct Upload(String);

#[Scalar]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        // The transport has put a name there that only it knows.
        match value {
            Value::String(marker) => Ok(Self(marker)),
            _ => Err(InputValueError::custom("a file is expected, sent by the GraphQL multipart request specification")),
        }
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

/// The file of a request, in the context of its operation.
#[derive(Clone)]
pub struct Uploaded {
    marker: String,
    file: Arc<Mutex<Option<Received>>>,
}

impl Uploaded {
    /// The file that `marker` stands for.
    pub fn new(marker: String, file: Received) -> Self {
        Self { marker, file: Arc::new(Mutex::new(Some(file))) }
    }
}

impl Upload {
    /// The file, once.
    pub fn take(&self, ctx: &Context<'_>) -> Result<Received> {
        let uploaded = ctx.data_opt::<Uploaded>().filter(|uploaded| uploaded.marker == self.0);
        let file = uploaded.and_then(|uploaded| uploaded.file.lock().unwrap_or_else(PoisonError::into_inner).take());
        file.ok_or_else(|| error::bad_request("A file comes by the GraphQL multipart request specification."))
    }
}
