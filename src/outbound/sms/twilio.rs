//! Twilio's REST API: `POST /2010-04-01/Accounts/{sid}/Messages.json`.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{SmsSettingError, TextMessage};
use crate::{
    config::{Twilio, TwilioFrom},
    outbound::{
        http_post::{Answer, Credentials, Parcel},
        send_failure::{SendFailure, one_line},
    },
};

/// Codes of 400 that are about who we are, which the operator can put right, and not about this number.
const ABOUT_THE_SENDER: [u32; 12] = [20_003, 21_212, 21_603, 21_606, 21_607, 21_611, 21_659, 21_660, 21_661, 21_701, 21_703, 21_705];

/// Seconds; Twilio takes no more.
const LONGEST_VALIDITY: u64 = 36_000;

pub(super) struct TwilioSender {
    url: Url,
    name: String,
    secret: SecretString,
    from: TwilioFrom,
    status_callback: Option<Url>,
}

impl TwilioSender {
    pub(super) fn new(settings: &Twilio) -> Result<Self, SmsSettingError> {
        let mut url = settings.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| SmsSettingError("sms.twilio_base_url cannot have a path".to_owned()))?
            .pop_if_empty()
            .extend(["2010-04-01", "Accounts", &settings.account_sid, "Messages.json"]);
        Ok(Self {
            url,
            name: settings.api_key.clone().unwrap_or_else(|| settings.account_sid.clone()),
            secret: settings.secret.clone(),
            from: settings.from.clone(),
            status_callback: settings.status_callback.clone(),
        })
    }

    pub(super) fn compose(&self, message: &TextMessage<'_>) -> Parcel<'_> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", message.recipient);
        match &self.from {
            TwilioFrom::Number(number) => form.append_pair("From", number),
            TwilioFrom::Service(service) => form.append_pair("MessagingServiceSid", service),
        };
        form.append_pair("Body", &message.content.text);
        // What waits at Twilio for longer is not sent any more either.
        let seconds = message.expires_at.since(message.at).as_secs().clamp(1, LONGEST_VALIDITY);
        form.append_pair("ValidityPeriod", &seconds.to_string());
        if let Some(url) = &self.status_callback {
            form.append_pair("StatusCallback", url.as_str());
        }
        Parcel {
            url: self.url.clone(),
            content_type: "application/x-www-form-urlencoded",
            body: form.finish(),
            headers: Vec::new(),
            credentials: Some(Credentials { name: &self.name, password: self.secret.expose_secret() }),
        }
    }
}

/// What Twilio says is wrong. Its `message` may repeat number and text, so only the code goes on.
#[derive(Deserialize)]
struct Complaint {
    code: u32,
}

/// 400 is about this message, but for the codes about the sender; everything else (credentials, too many, an outage) may be put right.
pub(super) fn judge(answer: &Answer) -> Result<(), SendFailure> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let code = serde_json::from_slice::<Complaint>(&answer.body).ok().map(|complaint| complaint.code);
    let told = match code {
        Some(code) => one_line(&format!("Twilio answered {}, error {code}", answer.status)),
        None => format!("Twilio answered {}", answer.status),
    };
    if answer.status == 400 && !code.is_some_and(|code| ABOUT_THE_SENDER.contains(&code)) {
        return Err(SendFailure::Refused(told));
    }
    Err(SendFailure::Later(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_number_are_final_and_others_are_not() {
        let judged = |status, body: &str| judge(&Answer { status, body: body.as_bytes().to_vec() });
        assert_eq!(judged(201, "{}"), Ok(()));
        for (status, body) in [(400, r#"{"code": 21211}"#), (400, r#"{"code": 21614, "message": "x"}"#), (400, "nonsense")] {
            assert!(matches!(judged(status, body), Err(SendFailure::Refused(_))), "{status} {body}");
        }
        for (status, body) in [
            (400, r#"{"code": 21606}"#),
            (401, r#"{"code": 20003}"#),
            (404, r#"{"code": 20404}"#),
            (429, r#"{"code": 20429}"#),
            (302, ""),
            (500, ""),
            (503, "<html>"),
        ] {
            assert!(matches!(judged(status, body), Err(SendFailure::Later(_))), "{status} {body}");
        }
    }
}
