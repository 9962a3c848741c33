//! What is refused about second factors and trust.

use super::{CODE, Problem, ProblemCode};
use crate::flows::{
    begin_totp_enrollment, complete_second_factor, confirm_totp_enrollment, disable_totp, regenerate_recovery_codes, trust_session,
};

impl From<begin_totp_enrollment::Refusal> for Problem {
    fn from(refusal: begin_totp_enrollment::Refusal) -> Self {
        match refusal {
            begin_totp_enrollment::Refusal::AlreadyEnabled => Self::new(ProblemCode::TotpAlreadyEnabled),
        }
    }
}

impl From<confirm_totp_enrollment::Refusal> for Problem {
    fn from(refusal: confirm_totp_enrollment::Refusal) -> Self {
        match refusal {
            confirm_totp_enrollment::Refusal::Expired => Self::at(ProblemCode::CodeExpired, CODE),
            confirm_totp_enrollment::Refusal::CodeInvalid => Self::at(ProblemCode::CodeInvalid, CODE),
            confirm_totp_enrollment::Refusal::AlreadyEnabled => Self::new(ProblemCode::TotpAlreadyEnabled),
        }
    }
}

impl From<disable_totp::Refusal> for Problem {
    fn from(refusal: disable_totp::Refusal) -> Self {
        match refusal {
            disable_totp::Refusal::NotEnabled => Self::new(ProblemCode::TotpNotEnabled),
        }
    }
}

impl From<regenerate_recovery_codes::Refusal> for Problem {
    fn from(refusal: regenerate_recovery_codes::Refusal) -> Self {
        match refusal {
            regenerate_recovery_codes::Refusal::TotpNotEnabled => Self::new(ProblemCode::TotpNotEnabled),
        }
    }
}

impl From<complete_second_factor::Refusal> for Problem {
    fn from(refusal: complete_second_factor::Refusal) -> Self {
        const LOGIN_TOKEN: &[&str] = &["input", "loginToken"];
        const FACTOR: &[&str] = &["input", "factor"];
        match refusal {
            complete_second_factor::Refusal::TokenInvalid => Self::at(ProblemCode::TokenInvalid, LOGIN_TOKEN),
            complete_second_factor::Refusal::Invalid { attempts_left } => {
                Self { attempts_left: Some(attempts_left), ..Self::at(ProblemCode::SecondFactorInvalid, FACTOR) }
            }
            complete_second_factor::Refusal::TooManyAttempts => {
                Self { attempts_left: Some(0), ..Self::at(ProblemCode::TooManyAttempts, LOGIN_TOKEN) }
            }
            complete_second_factor::Refusal::Locked { until, now } => {
                Self { attempts_left: Some(0), ..Self::at(ProblemCode::TooManyAttempts, FACTOR) }.until(until, now)
            }
            complete_second_factor::Refusal::Account(refusal) => refusal.into(),
        }
    }
}

impl From<trust_session::Refusal> for Problem {
    fn from(refusal: trust_session::Refusal) -> Self {
        const SESSION: &[&str] = &["input", "sessionId"];
        match refusal {
            trust_session::Refusal::SessionNotFound => Self::at(ProblemCode::SessionNotFound, SESSION),
            trust_session::Refusal::NotOwn => Self::at(ProblemCode::InvalidInput, SESSION),
            trust_session::Refusal::NoDevice => Self::at(ProblemCode::NotFound, SESSION),
        }
    }
}
