//! What is refused about providers.

use super::{CODE, Problem, ProblemCode};
use crate::flows::{begin_oauth, complete_oauth, oauth_trip, unlink_identity};

impl From<begin_oauth::Refusal> for Problem {
    fn from(refusal: begin_oauth::Refusal) -> Self {
        const PROVIDER: &[&str] = &["input", "provider"];
        match refusal {
            begin_oauth::Refusal::ProviderUnknown => Self::at(ProblemCode::ProviderUnknown, PROVIDER),
            begin_oauth::Refusal::ProviderFailed => Self::at(ProblemCode::ProviderFailed, PROVIDER),
            begin_oauth::Refusal::RedirectUriNotAllowed => Self::at(ProblemCode::RedirectUriNotAllowed, &["input", "redirectUri"]),
            begin_oauth::Refusal::ChallengeInvalid => Self::at(ProblemCode::InvalidInput, &["input", "codeChallenge"]),
            begin_oauth::Refusal::MethodDisabled => Self::at(ProblemCode::MethodDisabled, PROVIDER),
        }
    }
}

pub(super) const fn of_trip(refusal: oauth_trip::Refusal, path: &'static [&'static str]) -> Problem {
    match refusal {
        oauth_trip::Refusal::CodeInvalid => Problem::at(ProblemCode::CodeInvalid, path),
        oauth_trip::Refusal::Denied => Problem::new(ProblemCode::ProviderDenied),
        oauth_trip::Refusal::Failed => Problem::new(ProblemCode::ProviderFailed),
    }
}

impl From<complete_oauth::Refusal> for Problem {
    fn from(refusal: complete_oauth::Refusal) -> Self {
        match refusal {
            complete_oauth::Refusal::Trip(refusal) => of_trip(refusal, CODE),
            complete_oauth::Refusal::Conflict => Self::new(ProblemCode::IdentityConflict),
            complete_oauth::Refusal::SignUpDisabled => Self::new(ProblemCode::SignUpDisabled),
            complete_oauth::Refusal::Account(refusal) => refusal.into(),
            // The resolver answers it as an error.
            complete_oauth::Refusal::NotRecent => Self::new(ProblemCode::MethodDisabled),
        }
    }
}

impl From<unlink_identity::Refusal> for Problem {
    fn from(refusal: unlink_identity::Refusal) -> Self {
        match refusal {
            unlink_identity::Refusal::NotFound => Self::at(ProblemCode::NotFound, &["input", "identityId"]),
            unlink_identity::Refusal::LastSignInMethod => Self::new(ProblemCode::LastSignInMethod),
            unlink_identity::Refusal::ContactRequired => Self::new(ProblemCode::ContactRequired),
        }
    }
}
