//! A look at a document's text before anything parses it: length, tokens and nesting, in one pass.
//!
//! The parser recurses once per bracket, so that a few kilobytes of them would overflow a worker's stack. What the parser takes for a string
//! or a comment is taken for one here too; where the text is no GraphQL at all, the parser says so later.

/// How a text is refused unparsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Brackets inside brackets, too deep.
    Nesting,
    /// Too many tokens.
    Tokens,
    /// A name that no schema has.
    NameLength,
    /// A string without an end.
    OpenString,
}

/// Brackets of all kinds that may be open at once; the parser's own guard is the same.
pub const MAX_NESTING: usize = 64;
/// Bytes of a name.
const MAX_NAME: usize = 128;

/// Counts the tokens of `text`.
pub fn scan(text: &str, max_tokens: usize) -> Result<usize, Refusal> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
            b'#' => {
                at += bytes[at..].iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => at = end_of_string(bytes, begin).ok_or(Refusal::OpenString)?,
            b'{' | b'[' | b'(' => {
                nesting += 1;
                if nesting > MAX_NESTING {
                    return Err(Refusal::Nesting);
                }
            }
            b'}' | b']' | b')' => nesting = nesting.saturating_sub(1),
            b'.' => at += bytes[at..].iter().take_while(|b| **b == b'.').count(),
            byte if is_name(byte) => {
                at += bytes[at..].iter().position(|b| !is_name(*b)).unwrap_or(bytes.len() - at);
                if at - begin > MAX_NAME {
                    return Err(Refusal::NameLength);
                }
            }
            _ => {}
        }
        tokens += 1;
        if tokens > max_tokens {
            return Err(Refusal::Tokens);
        }
    }
    Ok(tokens)
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The index after the string that begins at `begin`.
fn end_of_string(bytes: &[u8], begin: usize) -> Option<usize> {
    const FENCE: &[u8] = br#"""""#;
    if bytes[begin..].starts_with(FENCE) {
        let mut at = begin + FENCE.len();
        while at < bytes.len() {
            if bytes[at..].starts_with(br#"\""""#) {
                at += 4;
            } else if bytes[at..].starts_with(FENCE) {
                return Some(at + FENCE.len());
            } else {
                at += 1;
            }
        }
        return None;
    }
    let mut at = begin + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            b'\n' | b'\r' => return None,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_grammar() {
        assert_eq!(scan("query Q($a: Int = 1) { a(b: \"x{{{\") # {{{\n ...F }", 100), Ok(20));
        assert_eq!(scan("", 100), Ok(0));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "{".repeat(100);
        assert!(scan(&format!("{{ a(b: \"{many}\") # {many}\n c(d: \"\"\"{many} \\\"\"\" {many}\"\"\") }}"), 100).is_ok());
    }

    #[test]
    fn nesting_is_refused_at_any_kind_of_bracket() {
        // H6
        assert_eq!(scan(&"{a".repeat(65), 1000), Err(Refusal::Nesting));
        assert_eq!(scan(&format!("{{a(b:{}", "[".repeat(400)), 1000), Err(Refusal::Nesting));
        assert_eq!(scan(&format!("{{a(b:{}1{}", "[".repeat(30), "]".repeat(30)), 1000), Ok(5 + 61));
    }

    #[test]
    fn a_string_without_an_end_hides_nothing() {
        assert_eq!(scan("{ a(b: \"\n{{{", 100), Err(Refusal::OpenString));
        assert_eq!(scan("{ a(b: \"\\", 100), Err(Refusal::OpenString));
        assert_eq!(scan("\"\"\"abc\\\"\"\"", 100), Err(Refusal::OpenString));
    }

    #[test]
    fn tokens_and_names_are_capped() {
        assert_eq!(scan("a a a", 2), Err(Refusal::Tokens));
        assert_eq!(scan(&"a".repeat(129), 2), Err(Refusal::NameLength));
    }
}
