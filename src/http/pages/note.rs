//! What a page says of what went wrong: above everything, or at the field that it is about.

use std::time::Duration;

use async_graphql::Error;
use axum::http::StatusCode;

use super::texts::Texts;
use crate::graphql::{
    answer::Answer,
    error::{ErrorCode, retry_after_of, whole_seconds},
    problem::{Problem, ProblemCode},
};

/// One thing that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The field that it is about, where the page has it.
    pub field: Option<&'static str>,
    /// What is said.
    pub words: Words,
    /// In how many seconds it may go better.
    pub retry_after: Option<u64>,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// As the API says it.
    Of(ProblemCode),
    /// Of the pages' own texts, by key.
    Own(&'static str),
}

impl Note {
    /// One of the pages' own.
    pub(super) const fn own(key: &'static str) -> Self {
        Self { field: None, words: Words::Own(key), retry_after: None }
    }

    /// One of the pages' own, at a field.
    pub(super) const fn at(field: &'static str, key: &'static str) -> Self {
        Self { field: Some(field), words: Words::Own(key), retry_after: None }
    }

    /// Whether it says that there is nothing behind the link (any more).
    pub(super) const fn is_of_dead_link(self) -> bool {
        matches!(self.words, Words::Of(ProblemCode::TokenInvalid | ProblemCode::TokenExpired))
    }

    /// For people.
    pub(super) fn text(self, texts: &Texts) -> String {
        let mut text = match self.words {
            Words::Of(code) => code.text(Some(texts.language)).to_owned(),
            Words::Own(key) => texts.text(&["notices", key]),
        };
        if let Some(seconds) = self.retry_after {
            text.push(' ');
            text.push_str(&texts.text(&["notices", "wait"]).replace("{minutes}", &seconds.div_ceil(60).to_string()));
        }
        text
    }
}

impl From<&Problem> for Note {
    fn from(problem: &Problem) -> Self {
        let retry_after = problem.wait().map(whole_seconds).filter(|seconds| *seconds > 0);
        Self { field: problem.field(), words: Words::Of(problem.kind()), retry_after }
    }
}

/// Why a page does not do what was asked for.
pub(super) enum Trouble {
    /// Refused; can be told at the form, where the link still stands.
    Refused(Vec<Note>),
    /// What can meet every operation.
    Error(Error),
}

impl From<Vec<Problem>> for Trouble {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Refused(problems.iter().map(Note::from).collect())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Trouble, as it is answered.
pub(super) struct Told {
    pub status: StatusCode,
    pub notes: Vec<Note>,
}

impl Told {
    /// Status and words. What broke is logged here, once, and not told.
    pub(super) fn of(trouble: Trouble, request_id: &str) -> Self {
        match trouble {
            Trouble::Refused(notes) => {
                let is_gone = notes.iter().any(|note| note.is_of_dead_link());
                Self { status: if is_gone { StatusCode::GONE } else { StatusCode::UNPROCESSABLE_ENTITY }, notes }
            }
            Trouble::Error(error) => {
                let answer = Answer::refusal(error, request_id);
                let error = answer.response.errors.first();
                let code = error.and_then(ErrorCode::of).unwrap_or(ErrorCode::Internal);
                let key = match code {
                    ErrorCode::RateLimited => "rate_limited",
                    ErrorCode::Overloaded => "overloaded",
                    ErrorCode::Forbidden => "denied",
                    ErrorCode::Unauthenticated
                    | ErrorCode::ReauthenticationRequired
                    | ErrorCode::BadRequest
                    | ErrorCode::CursorExpired
                    | ErrorCode::OperationTooComplex
                    | ErrorCode::Internal => "internal",
                };
                let note = Note { field: None, words: Words::Own(key), retry_after: error.and_then(retry_after_of) };
                Self { status: StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), notes: vec![note] }
            }
        }
    }

    /// When to come again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.notes.iter().find_map(|note| note.retry_after).map(Duration::from_secs)
    }
}
