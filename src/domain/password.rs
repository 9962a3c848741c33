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
const CONTEXT_WORD_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=64;

/// A password in NFKC, so that it is the same however a keyboard composes it; never trimmed, folded or cut. It has no `Debug`, and is wiped with the
/// last of its clones.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Arc<Zeroizing<String>>);

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
            _ => Ok(Self(Arc::new(normalized))),
        }
    }

    /// For hashing and judging alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for Password {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Whether the password would be guessed: `min_strength` is zxcvbn's 0 to 4, `context` what is known of the person and the product (addresses,
/// names, the product's name; whole and in their words). Takes milliseconds for some inputs: not for a thread that serves requests.
#[must_use]
pub fn weakness(password: &Password, min_strength: u8, context: &[String]) -> Option<Weakness> {
    let words = context_words(context);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let estimate = zxcvbn::zxcvbn(password.expose(), &words);
    match whole_word(&estimate) {
        Some(Dictionary::Common) => Some(Weakness::Common),
        Some(Dictionary::Context) => Some(Weakness::TooWeak),
        None => (u8::from(estimate.score()) < min_strength).then_some(Weakness::TooWeak),
    }
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

/// The context as it is, and each of its words. Bounded, since all of it comes from the person.
fn context_words(context: &[String]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for entry in context {
        let parts = entry.split(|character: char| !character.is_alphanumeric());
        for word in std::iter::once(entry.as_str()).chain(parts) {
            let word: String = word.nfkc().flat_map(char::to_lowercase).take(CONTEXT_WORD_CHARACTERS.end() + 1).collect();
            if CONTEXT_WORD_CHARACTERS.contains(&word.chars().count()) && words.len() < CONTEXT_WORDS && !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words
}
