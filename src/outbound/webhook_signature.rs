//! Signs what a webhook gets, as Standard Webhooks has it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::send_failure::SendFailure;

/// The headers of a body: HMAC-SHA-256 of `{id}.{seconds}.{body}`, in base64.
pub(super) fn headers(key: &SecretSlice<u8>, id: String, seconds: String, body: &str) -> Result<Vec<(&'static str, String)>, SendFailure> {
    let signature = format!("v1,{}", sign(key, &id, &seconds, body)?);
    Ok(vec![("webhook-id", id), ("webhook-timestamp", seconds), ("webhook-signature", signature)])
}

fn sign(key: &SecretSlice<u8>, id: &str, seconds: &str, body: &str) -> Result<String, SendFailure> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose_secret());
    let mut mac = mac.map_err(|error| SendFailure::Refused(error.to_string()))?;
    for part in [id, ".", seconds, ".", body] {
        mac.update(part.as_bytes());
    }
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification: its reference libraries make this signature of these parts.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signature = sign(&key.into(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#).expect("signed");
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
