//! What a person may say about themselves.

use entity::Timestamp;
use serde::{Deserialize, Serialize};

/// The parts of a profile; a part that is `None` is not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// What others see; 100 characters at most.
    pub display_name: Option<String>,
    /// 200 characters at most.
    pub full_name: Option<String>,
    /// 100 characters at most.
    pub first_name: Option<String>,
    /// 100 characters at most.
    pub last_name: Option<String>,
    /// 2,000 characters at most; may have several lines.
    pub bio: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// `YYYY-MM-DD`, in the past, from 1900 on.
    pub date_of_birth: Option<time::Date>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<String>,
    /// 100 characters at most.
    pub state: Option<String>,
    /// 20 characters at most.
    pub postal_code: Option<String>,
}

/// The part that is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileRefusal {
    /// Too long, or with control characters.
    Text(Part),
    /// Not a BCP 47 tag.
    Locale,
    /// In the future, or before 1900.
    DateOfBirth,
    /// Not a country code.
    Country,
}

/// A part that is free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `displayName`
    DisplayName,
    /// `fullName`
    FullName,
    /// `firstName`
    FirstName,
    /// `lastName`
    LastName,
    /// `bio`
    Bio,
    /// `state`
    State,
    /// `postalCode`
    PostalCode,
}

impl Profile {
    /// Everything that is wrong with it.
    pub fn problems(&self, now: Timestamp) -> Vec<ProfileRefusal> {
        let texts = [
            (Part::DisplayName, &self.display_name, 100),
            (Part::FullName, &self.full_name, 200),
            (Part::FirstName, &self.first_name, 100),
            (Part::LastName, &self.last_name, 100),
            (Part::Bio, &self.bio, 2000),
            (Part::State, &self.state, 100),
            (Part::PostalCode, &self.postal_code, 20),
        ];
        let mut problems: Vec<_> = texts
            .into_iter()
            .filter(|(part, text, longest)| text.as_deref().is_some_and(|text| !is_text(text, *longest, *part)))
            .map(|(part, _, _)| ProfileRefusal::Text(part))
            .collect();
        if self.locale.as_deref().is_some_and(|locale| !is_language_tag(locale)) {
            problems.push(ProfileRefusal::Locale);
        }
        if self.date_of_birth.is_some_and(|date| date.year() < 1900 || date > now.to_offset_date_time().date()) {
            problems.push(ProfileRefusal::DateOfBirth);
        }
        if self.country.as_deref().is_some_and(|country| !is_country(country)) {
            problems.push(ProfileRefusal::Country);
        }
        problems
    }

    /// The names in it, which must not make a password.
    pub fn names(&self) -> Vec<String> {
        [&self.display_name, &self.full_name, &self.first_name, &self.last_name].into_iter().flatten().cloned().collect()
    }

    /// As it is kept until the confirmation.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The other way; what cannot be read is as if it had not been given.
    pub fn from_json(json: serde_json::Value) -> Self {
        serde_json::from_value(json).unwrap_or_default()
    }
}

fn is_text(text: &str, longest: usize, part: Part) -> bool {
    let may_break = part == Part::Bio;
    let is_blank = text.trim().is_empty();
    text.chars().count() <= longest
        && !text.chars().any(|c| c.is_control() && !(may_break && matches!(c, '\n' | '\r' | '\t')))
        && (is_blank || text.chars().any(|c| !c.is_whitespace() && !is_invisible(c)))
}

/// Characters that show nothing by themselves (Default_Ignorable_Code_Point of Unicode, and the Hangul fillers).
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// The grammar of RFC 5646, as far as every tag in use needs it.
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    tag.len() <= 35
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// ISO 3166-1 alpha-2, as assigned.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

fn is_country(code: &str) -> bool {
    code.len() == 2 && COUNTRIES.split(' ').any(|country| country == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_part_that_is_wrong() {
        let profile = Profile {
            display_name: Some("a\u{0}b".into()),
            bio: Some("one\ntwo".into()),
            locale: Some("not a tag".into()),
            country: Some("XX".into()),
            date_of_birth: time::Date::from_calendar_date(2999, time::Month::May, 1).ok(),
            ..Profile::default()
        };
        let problems = profile.problems(Timestamp::from_millis(1_780_000_000_000));
        assert_eq!(
            problems,
            [ProfileRefusal::Text(Part::DisplayName), ProfileRefusal::Locale, ProfileRefusal::DateOfBirth, ProfileRefusal::Country]
        );
    }

    #[test]
    fn a_text_shows_something() {
        let is_right =
            |name: &str| Profile { display_name: Some(name.into()), ..Profile::default() }.problems(Timestamp::from_millis(0)).is_empty();
        for right in ["Ada", "", "  ", "\u{1F468}\u{200D}\u{1F469}", "می\u{200C}خواهم"] {
            assert!(is_right(right), "{right:?}");
        }
        for wrong in ["\u{202E}", "\u{200B}", " \u{2060}\u{FEFF} ", "\u{3164}"] {
            assert!(!is_right(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_kept_until_the_confirmation_comes_back() {
        let profile =
            Profile { full_name: Some("ก ข".into()), country: Some("TH".into()), locale: Some("th-TH".into()), ..Profile::default() };
        assert!(profile.problems(Timestamp::from_millis(0)).is_empty());
        assert_eq!(Profile::from_json(profile.to_json()), profile);
    }
}
