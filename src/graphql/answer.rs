//! Answers fit for the client, and the words for documents that cannot be read.

use async_graphql::{Error, Pos, Response, ServerError, Value, parser::Error as SyntaxError};

use super::{error, limits::Limits, scan};

/// Errors in an answer; validation can find one per token.
const MAX_ERRORS: usize = 20;

/// An answer fit for the client.
#[derive(Debug)]
pub struct Answer {
    /// Data and errors; each error has a code and the request id.
    pub response: Response,
    /// Whether nothing was executed, so that there is no `data` at all.
    pub refused: bool,
    /// Whether a stream failed before its first event.
    pub stillborn: bool,
}

impl Answer {
    /// An answer to a request that was not executed.
    pub fn refusal(error: Error, request_id: &str) -> Self {
        let mut error = ServerError { locations: Vec::new(), ..error.into_server_error(Pos::default()) };
        error::finish(&mut error, request_id);
        Self { response: Response::from_errors(vec![error]), refused: true, stillborn: false }
    }
}

/// Ends the errors of a response.
pub(super) fn finish(mut response: Response, request_id: &str, suggestions: bool) -> Answer {
    let refused = response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(is_before_execution);
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        if !suggestions && let Some(at) = error.message.find(" Did you mean") {
            error.message.truncate(at);
        }
        error::finish(error, request_id);
    }
    Answer { response, refused, stillborn: false }
}

/// Errors of execution have a path and come from a resolver; those of parsing and validation have none.
fn is_before_execution(error: &ServerError) -> bool {
    error.path.is_empty()
}

pub(super) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null && response.errors.iter().any(is_before_execution)
}

pub(super) fn scan_error(refusal: scan::Refusal, limits: &Limits) -> Error {
    match refusal {
        scan::Refusal::Nesting => error::too_complex(format!("Brackets may be nested {} deep.", scan::MAX_NESTING)),
        scan::Refusal::Tokens => error::too_complex(format!("A document may have {} tokens.", limits.tokens)),
        scan::Refusal::NameLength => error::too_complex("A name is too long."),
        scan::Refusal::OpenString => error::bad_request("Syntax error: a string does not end."),
    }
}

/// The parser's own text draws the line with an arrow under it: positions alone are enough.
pub(super) fn syntax_error(syntax: &SyntaxError) -> ServerError {
    let message = match syntax {
        SyntaxError::Syntax { .. } => "Syntax error.",
        SyntaxError::MultipleOperations { .. } => "An operation without a name must be the only one.",
        SyntaxError::OperationDuplicated { .. } => "Two operations have the same name.",
        SyntaxError::FragmentDuplicated { .. } => "Two fragments have the same name.",
        SyntaxError::MissingOperation => "The document has no operation.",
        SyntaxError::RecursionLimitExceeded => return unplaced(error::too_complex("The document is nested too deep.")),
        _ => "The document cannot be read.",
    };
    let mut error = unplaced(error::bad_request(message));
    error.locations = syntax.positions().collect();
    error
}

/// An error of the whole request.
pub(super) fn unplaced(error: Error) -> ServerError {
    ServerError { locations: Vec::new(), ..error.into_server_error(Pos::default()) }
}
