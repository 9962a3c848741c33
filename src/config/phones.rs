//! How phone numbers are read.

use super::reader::Reader;

/// ISO 3166-1 alpha-2, without the places that have no phone numbers of their own.
const COUNTRIES: &str = "AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH \
    GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI \
    LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE \
    PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK \
    TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

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
        if default_country.as_ref().is_some_and(|country| !is_country(country)) {
            reader.problem(
                "phones.default_country",
                "must be a country with phone numbers of its own, as two letters like TH (ISO 3166-1 alpha-2)",
            );
        }
        Self { default_country }
    }
}

/// Whether two capitals name a country with numbers of its own.
pub(super) fn is_country(letters: &str) -> bool {
    COUNTRIES.split(' ').any(|known| known == letters)
}
