//! What is believed of what a provider says about a person.

use serde_json::Value;

use super::{email::Email, profile::Profile};
use crate::config::ProviderKind;

/// Whether the provider says that it proved the address. Nothing but a true `true` does; Apple writes it as a text. `// E6`
#[must_use]
pub fn says_verified(kind: ProviderKind, claim: &Value) -> bool {
    match claim {
        Value::Bool(verified) => *verified,
        Value::String(text) => kind == ProviderKind::Apple && text == "true",
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// An address, in canonical form.
#[must_use]
pub fn email(claim: &Value) -> Option<String> {
    Email::parse(claim.as_str()?).map(|email| email.as_str().to_owned())
}

/// A text that a person may be shown; what is empty or has nothing to do in a name is left out.
#[must_use]
pub fn text(claim: &Value) -> Option<String> {
    let text = claim.as_str()?.trim();
    (!text.is_empty() && text.len() <= 800).then(|| text.to_owned())
}

/// The profile of a new account; a part that the rules do not allow is left out. `now` does not matter to names.
#[must_use]
pub fn profile(name: Option<String>, given_name: Option<String>, family_name: Option<String>, locale: Option<String>) -> Profile {
    let named = |part: fn(Option<String>) -> Profile, text: Option<String>| {
        let profile = part(text);
        if profile.problems(entity::Timestamp::from_millis(0)).is_empty() { profile } else { Profile::default() }
    };
    let parts = [
        named(|text| Profile { display_name: text, ..Profile::default() }, name.clone()),
        named(|text| Profile { full_name: text, ..Profile::default() }, name),
        named(|text| Profile { first_name: text, ..Profile::default() }, given_name),
        named(|text| Profile { last_name: text, ..Profile::default() }, family_name),
        named(|text| Profile { locale: text, ..Profile::default() }, locale),
    ];
    let [shown, whole, first, last, language] = parts;
    Profile {
        display_name: shown.display_name,
        full_name: whole.full_name,
        first_name: first.first_name,
        last_name: last.last_name,
        locale: language.locale,
        ..Profile::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // E6, E12
    #[test]
    fn only_a_true_true_is_a_proof() {
        for (claim, usually, at_apple) in [
            (json!(true), true, true),
            (json!("true"), false, true),
            (json!(false), false, false),
            (json!("false"), false, false),
            (json!("TRUE"), false, false),
            (json!(1), false, false),
            (json!(null), false, false),
            (json!([true]), false, false),
        ] {
            for kind in [ProviderKind::Google, ProviderKind::Line, ProviderKind::Oidc] {
                assert_eq!(says_verified(kind, &claim), usually, "{claim} by {kind:?}");
            }
            assert_eq!(says_verified(ProviderKind::Apple, &claim), at_apple, "{claim} by Apple");
        }
    }

    #[test]
    fn a_part_that_cannot_be_is_left_out() {
        let some = |text: &str| Some(text.to_owned());
        let profile = profile(some(&"x".repeat(150)), some("An\u{0}n"), some("Lee"), some("en_US!"));
        assert_eq!(profile, Profile { full_name: Some("x".repeat(150)), last_name: some("Lee"), ..Profile::default() });
        assert_eq!((text(&json!("  ")), text(&json!(7)), email(&json!("Ann@Example.com"))), (None, None, some("ann@example.com")));
    }
}
