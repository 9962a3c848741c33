//! What an administrator types to find people: the start of an address, a number, a username or a name.

use super::phone::Phone;

/// Longer words find nobody: they are cut.
const LONGEST: usize = 254;

/// The word as it is looked for: without blanks around it, and without what stands in no text of the database. `None` where nothing is left.
#[must_use]
pub fn word(raw: &str) -> Option<String> {
    let readable: String = raw.chars().filter(|c| !c.is_control()).collect();
    let word: String = readable.trim().chars().take(LONGEST).collect();
    (!word.is_empty()).then_some(word)
}

/// Every way in which a name that begins with the word can stand in an index that may know no other small letters than those of ASCII: SQLite's, and
/// PostgreSQL's in the C locale. A word in ASCII has one.
#[must_use]
pub fn spellings(word: &str) -> Vec<String> {
    let mut all = vec![word.to_lowercase()];
    for other in [word.to_owned(), word.to_uppercase(), capitalized(word)] {
        let other = other.to_ascii_lowercase();
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// Each of its words with a capital letter.
fn capitalized(word: &str) -> String {
    let mut starts = true;
    let mut text = String::with_capacity(word.len());
    for c in word.to_lowercase().chars() {
        if starts {
            text.extend(c.to_uppercase());
        } else {
            text.push(c);
        }
        starts = !c.is_alphanumeric();
    }
    text
}

/// The start of a number in E.164 that the word may be: with its `+` or without, with the marks that people put between digits, or a whole number of
/// the deployment's own country.
#[must_use]
pub fn phone_starts(word: &str, default_country: Option<&str>) -> Vec<String> {
    let digits: String = word.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let bare = digits.strip_prefix('+').unwrap_or(&digits);
    if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    let mut all = vec![format!("+{bare}")];
    let national = Phone::parse(word, default_country).map(|phone| phone.as_str().to_owned());
    all.extend(national.filter(|phone| !all.contains(phone)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_is_left_of_it() {
        assert_eq!(word("  Ada L "), Some("Ada L".to_owned()));
        assert_eq!(word("a\u{0}b\n"), Some("ab".to_owned()));
        assert_eq!((word(" \u{0} "), word("")), (None, None));
        assert_eq!(word(&"a".repeat(300)).unwrap().len(), LONGEST);
    }

    #[test]
    fn a_word_in_ascii_is_spelled_in_one_way() {
        assert_eq!(spellings("Ada LOVE"), ["ada love"]);
        assert_eq!(spellings("กข"), ["กข"]);
    }

    #[test]
    fn other_letters_stand_in_the_index_as_they_were_written() {
        // As SQLite lowers `Åsa Öberg`, `ÉMILE` and `émile`.
        assert!(spellings("åsa öb").contains(&"Åsa Öb".to_owned()));
        assert!(spellings("ÉMI").contains(&"émi".to_owned()));
        assert!(spellings("émi").contains(&"Émi".to_owned()));
    }

    #[test]
    fn numbers_are_found_as_people_write_them() {
        assert_eq!(phone_starts("+66 81-2", None), ["+66812"]);
        assert_eq!(phone_starts("6681", None), ["+6681"]);
        assert_eq!(phone_starts("081 234 5678", Some("TH")), ["+0812345678", "+66812345678"]);
        assert!(phone_starts("ada", Some("TH")).is_empty() && phone_starts("+", None).is_empty());
    }
}
