//! What a deployment keeps with a user: a JSON object of 16 KiB at most.

use serde_json::Value;

/// Most bytes, as JSON without blanks.
pub const MAX_BYTES: usize = 16 * 1024;

/// Whether it may be kept: an object, not too large, without what PostgreSQL keeps in no text (NUL).
#[must_use]
pub fn is_acceptable(metadata: &Value) -> bool {
    metadata.is_object() && metadata.to_string().len() <= MAX_BYTES && !has_nul(metadata)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_small_object_is_kept() {
        assert!(is_acceptable(&json!({})));
        assert!(is_acceptable(&json!({"plan": "pro", "seats": [1, {"of": null}]})));
        for wrong in [json!(null), json!([]), json!("text"), json!(1), json!({"a": ["\u{0}"]}), json!({"a\u{0}": 1})] {
            assert!(!is_acceptable(&wrong), "{wrong}");
        }
        let of_size = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        assert!(is_acceptable(&of_size(MAX_BYTES)));
        assert!(!is_acceptable(&of_size(MAX_BYTES + 1)));
    }
}
