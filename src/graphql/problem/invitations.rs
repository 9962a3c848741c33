//! What is refused about accounts that administrators make, and about the links that they have sent.

use entity::Channel;

use super::{IntoProblems, Problem, ProblemCode, USERNAME, profile_path};
use crate::flows::{create_user, password_link::Unreachable, send_password_link};

impl IntoProblems for Vec<create_user::Refusal> {
    fn into_problems(self) -> Vec<Problem> {
        self.into_iter().map(Problem::from).collect()
    }
}

const fn field_of(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Email => &["input", "email"],
        Channel::Sms => &["input", "phone"],
    }
}

impl From<create_user::Refusal> for Problem {
    fn from(refusal: create_user::Refusal) -> Self {
        match refusal {
            create_user::Refusal::ContactRequired => Self::at(ProblemCode::ContactRequired, &["input"]),
            create_user::Refusal::Invalid(Channel::Email) => Self::at(ProblemCode::EmailInvalid, field_of(Channel::Email)),
            create_user::Refusal::Invalid(Channel::Sms) => Self::at(ProblemCode::PhoneInvalid, field_of(Channel::Sms)),
            create_user::Refusal::ChannelDisabled(channel) => Self::at(ProblemCode::MethodDisabled, field_of(channel)),
            create_user::Refusal::UsernameInvalid => Self::at(ProblemCode::UsernameInvalid, USERNAME),
            create_user::Refusal::Profile(refusal) => Self::at(ProblemCode::InvalidInput, profile_path(refusal)),
            create_user::Refusal::Metadata => Self::at(ProblemCode::InvalidInput, &["input", "metadata"]),
            create_user::Refusal::Taken(Channel::Email) => Self::at(ProblemCode::EmailTaken, field_of(Channel::Email)),
            create_user::Refusal::Taken(Channel::Sms) => Self::at(ProblemCode::PhoneTaken, field_of(Channel::Sms)),
            create_user::Refusal::UsernameTaken => Self::at(ProblemCode::UsernameTaken, USERNAME),
        }
    }
}

impl From<send_password_link::Refusal> for Problem {
    fn from(refusal: send_password_link::Refusal) -> Self {
        match refusal {
            send_password_link::Refusal::UserNotFound => Self::at(ProblemCode::UserNotFound, &["input", "userId"]),
            send_password_link::Refusal::Account(refusal) => refusal.into(),
            send_password_link::Refusal::Unreachable(Unreachable::NoContact) => Self::new(ProblemCode::ContactRequired),
            send_password_link::Refusal::Unreachable(Unreachable::ChannelDisabled) => Self::new(ProblemCode::MethodDisabled),
        }
    }
}
