//! What is refused to administrators about users.

use entity::Channel;

use super::{IntoProblems, Problem, ProblemCode, USERNAME, profile_path};
use crate::flows::{delete_user, reset_second_factors, revoke_user_sessions, set_user_role, set_user_status, unlock_user, update_user};

const USER_ID: &[&str] = &["input", "userId"];
const REASON: &[&str] = &["input", "reason"];

impl IntoProblems for Vec<update_user::Refusal> {
    fn into_problems(self) -> Vec<Problem> {
        self.into_iter().map(Problem::from).collect()
    }
}

impl From<update_user::Refusal> for Problem {
    fn from(refusal: update_user::Refusal) -> Self {
        const EMAIL: &[&str] = &["input", "email"];
        const PHONE: &[&str] = &["input", "phone"];
        match refusal {
            update_user::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
            update_user::Refusal::UsernameInvalid => Self::at(ProblemCode::UsernameInvalid, USERNAME),
            update_user::Refusal::UsernameTaken => Self::at(ProblemCode::UsernameTaken, USERNAME),
            update_user::Refusal::Invalid(Channel::Email) => Self::at(ProblemCode::EmailInvalid, EMAIL),
            update_user::Refusal::Invalid(Channel::Sms) => Self::at(ProblemCode::PhoneInvalid, PHONE),
            update_user::Refusal::Taken(Channel::Email) => Self::at(ProblemCode::EmailTaken, EMAIL),
            update_user::Refusal::Taken(Channel::Sms) => Self::at(ProblemCode::PhoneTaken, PHONE),
            update_user::Refusal::Profile(refusal) => Self::at(ProblemCode::InvalidInput, profile_path(refusal)),
            update_user::Refusal::Metadata => Self::at(ProblemCode::InvalidInput, &["input", "metadata"]),
            update_user::Refusal::ContactRequired => Self::new(ProblemCode::ContactRequired),
        }
    }
}

impl From<set_user_status::Refusal> for Problem {
    fn from(refusal: set_user_status::Refusal) -> Self {
        match refusal {
            set_user_status::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
            set_user_status::Refusal::Reason => Self::at(ProblemCode::InvalidInput, REASON),
            set_user_status::Refusal::LastAdmin => Self::new(ProblemCode::LastAdmin),
        }
    }
}

impl From<set_user_role::Refusal> for Problem {
    fn from(refusal: set_user_role::Refusal) -> Self {
        match refusal {
            set_user_role::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
            set_user_role::Refusal::LastAdmin => Self::new(ProblemCode::LastAdmin),
        }
    }
}

impl From<unlock_user::Refusal> for Problem {
    fn from(refusal: unlock_user::Refusal) -> Self {
        match refusal {
            unlock_user::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
        }
    }
}

impl From<reset_second_factors::Refusal> for Problem {
    fn from(refusal: reset_second_factors::Refusal) -> Self {
        match refusal {
            reset_second_factors::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
            reset_second_factors::Refusal::Reason => Self::at(ProblemCode::InvalidInput, REASON),
        }
    }
}

impl From<revoke_user_sessions::Refusal> for Problem {
    fn from(refusal: revoke_user_sessions::Refusal) -> Self {
        match refusal {
            revoke_user_sessions::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
            revoke_user_sessions::Refusal::SessionNotFound => Self::at(ProblemCode::SessionNotFound, &["input", "sessionId"]),
            revoke_user_sessions::Refusal::Reason => Self::at(ProblemCode::InvalidInput, REASON),
        }
    }
}

impl From<delete_user::Refusal> for Problem {
    fn from(refusal: delete_user::Refusal) -> Self {
        match refusal {
            delete_user::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, USER_ID),
            delete_user::Refusal::Reason => Self::at(ProblemCode::InvalidInput, REASON),
            delete_user::Refusal::LastAdmin => Self::new(ProblemCode::LastAdmin),
        }
    }
}
