//! What is refused about passkeys.

use super::{Problem, ProblemCode};
use crate::flows::{
    begin_passkey_registration, begin_passkey_sign_in, delete_passkey, finish_passkey_registration, passkey_assertion, rename_passkey,
    sign_in_with_passkey,
};

const CREDENTIAL: &[&str] = &["input", "credential"];
const LOGIN_TOKEN: &[&str] = &["input", "loginToken"];
const NAME: &[&str] = &["input", "name"];
const PASSKEY_ID: &[&str] = &["input", "passkeyId"];

/// Where an answer of a passkey stands in the input.
const fn of_assertion(refusal: passkey_assertion::Refusal, token: &'static [&'static str], answer: &'static [&'static str]) -> Problem {
    match refusal {
        passkey_assertion::Refusal::TokenInvalid => Problem::at(ProblemCode::TokenInvalid, token),
        passkey_assertion::Refusal::Invalid { .. } => Problem::at(ProblemCode::PasskeyInvalid, answer),
    }
}

/// The same in `reauthenticate`.
pub(super) const fn of_step_up(refusal: passkey_assertion::Refusal) -> Problem {
    of_assertion(refusal, &["input", "proof", "passkey", "loginToken"], &["input", "proof", "passkey", "credential"])
}

impl From<sign_in_with_passkey::Refusal> for Problem {
    fn from(refusal: sign_in_with_passkey::Refusal) -> Self {
        match refusal {
            sign_in_with_passkey::Refusal::Passkey(refusal) => of_assertion(refusal, LOGIN_TOKEN, CREDENTIAL),
            sign_in_with_passkey::Refusal::Account(refusal) => refusal.into(),
        }
    }
}

impl From<begin_passkey_sign_in::Refusal> for Problem {
    fn from(refusal: begin_passkey_sign_in::Refusal) -> Self {
        match refusal {
            begin_passkey_sign_in::Refusal::MethodDisabled => Self::new(ProblemCode::MethodDisabled),
            begin_passkey_sign_in::Refusal::TokenInvalid => Self::at(ProblemCode::TokenInvalid, LOGIN_TOKEN),
        }
    }
}

impl From<begin_passkey_registration::Refusal> for Problem {
    fn from(refusal: begin_passkey_registration::Refusal) -> Self {
        match refusal {
            begin_passkey_registration::Refusal::MethodDisabled => Self::new(ProblemCode::MethodDisabled),
        }
    }
}

impl From<finish_passkey_registration::Refusal> for Problem {
    fn from(refusal: finish_passkey_registration::Refusal) -> Self {
        match refusal {
            finish_passkey_registration::Refusal::NameInvalid => Self::at(ProblemCode::InvalidInput, NAME),
            finish_passkey_registration::Refusal::PasskeyInvalid => Self::at(ProblemCode::PasskeyInvalid, CREDENTIAL),
            finish_passkey_registration::Refusal::AlreadyRegistered => Self::at(ProblemCode::PasskeyAlreadyRegistered, CREDENTIAL),
            finish_passkey_registration::Refusal::MethodDisabled => Self::new(ProblemCode::MethodDisabled),
        }
    }
}

impl From<rename_passkey::Refusal> for Problem {
    fn from(refusal: rename_passkey::Refusal) -> Self {
        match refusal {
            rename_passkey::Refusal::NameInvalid => Self::at(ProblemCode::InvalidInput, NAME),
            rename_passkey::Refusal::NotFound => Self::at(ProblemCode::NotFound, PASSKEY_ID),
        }
    }
}

impl From<delete_passkey::Refusal> for Problem {
    fn from(refusal: delete_passkey::Refusal) -> Self {
        match refusal {
            delete_passkey::Refusal::NotFound => Self::at(ProblemCode::NotFound, PASSKEY_ID),
            delete_passkey::Refusal::LastSignInMethod => Self::new(ProblemCode::LastSignInMethod),
        }
    }
}
