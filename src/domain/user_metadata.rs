//! What a deployment may keep with a user.

use serde_json::Value;

/// Bytes of it, as JSON.
const LONGEST: usize = 16 * 1024;

/// An object of at most 16 KiB. PostgreSQL keeps no NUL in a text.
#[must_use]
pub fn is_acceptable(metadata: &Value) -> bool {
    let text = metadata.to_string();
    metadata.is_object() && text.len() <= LONGEST && !text.contains("\\u0000")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_an_object_and_not_too_long() {
        assert!(is_acceptable(&json!({})) && is_acceptable(&json!({"plan": {"name": "gold", "seats": [1, 2]}})));
        for wrong in [json!(null), json!([]), json!("x"), json!(1), json!({"a": "b\u{0}c"}), json!({"a\u{0}": 1})] {
            assert!(!is_acceptable(&wrong), "{wrong}");
        }
        let of_length = |length: usize| json!({ "a": "x".repeat(length - r#"{"a":""}"#.len()) });
        assert!(is_acceptable(&of_length(LONGEST)) && !is_acceptable(&of_length(LONGEST + 1)));
    }
}
