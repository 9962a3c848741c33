//! Where a request came from.

use async_graphql::SimpleObject;

/// Where an address lies, as far as the deployment's database of addresses knows.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Its name in English.
    pub city: Option<String>,
    /// IANA, for example `Asia/Bangkok`.
    pub timezone: Option<String>,
}

impl Location {
    /// What is known of it; none where nothing is.
    pub fn known(country: Option<String>, city: Option<String>, timezone: Option<String>) -> Option<Self> {
        let is_known = country.is_some() || city.is_some() || timezone.is_some();
        is_known.then_some(Self { country, city, timezone })
    }
}
