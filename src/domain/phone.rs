//! Phone numbers in E.164.

use std::{fmt, panic::catch_unwind};

use phonenumber::{Mode, PhoneNumber, country, metadata::DATABASE};
use unicode_normalization::UnicodeNormalization;

use super::contact::hidden;

const DIGITS: std::ops::RangeInclusive<usize> = 4..=20;
const LONGEST_RAW: usize = 64;
/// ITU-T E.164, section 6.1.
const LONGEST: usize = 15;
const SHOWN: usize = 4;

/// A number that could be dialled: `+`, country code, national number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phone {
    text: String,
    country_code_digits: usize,
}

impl Phone {
    /// Reads a number as people write it. One without its country counts as one of `default_country` (ISO 3166-1 alpha-2), if that is given. The length
    /// must be possible in the country; whether the range is in use is not asked, since new ranges come faster than releases. Extensions are refused.
    #[must_use]
    pub fn parse(raw: &str, default_country: Option<&str>) -> Option<Self> {
        let dialled = dialled(raw)?;
        // The library would strip the national prefix of `country` from a number of another one.
        let country: Option<country::Id> = if dialled.starts_with('+') { None } else { Some(default_country?.parse().ok()?) };
        let phone = read(country, &dialled)?;
        // The library strips prefixes; a number that would change once more when it is read back is none.
        (read(None, &phone.text)? == phone).then_some(phone)
    }

    /// E.164: `+66812345678`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The digits that name the country, without the `+`; several countries may share them.
    #[must_use]
    pub fn country_code(&self) -> &str {
        self.text.get(1..=self.country_code_digits).unwrap_or_default()
    }

    /// Whether it is a number of one of these countries (ISO 3166-1 alpha-2). Where the digits do not tell which of the countries that share
    /// them it is, all of them must be among these.
    #[must_use]
    pub fn is_of_one_of(&self, countries: &[String]) -> bool {
        let is_among = |country: &str| countries.iter().any(|among| among == country);
        catch_unwind(|| {
            let number = phonenumber::parse(None, &self.text).ok()?;
            if let Some(id) = number.country().id().filter(|_| number.is_valid()) {
                return Some(is_among(id.as_ref()));
            }
            let regions = DATABASE.region(&number.code().value())?;
            Some(!regions.is_empty() && regions.into_iter().all(is_among))
        })
        .ok()
        .flatten()
        .unwrap_or(false)
    }

    /// `+66•••••5678`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (country, national) = self.text.split_at_checked(self.country_code_digits + 1).unwrap_or(("", &self.text));
        let shown = SHOWN.min(national.len() / 2);
        let (covered, end) = national.split_at_checked(national.len() - shown).unwrap_or((national, ""));
        format!("{country}{}{end}", hidden(covered.len()))
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Only digits and a leading `+`, what people put between them left out; anything else is no number. In particular no letter and no `;` comes near the
/// library, whose parser of `;phone-context=` panicked twice (RUSTSEC-2023-0082, RUSTSEC-2024-0369).
fn dialled(raw: &str) -> Option<String> {
    if raw.len() > LONGEST_RAW || raw.chars().any(char::is_control) {
        return None;
    }
    let mut dialled = String::new();
    for character in raw.trim().nfkc() {
        match character {
            '0'..='9' => dialled.push(character),
            '+' if dialled.is_empty() => dialled.push(character),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            _ => return None,
        }
    }
    DIGITS.contains(&dialled.trim_start_matches('+').len()).then_some(dialled)
}

/// The library indexes and unwraps in places; a panic there must not be one here.
fn read(country: Option<country::Id>, dialled: &str) -> Option<Phone> {
    catch_unwind(|| {
        let number = phonenumber::parse(country, dialled).ok()?;
        let text = number.format().mode(Mode::E164).to_string();
        let code = number.code().value();
        let phone = Phone { text, country_code_digits: code.to_string().len() };
        let digits = phone.text.strip_prefix('+')?;
        let well_formed = code > 0
            && number.extension().is_none()
            && digits.len() <= LONGEST
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.strip_prefix(&code.to_string()).is_some_and(|national| has_possible_length(&number, national.len()));
        well_formed.then_some(phone)
    })
    .ok()
    .flatten()
}

/// Whether some number of this country has so many digits after the country's code.
fn has_possible_length(number: &PhoneNumber, national_digits: usize) -> bool {
    let regions = DATABASE.by_code(&number.code().value()).unwrap_or_default();
    let possible = |digits: &u16| usize::from(*digits) == national_digits;
    regions.iter().any(|region| {
        let kinds = region.descriptors();
        let ordinary = [kinds.fixed_line(), kinds.mobile(), kinds.voip(), kinds.personal_number()];
        ordinary.into_iter().flatten().any(|kind| kind.possible_length().iter().any(possible))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str, country: Option<&str>) -> Option<String> {
        Phone::parse(raw, country).map(|phone| phone.text)
    }

    #[test]
    fn the_country_of_a_number_is_known() {
        // B6
        let phone = |text| Phone::parse(text, None).unwrap();
        let allowed = |text, countries: &[&str]| phone(text).is_of_one_of(&countries.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        assert_eq!(phone("+66812345678").country_code(), "66");
        assert!(allowed("+66812345678", &["SG", "TH"]));
        assert!(!allowed("+66812345678", &["SG"]));
        assert!(!allowed("+66812345678", &[]));
        assert!(allowed("+12015550123", &["US"]));
        // Jamaica shares +1 with the United States, and is not the same.
        assert!(!allowed("+18765230123", &["US"]));
        assert!(!allowed("+12015550123", &["JM"]));
    }

    #[test]
    fn spellings_of_one_number_are_one() {
        for (raw, country, expected) in [
            ("+66812345678", None, "+66812345678"),
            ("+66 81 234 5678", None, "+66812345678"),
            ("+66 (0)81-234-5678", Some("DE"), "+66812345678"),
            ("081-234-5678", Some("TH"), "+66812345678"),
            ("＋６６ ８１２３４５６７８", None, "+66812345678"),
            ("+1 (415) 555-2671", None, "+14155552671"),
            ("+15555550100", None, "+15555550100"),
            ("(415) 555.2671", Some("US"), "+14155552671"),
            ("+44 20 7946 0018", None, "+442079460018"),
            ("+39 06 698 12345", None, "+390669812345"),
            ("+81 90-1234-5678", None, "+819012345678"),
        ] {
            assert_eq!(canonical(raw, country).as_deref(), Some(expected), "{raw:?}");
        }
    }

    // B7: what made the library panic is refused, and nothing dies.
    #[test]
    fn what_is_no_number_is_refused() {
        for raw in [
            ".;phone-context=",
            "+dwPAA;phone-context=AA",
            "tel:03-331-6005;phone-context=+64",
            "+",
            "",
            "++66812345678",
            "66812345678",
            "0812345678",
            "+66",
            "+661",
            "+66123",
            "+999123456789",
            "+0812345678",
            "+1415555267100000",
            "+66812345678 ext. 5",
            "+66812345678x5",
            "+6681234567a",
            "+66812345678\r\n",
            "12345",
            "+٦٦٨١٢٣٤٥٦٧٨",
        ] {
            assert_eq!(canonical(raw, None), None, "{raw:?}");
        }
        assert_eq!(canonical("0812345678", Some("XX")), None);
        assert_eq!(canonical(&"1".repeat(1 << 20), Some("TH")), None);
    }

    #[test]
    fn masks_show_the_last_digits() {
        assert_eq!(Phone::parse("+66812345678", None).unwrap().masked(), "+66•••••5678");
        assert_eq!(Phone::parse("+14155552671", None).unwrap().masked(), "+1••••••2671");
    }

    proptest! {
        #[test]
        fn the_canonical_form_stays_as_it_is(raw in "\\+?[0-9 ().-]{3,24}", country in prop::option::of(prop::sample::select(vec!["TH", "US", "DE", "IT", "AR", "MX", "RU", "GB"]))) {
            if let Some(once) = canonical(&raw, country) {
                prop_assert_eq!(canonical(&once, None), Some(once.clone()));
                prop_assert_eq!(canonical(&once, Some("TH")), Some(once));
            }
        }

        #[test]
        fn parsing_never_panics(raw: String, country in prop::option::of("[A-Z]{2}")) {
            let _ = Phone::parse(&raw, country.as_deref());
        }

        #[test]
        fn masks_hide_at_least_half(national in "8[0-9]{8}") {
            let phone = Phone::parse(&format!("+66{national}"), None).unwrap();
            prop_assert!(!phone.masked().contains(&national[..5]));
        }
    }
}
