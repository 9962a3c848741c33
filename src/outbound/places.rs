//! Where addresses lie, by a MaxMind database, and which of them hide who uses them, by a list.
//!
//! Both are files that somebody else keeps up to date. They are held in memory, looked up without waiting, and read again when they were replaced.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

use super::anonymous_networks::AnonymousNetworks;
pub use super::anonymous_networks::NotANetwork;
use crate::config::Geo;

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlacesFault {
    /// The database cannot be read.
    #[error("geo.database: {0}")]
    Database(io::Error),
    /// It is none.
    #[error("geo.database: it is no MaxMind database: {0}")]
    Broken(#[from] MaxMindDbError),
    /// It is one of something else.
    #[error("geo.database: it is a database of {0:?}, not of cities or countries")]
    OtherKind(String),
    /// The list cannot be read.
    #[error("geo.anonymous_networks: {0}")]
    List(io::Error),
    /// A line of it is wrong.
    #[error("geo.anonymous_networks: {0}")]
    Line(#[from] NotANetwork),
}

/// Where an address lies, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Its name in English.
    pub city: Option<String>,
    /// IANA, for example `Asia/Bangkok`.
    pub timezone: Option<String>,
    /// Latitude and longitude, in degrees.
    pub degrees: Option<(f64, f64)>,
}

/// What is asked.
#[derive(Debug)]
pub struct Places {
    database: Option<Kept<Reader<Vec<u8>>>>,
    anonymous: Option<Kept<AnonymousNetworks>>,
    /// A database that is broken inside is told of once, not at each request.
    told: AtomicBool,
}

/// What a file says, until it says something else.
#[derive(Debug)]
struct Kept<T> {
    path: PathBuf,
    read: fn(&Path) -> Result<T, PlacesFault>,
    content: ArcSwap<(Version, T)>,
}

/// By what a file is known to be another one.
type Version = (u64, Option<SystemTime>);

impl Places {
    /// By the settings.
    pub fn open(settings: &Geo) -> Result<Self, PlacesFault> {
        Ok(Self {
            database: settings.database.as_deref().map(|path| Kept::open(path, read_database)).transpose()?,
            anonymous: settings.anonymous_networks.as_deref().map(|path| Kept::open(path, read_list)).transpose()?,
            told: AtomicBool::new(false),
        })
    }

    /// Where it lies; nothing where there is no database, or it does not know.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Place {
        let Some(kept) = &self.database else { return Place::default() };
        let database = kept.content.load();
        match record(&database.1, address) {
            Ok(record) => record.map(Place::from).unwrap_or_default(),
            Err(error) => {
                if !self.told.swap(true, Relaxed) {
                    tracing::error!(%error, "the database of addresses is broken inside: some addresses have no place");
                }
                Place::default()
            }
        }
    }

    /// Whether many hide behind it: by the list, or by what the database says.
    #[must_use]
    pub fn is_anonymous(&self, address: IpAddr) -> bool {
        let is_listed = self.anonymous.as_ref().is_some_and(|kept| kept.content.load().1.contains(address));
        is_listed || self.database.as_ref().is_some_and(|kept| is_marked(&kept.content.load().1, address))
    }

    /// Reads again what was replaced since; what cannot be used is told, and the old one stays. Blocks: not for a thread that serves requests.
    pub fn reload(&self) {
        if let Some(kept) = &self.database {
            kept.reload();
            self.told.store(false, Relaxed);
        }
        if let Some(kept) = &self.anonymous {
            kept.reload();
        }
    }

    /// Whether there is anything to read again.
    #[must_use]
    pub const fn reads_files(&self) -> bool {
        self.database.is_some() || self.anonymous.is_some()
    }
}

impl<T> Kept<T> {
    fn open(path: &Path, read: fn(&Path) -> Result<T, PlacesFault>) -> Result<Self, PlacesFault> {
        // Looked at before it is read: one that is replaced meanwhile is read once more.
        let version = version_of(path);
        let content = read(path)?;
        Ok(Self { path: path.to_owned(), read, content: ArcSwap::from_pointee((version, content)) })
    }

    fn reload(&self) {
        let version = version_of(&self.path);
        if self.content.load().0 == version {
            return;
        }
        match (self.read)(&self.path) {
            Ok(content) => {
                self.content.store(Arc::new((version, content)));
                tracing::info!(path = %self.path.display(), "read again, for it was replaced");
            }
            Err(error) => tracing::warn!(%error, "a file that was replaced cannot be used; what it said before still counts"),
        }
    }
}

fn version_of(path: &Path) -> Version {
    fs::metadata(path).map_or((0, None), |metadata| (metadata.len(), metadata.modified().ok()))
}

fn read_database(path: &Path) -> Result<Reader<Vec<u8>>, PlacesFault> {
    let reader = Reader::from_source(fs::read(path).map_err(PlacesFault::Database)?)?;
    let kind = &reader.metadata().database_type;
    if ["City", "Country", "Enterprise"].iter().any(|known| kind.contains(known)) {
        Ok(reader)
    } else {
        Err(PlacesFault::OtherKind(kind.clone()))
    }
}

fn read_list(path: &Path) -> Result<AnonymousNetworks, PlacesFault> {
    Ok(AnonymousNetworks::parse(&fs::read_to_string(path).map_err(PlacesFault::List)?)?)
}

fn record(database: &Reader<Vec<u8>>, address: IpAddr) -> Result<Option<Record<'_>>, MaxMindDbError> {
    if address.is_ipv6() && database.metadata().ip_version == 4 {
        return Ok(None);
    }
    database.lookup(address)?.decode()
}

/// Some databases mark such addresses.
fn is_marked(database: &Reader<Vec<u8>>, address: IpAddr) -> bool {
    let traits = record(database, address).ok().flatten().and_then(|record| record.traits);
    traits.is_some_and(|traits| traits.is_anonymous || traits.is_anonymous_proxy)
}

/// What of a record is read.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    city: Option<City<'a>>,
    location: Option<Location<'a>>,
    traits: Option<Traits>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Deserialize)]
struct Location<'a> {
    latitude: Option<f64>,
    longitude: Option<f64>,
    time_zone: Option<&'a str>,
}

#[derive(Deserialize)]
struct Traits {
    #[serde(default)]
    is_anonymous: bool,
    #[serde(default)]
    is_anonymous_proxy: bool,
}

impl From<Record<'_>> for Place {
    fn from(record: Record<'_>) -> Self {
        let location = record.location;
        let country = record.country.and_then(|country| country.iso_code).filter(|code| code.len() == 2);
        Self {
            country: country.map(str::to_owned),
            city: record.city.and_then(|city| city.names?.en).map(str::to_owned),
            timezone: location.as_ref().and_then(|location| location.time_zone).map(str::to_owned),
            degrees: location.and_then(|location| Some((location.latitude?, location.longitude?))),
        }
    }
}
