//! Where addresses lie, and which of them tell nothing about who is behind them.

use std::path::PathBuf;

use super::reader::Reader;

/// Settings of the places of addresses.
#[derive(Clone, Debug)]
pub struct Geo {
    /// A MaxMind database.
    pub database: Option<PathBuf>,
    /// A list of networks that hide who uses them.
    pub anonymous_networks: Option<PathBuf>,
}

impl Geo {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let geo = Self {
            database: reader.optional(
                "geo.database",
                "Path of a MaxMind City database (GeoLite2-City.mmdb, or another of its format; a Country database knows countries alone). It is held in memory, and read again within a minute after it was replaced. None: sessions have no location.",
            ),
            anonymous_networks: reader.optional(
                "geo.anonymous_networks",
                "Path of a text file with an address or a network in each line: exits of Tor, of VPNs, of proxies. Read again within a minute after it was replaced.",
            ),
        };
        for (name, path) in [("geo.database", &geo.database), ("geo.anonymous_networks", &geo.anonymous_networks)] {
            if path.as_ref().is_some_and(|path| !path.is_file()) {
                reader.problem(name, "is not a file that can be read");
            }
        }
        geo
    }
}
