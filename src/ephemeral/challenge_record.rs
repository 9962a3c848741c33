//! A challenge as named texts, which is how Redis keeps it.

use std::collections::HashMap;

use entity::Channel;
use uuid::Uuid;

use super::challenges::{Challenge, Purpose, State};
use crate::clock::Timestamp;

/// Names and values of every field; what there is none of is an empty text.
pub(super) fn write(challenge: &Challenge) -> [(&'static str, String); 13] {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    [
        ("purpose", purpose_name(challenge.purpose).to_owned()),
        ("channel", challenge.channel.as_str().to_owned()),
        ("contact", challenge.contact.clone()),
        ("user_id", id(challenge.user_id)),
        ("subject", id(challenge.subject)),
        ("code_hash", write_hash(challenge.code_hash)),
        ("attempts", challenge.attempts_left.to_string()),
        ("attempts_left", challenge.attempts_left.to_string()),
        ("state", state_name(challenge.state).to_owned()),
        ("created_at", challenge.created_at.millis().to_string()),
        ("expires_at", challenge.expires_at.millis().to_string()),
        ("gone_at", challenge.gone_at().millis().to_string()),
        ("resend_at", challenge.resend_at.millis().to_string()),
    ]
}

/// The challenge again; `None` where a field is missing or makes no sense.
pub(super) fn read(id: Uuid, fields: &HashMap<String, String>) -> Option<Challenge> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    let instant = |name: &str| text(name)?.parse().ok().map(Timestamp::from_millis);
    Some(Challenge {
        id,
        purpose: PURPOSES.into_iter().find(|purpose| Some(purpose_name(*purpose)) == text("purpose"))?,
        channel: Channel::parse(text("channel")?)?,
        contact: text("contact")?.to_owned(),
        user_id: read_id(text("user_id")?).ok()?,
        subject: read_id(text("subject")?).ok()?,
        code_hash: read_hash(text("code_hash")?).ok()?,
        attempts_left: text("attempts_left")?.parse().ok()?,
        state: STATES.into_iter().find(|state| Some(state_name(*state)) == text("state"))?,
        created_at: instant("created_at")?,
        expires_at: instant("expires_at")?,
        resend_at: instant("resend_at")?,
    })
}

/// As hexadecimal digits.
pub(super) fn write_hash(hash: Option<[u8; 32]>) -> String {
    hash.map(hex::encode).unwrap_or_default()
}

fn read_hash(text: &str) -> Result<Option<[u8; 32]>, hex::FromHexError> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)?;
    Ok(Some(hash))
}

fn read_id(text: &str) -> Result<Option<Uuid>, uuid::Error> {
    if text.is_empty() { Ok(None) } else { Uuid::parse_str(text).map(Some) }
}

const PURPOSES: [Purpose; 8] = [
    Purpose::SignUp,
    Purpose::SignIn,
    Purpose::PasswordReset,
    Purpose::EmailChange,
    Purpose::PhoneChange,
    Purpose::Reauthentication,
    Purpose::ContactVerification,
    Purpose::Risk,
];
const STATES: [State; 4] = [State::Pending, State::Done, State::Expired, State::Exhausted];

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::SignUp => "sign_up",
        Purpose::SignIn => "sign_in",
        Purpose::PasswordReset => "password_reset",
        Purpose::EmailChange => "email_change",
        Purpose::PhoneChange => "phone_change",
        Purpose::Reauthentication => "reauthentication",
        Purpose::ContactVerification => "contact_verification",
        Purpose::Risk => "risk",
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Done => "done",
        State::Expired => "expired",
        State::Exhausted => "exhausted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_challenge_is_read_as_it_was_written() {
        let id = Uuid::from_u128(7);
        for purpose in PURPOSES {
            for channel in [Channel::Email, Channel::Sms] {
                for state in STATES {
                    for some in [None, Some(Uuid::from_u128(u128::MAX))] {
                        let challenge = Challenge {
                            id,
                            purpose,
                            channel,
                            contact: "ünïcode@example.com".to_owned(),
                            user_id: some,
                            subject: some,
                            code_hash: some.map(|_| [200; 32]),
                            attempts_left: 3,
                            state,
                            created_at: Timestamp::from_millis(1),
                            expires_at: Timestamp::from_millis(2),
                            resend_at: Timestamp::from_millis(3),
                        };
                        let mut fields: HashMap<_, _> = write(&challenge).map(|(name, value)| (name.to_owned(), value)).into();
                        assert!(read(id, &fields) == Some(challenge));
                        fields.insert("code_hash".to_owned(), "zz".to_owned());
                        assert!(read(id, &fields).is_none());
                        fields.remove("code_hash");
                        assert!(read(id, &fields).is_none());
                    }
                }
            }
        }
    }
}
