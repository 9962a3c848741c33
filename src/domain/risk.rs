//! How unusual a sign-in or a refresh is: signals with a weight each, and a score of 0 to 100.

use std::time::Duration;

use entity::Timestamp;

/// The highest score.
pub const HIGHEST: u8 = 100;
/// Nobody travels faster: an airliner does some 900 km/h.
const FASTEST_KMH: f64 = 900.0;
/// What a database of addresses may be wrong by, and what a mobile network moves its exits by.
const SHORTEST_KM: f64 = 300.0;
/// Wrong passwords within the window of the lockout that count as recent failures: fewer are slips.
pub const FAILURES: usize = 3;

const EARTH_RADIUS_KM: f64 = 6371.0;

/// Something unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The account does not know the device.
    NewDevice,
    /// No session of the account was in that country.
    NewCountry,
    /// Nobody gets there that fast.
    ImpossibleTravel,
    /// Wrong passwords came before the right one.
    RecentFailures,
    /// A known device says that it is another one.
    UserAgentChanged,
    /// A refresh token was used twice.
    RefreshTokenReused,
    /// The address is one that many hide behind.
    AnonymousNetwork,
}

impl Signal {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::NewDevice,
        Self::NewCountry,
        Self::ImpossibleTravel,
        Self::RecentFailures,
        Self::UserAgentChanged,
        Self::RefreshTokenReused,
        Self::AnonymousNetwork,
    ];

    /// What it adds to the score. A new device by itself, or a new country, is life; both together are worth a look (50), and with a third one a
    /// second proof (80).
    #[must_use]
    pub const fn weight(self) -> u8 {
        match self {
            Self::NewDevice | Self::RecentFailures => 20,
            Self::UserAgentChanged => 25,
            Self::NewCountry | Self::AnonymousNetwork => 30,
            Self::ImpossibleTravel => 40,
            Self::RefreshTokenReused => HIGHEST,
        }
    }

    /// As the database keeps it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewDevice => "new_device",
            Self::NewCountry => "new_country",
            Self::ImpossibleTravel => "impossible_travel",
            Self::RecentFailures => "recent_failures",
            Self::UserAgentChanged => "user_agent_changed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::AnonymousNetwork => "anonymous_network",
        }
    }

    /// The other way.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals(u8);

impl Signals {
    /// The same with one more.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | signal.bit())
    }

    /// The same with one more, where it was seen.
    #[must_use]
    pub const fn with_if(self, seen: bool, signal: Signal) -> Self {
        if seen { self.with(signal) } else { self }
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }

    /// Each, in the order of [`Signal::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.contains(*signal))
    }

    /// As the database keeps them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Signal::as_str).collect()
    }

    /// The other way; unknown names are left out.
    #[must_use]
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(Signal::parse).collect()
    }

    /// 0 (nothing unusual) to 100.
    #[must_use]
    pub fn score(self) -> u8 {
        self.iter().fold(0, |score: u8, signal| score.saturating_add(signal.weight())).min(HIGHEST)
    }
}

impl FromIterator<Signal> for Signals {
    fn from_iter<T: IntoIterator<Item = Signal>>(signals: T) -> Self {
        signals.into_iter().fold(Self::default(), Self::with)
    }
}

/// A point on earth, in tenths of a degree: enough to tell travel, and not where somebody lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// North is positive.
    pub latitude: i32,
    /// East is positive.
    pub longitude: i32,
}

impl Position {
    /// From degrees; none where they are none.
    #[must_use]
    pub fn of_degrees(latitude: f64, longitude: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
        let tenths = |degrees: f64, most: f64| (degrees.abs() <= most).then(|| (degrees * 10.0).round() as i32);
        Some(Self { latitude: tenths(latitude, 90.0)?, longitude: tenths(longitude, 180.0)? })
    }

    /// Kilometres along the great circle (haversine).
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let radians = |tenths: i32| (f64::from(tenths) / 10.0).to_radians();
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let across = radians(other.longitude.saturating_sub(self.longitude));
        let half = ((to - from) / 2.0).sin().powi(2) + from.cos() * to.cos() * (across / 2.0).sin().powi(2);
        2.0 * EARTH_RADIUS_KM * half.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// Where somebody was seen, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// As far as it is known.
    pub position: Option<Position>,
    /// When.
    pub at: Timestamp,
}

/// What the places of earlier sightings make of a new one; nothing where there is none to compare with.
#[must_use]
pub fn of_travel(earlier: &[Sighting], now: &Sighting) -> Signals {
    let mut countries = earlier.iter().filter_map(|sighting| sighting.country.as_deref()).peekable();
    let is_new_country = match now.country.as_deref() {
        Some(country) => countries.peek().is_some() && countries.all(|known| known != country),
        None => false,
    };
    Signals::default().with_if(is_new_country, Signal::NewCountry).with_if(is_impossible(earlier, now), Signal::ImpossibleTravel)
}

/// Where the account is seen already, nobody has to travel to: two devices may well be at two ends of the world.
fn is_impossible(earlier: &[Sighting], now: &Sighting) -> bool {
    let Some(here) = now.position else { return false };
    let trips = || earlier.iter().filter_map(|sighting| Some((sighting.position?.distance_km(here), now.at.since(sighting.at))));
    trips().all(|(distance, _)| distance > SHORTEST_KM) && trips().any(|(distance, time)| is_too_fast(distance, time))
}

fn is_too_fast(distance_km: f64, time: Duration) -> bool {
    distance_km > FASTEST_KMH * time.as_secs_f64() / 3600.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BANGKOK: Position = Position { latitude: 138, longitude: 1005 };
    const CHIANG_MAI: Position = Position { latitude: 188, longitude: 990 };
    const LONDON: Position = Position { latitude: 515, longitude: -1 };
    const HOUR: i64 = 3_600_000;

    fn seen(country: &str, position: Position, hour: i64) -> Sighting {
        Sighting { country: Some(country.to_owned()), position: Some(position), at: Timestamp::from_millis(hour * HOUR) }
    }

    #[test]
    fn the_weights_make_what_the_rules_promise() {
        use Signal::{AnonymousNetwork, ImpossibleTravel, NewCountry, NewDevice, RecentFailures, RefreshTokenReused, UserAgentChanged};
        let score = |signals: &[Signal]| signals.iter().copied().collect::<Signals>().score();
        // By itself none but a theft is worth a look.
        for signal in Signal::ALL {
            assert!(signal.weight() < 50 || signal == RefreshTokenReused, "{signal:?}");
        }
        assert!(score(&[NewDevice, RecentFailures]) < 50, "somebody on a new phone who does not remember the password");
        assert_eq!(score(&[NewDevice, NewCountry]), 50);
        assert_eq!(score(&[NewDevice, NewCountry, AnonymousNetwork]), 80);
        assert_eq!(score(&[NewDevice, NewCountry, ImpossibleTravel]), 90);
        assert!((50..80).contains(&score(&[NewCountry, ImpossibleTravel])), "a known device behind another exit");
        assert!((50..80).contains(&score(&[UserAgentChanged, NewCountry])));
        assert_eq!(score(&[RefreshTokenReused, NewDevice]), 100);
        assert_eq!(score(&[]), 0);
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        for (from, to, kilometres) in [(BANGKOK, LONDON, 9530.0), (BANGKOK, CHIANG_MAI, 580.0), (LONDON, LONDON, 0.0)] {
            let distance = from.distance_km(to);
            assert!((distance - kilometres).abs() < 30.0, "{distance}");
            assert!((distance - to.distance_km(from)).abs() < 0.001);
        }
        let (east, west) = (Position { latitude: 0, longitude: 1799 }, Position { latitude: 0, longitude: -1799 });
        assert!(east.distance_km(west) < 30.0, "across the date line");
        assert_eq!(Position::of_degrees(13.7563, 100.5018), Some(BANGKOK));
        assert_eq!(Position::of_degrees(91.0, 0.0), None);
        assert_eq!(Position::of_degrees(f64::NAN, 0.0), None);
    }

    #[test]
    fn travel_is_impossible_where_nobody_is_that_fast() {
        let home = [seen("TH", BANGKOK, 0)];
        assert_eq!(of_travel(&home, &seen("GB", LONDON, 1)).names(), ["new_country", "impossible_travel"]);
        assert_eq!(of_travel(&home, &seen("GB", LONDON, 12)).names(), ["new_country"]);
        assert_eq!(of_travel(&home, &seen("TH", CHIANG_MAI, 1)).names(), [""; 0], "an hour's flight");
        assert_eq!(of_travel(&home, &seen("TH", CHIANG_MAI, 0)).names(), ["impossible_travel"]);
        // Who is at both ends of the world is there.
        let both = [seen("TH", BANGKOK, 0), seen("GB", LONDON, 0)];
        assert_eq!(of_travel(&both, &seen("GB", LONDON, 0)), Signals::default());
        // A clock that is behind makes nobody fast, nor slow.
        assert_eq!(of_travel(&[seen("TH", BANGKOK, 5)], &seen("TH", BANGKOK, 0)), Signals::default());
    }

    #[test]
    fn there_is_nothing_to_compare_with_at_first() {
        assert_eq!(of_travel(&[], &seen("TH", BANGKOK, 0)), Signals::default());
        let nowhere = Sighting { country: None, position: None, at: Timestamp::from_millis(0) };
        assert_eq!(of_travel(std::slice::from_ref(&nowhere), &seen("TH", BANGKOK, 0)), Signals::default());
        assert_eq!(of_travel(&[seen("TH", BANGKOK, 0)], &nowhere), Signals::default());
    }

    proptest! {
        #[test]
        fn the_score_is_monotone_in_its_signals(some in 0_u8..128, more in 0_u8..128) {
            let (fewer, all) = (Signals(some), Signals(some | more));
            prop_assert!(fewer.score() <= all.score() && all.score() <= HIGHEST);
            prop_assert_eq!(Signals::of_names(all.names()), all);
            for signal in all.iter() {
                prop_assert!(all.score() >= signal.weight());
            }
        }

        #[test]
        fn nobody_travels_more_than_half_around(latitudes in (-900..=900, -900..=900), longitudes in (-1800..=1800, -1800..=1800)) {
            let from = Position { latitude: latitudes.0, longitude: longitudes.0 };
            let to = Position { latitude: latitudes.1, longitude: longitudes.1 };
            let distance = from.distance_km(to);
            prop_assert!((0.0..=20_016.0).contains(&distance), "{}", distance);
        }
    }
}
