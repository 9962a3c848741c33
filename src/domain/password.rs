//! Passwords: what may be one, and which ones are too easily guessed.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::matching::patterns::MatchPattern;

/// Longer ones are refused before anything is done with them.
const MOST_BYTES: usize = 8 * 1024;
/// No text grows by more when it is normalized (UAX #15, NFKC in UTF-8).
const MOST_GROWTH: usize = 11;
const CONTEXT_WORDS: usize = 64;
/// zxcvbn takes seconds for a hundred characters that all look like letters in disguise, a tenth of that for so many.
const JUDGED_CHARACTERS: usize = 32;
/// A password must have so many letters or digits that are not the person's or the product's name.
const FEWEST_OWN_CHARACTERS: usize = 4;
const CONTEXT_WORD_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=64;

/// A password in NFKC, so that it is the same however a keyboard composes it; never trimmed, folded or cut. It has no `Debug`, and is wiped with the
/// last of its clones.
#[derive(Clone)]
pub struct Password {
    normalized: Arc<Zeroizing<String>>,
    /// Where it was typed otherwise.
    typed: Option<Arc<Zeroizing<String>>>,
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for Password {}

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// Fewer code points than asked for.
    TooShort,
    /// More than allowed.
    TooLong,
}

/// Why a password would be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Below the strength asked for, or the person's own data.
    TooWeak,
    /// Everybody's first guess.
    Common,
    /// Known from a breach.
    Breached,
}

impl Password {
    /// A password of `min` to `max` code points, counted after normalization.
    pub fn parse(raw: &str, min: usize, max: usize) -> Result<Self, PasswordRefusal> {
        if raw.len() > MOST_BYTES {
            return Err(PasswordRefusal::TooLong);
        }
        // Room for everything at once: a string that grows leaves copies behind.
        let mut normalized = Zeroizing::new(String::with_capacity(if raw.is_ascii() { raw.len() } else { raw.len() * MOST_GROWTH }));
        if raw.is_ascii() {
            normalized.push_str(raw);
        } else {
            normalized.extend(raw.nfkc());
        }
        match normalized.chars().count() {
            length if length < min => Err(PasswordRefusal::TooShort),
            length if length > max => Err(PasswordRefusal::TooLong),
            _ => {
                let typed = (normalized.as_str() != raw).then(|| Arc::new(Zeroizing::new(raw.to_owned())));
                Ok(Self { normalized: Arc::new(normalized), typed })
            }
        }
    }

    /// For hashing and judging alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.normalized
    }

    /// The very text that was typed, where that is another one: other programs hashed it as it came.
    #[must_use]
    pub fn as_typed(&self) -> Option<Arc<Zeroizing<String>>> {
        self.typed.clone()
    }
}

impl AsRef<[u8]> for Password {
    fn as_ref(&self) -> &[u8] {
        self.normalized.as_bytes()
    }
}

/// Whether the password would be guessed: `min_strength` is zxcvbn's 0 to 4, `context` what is known of the person and the product (addresses,
/// names, the product's name; whole and in their words). Takes milliseconds for some inputs: not for a thread that serves requests.
#[must_use]
pub fn weakness(password: &Password, min_strength: u8, context: &[String]) -> Option<Weakness> {
    let words = context_words(context);
    if is_made_of(password, &words) {
        return Some(Weakness::TooWeak);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Any stretch that is strong by itself makes the whole strong.
    let (head, tail) = stretches(password.expose());
    let judged = judge(head, min_strength, &words);
    if judged.is_some() && tail.is_some_and(|tail| judge(tail, min_strength, &words).is_none()) { None } else { judged }
}

fn judge(stretch: &str, min_strength: u8, words: &[&str]) -> Option<Weakness> {
    let estimate = zxcvbn::zxcvbn(stretch, words);
    match whole_word(&estimate) {
        Some(Dictionary::Common) => Some(Weakness::Common),
        Some(Dictionary::Context) => Some(Weakness::TooWeak),
        None => (u8::from(estimate.score()) < min_strength).then_some(Weakness::TooWeak),
    }
}

/// The whole of a short password; of a long one its first and its last [`JUDGED_CHARACTERS`].
fn stretches(password: &str) -> (&str, Option<&str>) {
    let Some((end, _)) = password.char_indices().nth(JUDGED_CHARACTERS) else { return (password, None) };
    let start = password.char_indices().rev().nth(JUDGED_CHARACTERS - 1).map_or(0, |(start, _)| start);
    (password.get(..end).unwrap_or(password), password.get(start..))
}

enum Dictionary {
    Common,
    Context,
}

/// Which list the whole password is one word of.
fn whole_word(estimate: &zxcvbn::Entropy) -> Option<Dictionary> {
    let [word] = estimate.sequence() else { return None };
    let MatchPattern::Dictionary(found) = &word.pattern else { return None };
    // The crate does not export the list's type; it shows its name.
    Some(if format!("{:?}", found.dictionary_name) == "UserInputs" { Dictionary::Context } else { Dictionary::Common })
}

/// Whether hardly anything is left of the password without the words of the context, joined however they are.
fn is_made_of(password: &Password, words: &[String]) -> bool {
    let mut rest = Zeroizing::new(password.expose().to_lowercase());
    let mut longest_first: Vec<&String> = words.iter().collect();
    longest_first.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let before = rest.len();
    for word in longest_first {
        rest = Zeroizing::new(rest.replace(word.as_str(), ""));
    }
    rest.len() < before && rest.chars().filter(|character| character.is_alphanumeric()).count() < FEWEST_OWN_CHARACTERS
}

/// The context as it is, what comes before and after an `@`, and each of its words. Bounded, since all of it comes from the person.
fn context_words(context: &[String]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for entry in context {
        let sides = entry.split('@');
        let parts = entry.split(|character: char| !character.is_alphanumeric());
        for word in std::iter::once(entry.as_str()).chain(sides).chain(parts) {
            let word: String = word.nfkc().flat_map(char::to_lowercase).take(CONTEXT_WORD_CHARACTERS.end() + 1).collect();
            if CONTEXT_WORD_CHARACTERS.contains(&word.chars().count()) && words.len() < CONTEXT_WORDS && !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(raw: &str) -> Result<String, PasswordRefusal> {
        Password::parse(raw, 8, 128).map(|password| password.expose().to_owned())
    }

    fn judge(raw: &str, min_strength: u8, context: &[&str]) -> Option<Weakness> {
        let context: Vec<String> = context.iter().map(|word| (*word).to_owned()).collect();
        weakness(&Password::parse(raw, 1, 128).unwrap(), min_strength, &context)
    }

    // A1: the least is counted in code points, not in bytes.
    #[test]
    fn length_is_counted_in_code_points() {
        assert_eq!(parse("1234567"), Err(PasswordRefusal::TooShort));
        assert!(parse("12345678").is_ok());
        assert_eq!(parse(&"あ".repeat(7)), Err(PasswordRefusal::TooShort));
        assert!(parse(&"あ".repeat(8)).is_ok());
        assert_eq!(Password::parse(&"a".repeat(14), 15, 128).err(), Some(PasswordRefusal::TooShort));
        assert!(Password::parse(&"a".repeat(15), 15, 128).is_ok());
        assert_eq!(parse(""), Err(PasswordRefusal::TooShort));
        // Eight letters with their accents typed apart are eight.
        assert!(parse(&"e\u{301}".repeat(8)).is_ok());
        assert_eq!(parse(&"e\u{301}".repeat(4)), Err(PasswordRefusal::TooShort));
    }

    // A2: long ones are taken whole or not at all; nothing is trimmed or folded.
    #[test]
    fn nothing_is_cut_trimmed_or_folded() {
        assert_eq!(parse(&"x".repeat(128)).unwrap().len(), 128);
        assert_eq!(parse(&"😀".repeat(128)).unwrap().chars().count(), 128);
        assert_eq!(parse(&"x".repeat(129)), Err(PasswordRefusal::TooLong));
        assert_eq!(parse(&"x".repeat(1 << 20)), Err(PasswordRefusal::TooLong));
        assert_eq!(parse(&"\u{fdfa}".repeat(1 << 16)), Err(PasswordRefusal::TooLong));
        assert_eq!(parse("  Secret 12 ").unwrap(), "  Secret 12 ");
    }

    // A3: the same however it is composed.
    #[test]
    fn composed_and_decomposed_are_the_same() {
        assert_eq!(parse("caf\u{e9} caf\u{e9}").unwrap(), parse("cafe\u{301} cafe\u{301}").unwrap());
        assert_eq!(parse("ｐａｓｓｗｏｒｄ").unwrap(), "password");
    }

    // A3: no rules of composition: a passphrase is fine, and so are blanks and emoji.
    #[test]
    fn passphrases_are_strong() {
        for raw in [
            "correct horse battery staple",
            "vivid ocean mango tulip",
            "😀🎈🐙🌵🚲🎻🧊🪁🦑🪕",
            "สวัสดีชาวโลกทุกคน",
            "lavender moped 41 quartz",
        ] {
            assert_eq!(judge(raw, 3, &["Postern", "alice@example.com"]), None, "{raw}");
        }
    }

    // A4: common ones, the product's name and the person's own data are refused.
    #[test]
    fn guessable_passwords_are_refused() {
        for raw in ["password", "password1", "password1234", "12345678", "qwertyuiop", "iloveyou", "PASSWORD", "drowssap", "p@ssw0rd"] {
            assert!(judge(raw, 3, &[]).is_some(), "{raw}");
        }
        for raw in [
            "aaaaaaaaaaaa",
            "abcdefgh1234",
            "Postern2026",
            "posternpostern",
            "alice.wonder",
            "Alice.Wonder1!",
            "alice.wonder@example.com",
            "alicewonder1",
            "wonder1990",
        ] {
            assert_eq!(judge(raw, 3, &["Postern", "alice.wonder@example.com"]), Some(Weakness::TooWeak), "{raw}");
        }
    }

    #[test]
    fn common_and_own_words_are_refused_at_any_strength() {
        assert_eq!(judge("password", 0, &[]), Some(Weakness::Common));
        assert_eq!(judge("trustno1", 0, &[]), Some(Weakness::Common));
        assert_eq!(judge("posterngate", 0, &["posterngate"]), Some(Weakness::TooWeak));
        assert_eq!(judge("xk2vq9bz", 0, &[]), None);
    }

    #[test]
    fn long_passwords_are_judged_by_their_ends() {
        let weak = "a".repeat(60);
        assert_eq!(judge(&weak, 3, &[]), Some(Weakness::TooWeak));
        assert_eq!(judge(&format!("{weak}lavender moped 41 quartz"), 3, &[]), None);
        assert_eq!(judge(&format!("lavender moped 41 quartz{weak}"), 3, &[]), None);
        let (head, tail) = stretches("😀12345678901234567890123456789012");
        assert_eq!((head.chars().count(), tail.map(|tail| tail.chars().count())), (32, Some(32)));
        assert!(stretches("x").1.is_none() && stretches(&"x".repeat(32)).1.is_none());
    }

    #[test]
    fn hostile_context_is_bounded() {
        let context: Vec<String> = (0..10_000).map(|number| format!("word{number} ").repeat(50)).collect();
        assert!(context_words(&context).len() <= CONTEXT_WORDS);
    }

    proptest! {
        #[test]
        fn the_normal_form_stays(raw in "\\PC{8,40}") {
            if let Ok(once) = parse(&raw) {
                prop_assert_eq!(parse(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn growth_is_foreseen(raw: String) {
            let normalized: String = raw.nfkc().collect();
            prop_assert!(normalized.len() <= raw.len() * MOST_GROWTH);
        }

        #[test]
        fn judging_never_panics(raw in "\\PC{1,60}", word in "\\PC{0,30}") {
            if let Ok(password) = Password::parse(&raw, 1, 128) {
                let _ = weakness(&password, 3, &[word]);
            }
        }
    }
}
