//! Codes of authenticator apps (TOTP, RFC 6238): SHA-1, six digits, 30 seconds, one step either way.

use entity::Timestamp;
use totp_rs::{Builder, Totp};

use super::qr_code;

/// Bytes of a seed: 160 bits, as RFC 4226 recommends.
pub const SEED_BYTES: usize = 20;
const STEP_SECONDS: i64 = 30;

/// The time step of a code, if it is right now and was not used: only steps above `last_step` count. Blanks within the code do not.
#[must_use]
pub fn matching_step(seed: &[u8], code: &str, last_step: Option<i64>, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let totp = totp(seed, "", "")?;
    let current = now.seconds().div_euclid(STEP_SECONDS);
    // From the oldest, so that a code that happens to be that of two steps leaves the later one to be used.
    (current - 1..=current + 1)
        .filter(|step| last_step.is_none_or(|last| *step > last))
        .find(|step| u64::try_from(step * STEP_SECONDS).is_ok_and(|at| totp.check(&code, at).is_some()))
}

/// How an app is told of a seed.
pub struct Invitation {
    /// Base32, for typing in.
    pub secret: String,
    /// `otpauth://totp/…`.
    pub uri: String,
    /// The URI as a picture: a `data:image/svg+xml` URL.
    pub qr_code: String,
}

/// What the app shows is `issuer` and `account`; colons would part them elsewhere, and become blanks. `None` only for a seed that is too short.
#[must_use]
pub fn invitation(seed: &[u8], issuer: &str, account: &str) -> Option<Invitation> {
    let totp = totp(seed, &shown(issuer), &shown(account))?;
    let uri = totp.to_url().ok()?;
    let qr_code = qr_code::as_data_url(&uri)?;
    Some(Invitation { secret: totp.secret().to_base32(), uri, qr_code })
}

/// Short enough for a picture that telephones read, and never empty.
fn shown(name: &str) -> String {
    let name: String = name.chars().map(|c| if c == ':' || c.is_control() { ' ' } else { c }).take(100).collect();
    let name = name.trim();
    if name.is_empty() { "account".to_owned() } else { name.to_owned() }
}

/// Without a step either way: the window is ours, since each step is looked at by itself.
fn totp(seed: &[u8], issuer: &str, account: &str) -> Option<Totp> {
    let issuer = (!issuer.is_empty()).then(|| issuer.to_owned());
    Builder::new().with_secret(seed.to_vec()).with_skew(0).with_issuer(issuer).with_account_name(account.to_owned()).build().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    // B8
    #[test]
    fn the_vectors_of_rfc_6238() {
        // The last six of the eight digits of appendix B.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(matching_step(SEED, code, None, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    // B8
    #[test]
    fn one_step_either_way_counts_and_no_more() {
        let (step, code) = (1_111_111_111 / 30, "050471");
        let accepted: Vec<bool> = (-2..=2).map(|away| matching_step(SEED, code, None, at((step + away) * 30)) == Some(step)).collect();
        assert_eq!(accepted, [false, true, true, true, false]);
    }

    // B9
    #[test]
    fn a_step_counts_once_and_only_upwards() {
        let (step, code) = (1_111_111_111 / 30, "050471");
        let now = at(1_111_111_111);
        assert_eq!(matching_step(SEED, code, Some(step - 1), now), Some(step));
        assert_eq!(matching_step(SEED, code, Some(step), now), None);
        assert_eq!(matching_step(SEED, code, Some(step + 1), now), None);
    }

    #[test]
    fn people_type_blanks() {
        assert!(matching_step(SEED, " 050 471 ", None, at(1_111_111_111)).is_some());
        for wrong in ["", "050472", "50471", "0504710", "+50471", "０５０４７１", "050471\0"] {
            assert_eq!(matching_step(SEED, wrong, None, at(1_111_111_111)), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_invitation_can_be_read_by_apps() {
        let invitation = invitation(SEED, "Po:stern", "ann+x@example.com").unwrap();
        assert_eq!(invitation.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(invitation.uri.starts_with("otpauth://totp/Po%20stern:ann%2Bx%40example"), "{}", invitation.uri);
        assert!(invitation.uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{}", invitation.uri);
        assert!(invitation.qr_code.starts_with("data:image/svg+xml"), "{}", invitation.qr_code);
    }

    proptest! {
        #[test]
        fn any_text_and_names_are_taken(code: String, issuer: String, account: String) {
            let _ = matching_step(SEED, &code, None, at(1_111_111_111));
            prop_assert!(invitation(SEED, &issuer, &account).is_some());
        }
    }
}
