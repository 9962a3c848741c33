//! How phone numbers are read.

use super::reader::Reader;

/// Settings of phone numbers.
#[derive(Clone, Debug)]
pub struct Phones {
    /// The country of numbers without one, as ISO 3166-1 alpha-2 in capitals (`TH`).
    pub default_country: Option<String>,
}

impl Phones {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let country: Option<String> = reader.optional(
            "phones.default_country",
            "The country of numbers that are written without one, as two letters (TH). None: + and country code are needed.",
        );
        let default_country = country.map(|country| country.to_ascii_uppercase());
        if default_country.as_ref().is_some_and(|country| country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase())) {
            reader.problem("phones.default_country", "must be two letters like TH (ISO 3166-1 alpha-2)");
        }
        Self { default_country }
    }
}
