//! What is refused about contacts.

use entity::Channel;

use super::{CODE, Problem, ProblemCode, TOKEN, no_guesses};
use crate::flows::{cancel_email_change, change_contact, confirm_contact_change, remove_phone, verify_contact};

impl From<change_contact::Refusal> for Problem {
    fn from(refusal: change_contact::Refusal) -> Self {
        match refusal {
            change_contact::Refusal::Invalid(Channel::Email) => Self::at(ProblemCode::EmailInvalid, input_of(Channel::Email)),
            change_contact::Refusal::Invalid(Channel::Sms) => Self::at(ProblemCode::PhoneInvalid, input_of(Channel::Sms)),
            change_contact::Refusal::ChannelDisabled(channel) => Self::at(ProblemCode::MethodDisabled, input_of(channel)),
            change_contact::Refusal::Unchanged(channel) => Self::at(ProblemCode::InvalidInput, input_of(channel)),
        }
    }
}

const fn input_of(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Email => &["input", "newEmail"],
        Channel::Sms => &["input", "newPhone"],
    }
}

impl From<confirm_contact_change::Refusal> for Problem {
    fn from(refusal: confirm_contact_change::Refusal) -> Self {
        match refusal {
            confirm_contact_change::Refusal::CodeInvalid { attempts_left } => {
                Self { attempts_left, ..Self::at(ProblemCode::CodeInvalid, CODE) }
            }
            confirm_contact_change::Refusal::CodeExpired => Self::at(ProblemCode::CodeExpired, CODE),
            confirm_contact_change::Refusal::TooManyAttempts { retry_after } => no_guesses(retry_after, CODE),
            confirm_contact_change::Refusal::Taken(Channel::Email) => Self::new(ProblemCode::EmailTaken),
            confirm_contact_change::Refusal::Taken(Channel::Sms) => Self::new(ProblemCode::PhoneTaken),
        }
    }
}

impl From<cancel_email_change::Refusal> for Problem {
    fn from(refusal: cancel_email_change::Refusal) -> Self {
        match refusal {
            cancel_email_change::Refusal::TokenInvalid => Self::at(ProblemCode::TokenInvalid, TOKEN),
            cancel_email_change::Refusal::TokenExpired => Self::at(ProblemCode::TokenExpired, TOKEN),
            cancel_email_change::Refusal::EmailTaken => Self::new(ProblemCode::EmailTaken),
        }
    }
}

impl From<verify_contact::Refusal> for Problem {
    fn from(refusal: verify_contact::Refusal) -> Self {
        const CHANNEL: &[&str] = &["input", "channel"];
        match refusal {
            verify_contact::Refusal::NothingToVerify => Self::at(ProblemCode::NotFound, CHANNEL),
            verify_contact::Refusal::ChannelDisabled => Self::at(ProblemCode::MethodDisabled, CHANNEL),
        }
    }
}

impl From<remove_phone::Refusal> for Problem {
    fn from(refusal: remove_phone::Refusal) -> Self {
        match refusal {
            remove_phone::Refusal::LastSignInMethod => Self::new(ProblemCode::LastSignInMethod),
            remove_phone::Refusal::ContactRequired => Self::new(ProblemCode::ContactRequired),
        }
    }
}
