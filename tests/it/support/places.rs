//! A small database of addresses, in the format of MaxMind: networks for documentation, laid somewhere on earth.
//!
//! <https://maxmind.github.io/MaxMind-DB/>: a binary tree over the bits of an address, whose leaves point at values; the values; and what the
//! database says of itself, as one more value at the end.

use std::{net::IpAddr, path::Path};

use ipnet::IpNet;
use serde_json::{Value, json};

/// In `192.0.2.0/24`.
pub const BANGKOK: &str = "192.0.2.7";
/// Some 580 km away, in the same country: `203.0.113.0/25`.
pub const CHIANG_MAI: &str = "203.0.113.7";
/// In `198.51.100.0/24`.
pub const LONDON: &str = "198.51.100.7";
/// In `2001:db8::/32`.
pub const TOKYO: &str = "2001:db8::7";
/// In `203.0.113.128/25`, which the database marks as a proxy.
pub const HIDDEN_IN_BERLIN: &str = "203.0.113.200";

const NODE_BITS: u16 = 32;
/// Between the tree and the values.
const SEPARATOR: [u8; 16] = [0; 16];
const METADATA: &[u8] = b"\xAB\xCD\xEFMaxMind.com";
const IPV4_BITS: u8 = 96;

/// Writes it, as a database of cities.
pub fn write_places(path: &Path) {
    let place = |country: &str, city: &str, timezone: &str, latitude: f64, longitude: f64| {
        json!({
            "country": {"iso_code": country, "names": {"en": "not read"}},
            "city": {"geoname_id": 7, "names": {"de": "auch nicht", "en": city}},
            "location": {"accuracy_radius": 20, "latitude": latitude, "longitude": longitude, "time_zone": timezone},
        })
    };
    let mut berlin = place("DE", "Berlin", "Europe/Berlin", 52.52, 13.405);
    berlin["traits"] = json!({"is_anonymous_proxy": true});
    let networks = [
        ("192.0.2.0/24", place("TH", "Bangkok", "Asia/Bangkok", 13.7563, 100.5018)),
        ("203.0.113.0/25", place("TH", "Chiang Mai", "Asia/Bangkok", 18.7883, 98.9853)),
        ("198.51.100.0/24", place("GB", "London", "Europe/London", 51.5074, -0.1278)),
        ("2001:db8::/32", place("JP", "Tokyo", "Asia/Tokyo", 35.6762, 139.6503)),
        ("203.0.113.128/25", berlin),
    ];
    std::fs::write(path, database("GeoLite2-City", &networks)).unwrap();
}

/// A database of any kind.
pub fn database(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut tree, mut values) = (Tree::default(), Vec::new());
    for (network, value) in networks {
        tree.insert(network.parse().unwrap(), u32::try_from(values.len()).unwrap());
        encode(value, &mut values);
    }
    let mut bytes = tree.encode();
    bytes.extend(SEPARATOR);
    bytes.extend(values);
    bytes.extend(METADATA);
    encode_metadata(kind, u32::try_from(tree.nodes.len()).unwrap(), &mut bytes);
    bytes
}

/// A map whose numbers have the widths that the format wants.
fn encode_metadata(kind: &str, nodes: u32, into: &mut Vec<u8>) {
    let numbers: [(&str, u8, Vec<u8>); 6] = [
        ("binary_format_major_version", UNSIGNED_16, 2_u16.to_be_bytes().into()),
        ("binary_format_minor_version", UNSIGNED_16, 0_u16.to_be_bytes().into()),
        ("build_epoch", UNSIGNED_64, 1_795_176_000_u64.to_be_bytes().into()),
        ("ip_version", UNSIGNED_16, 6_u16.to_be_bytes().into()),
        ("node_count", UNSIGNED_32, nodes.to_be_bytes().into()),
        ("record_size", UNSIGNED_16, NODE_BITS.to_be_bytes().into()),
    ];
    let others = [("database_type", json!(kind)), ("description", json!({"en": "documentation networks"})), ("languages", json!(["en"]))];
    control(MAP, numbers.len() + others.len(), into);
    for (name, width, number) in numbers {
        encode(&json!(name), into);
        control(width, number.len(), into);
        into.extend(number);
    }
    for (name, value) in others {
        encode(&json!(name), into);
        encode(&value, into);
    }
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Value(u32),
}

struct Tree {
    nodes: Vec<[Record; 2]>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![[Record::Empty; 2]] }
    }
}

impl Tree {
    fn insert(&mut self, network: IpNet, value: u32) {
        let (address, length) = match network.network() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), network.prefix_len() + IPV4_BITS),
            IpAddr::V6(address) => (u128::from(address), network.prefix_len()),
        };
        let mut node = 0;
        for bit in 0..length {
            let side = usize::from((address >> (127 - bit)) & 1 == 1);
            if bit + 1 == length {
                self.nodes[node][side] = Record::Value(value);
            } else if let Record::Node(next) = self.nodes[node][side] {
                node = next;
            } else {
                self.nodes.push([Record::Empty; 2]);
                let next = self.nodes.len() - 1;
                self.nodes[node][side] = Record::Node(next);
                node = next;
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.nodes.len()).unwrap();
        let number = |record: &Record| match record {
            Record::Empty => count,
            Record::Node(node) => u32::try_from(*node).unwrap(),
            Record::Value(offset) => count + u32::try_from(SEPARATOR.len()).unwrap() + offset,
        };
        self.nodes.iter().flatten().flat_map(|record| number(record).to_be_bytes()).collect()
    }
}

const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const UNSIGNED_16: u8 = 5;
const UNSIGNED_32: u8 = 6;
const MAP: u8 = 7;
const UNSIGNED_64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

fn encode(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Null => panic!("the format has no null"),
        Value::Bool(value) => control(BOOLEAN, usize::from(*value), into),
        Value::Number(number) => {
            if let Some(whole) = number.as_u64() {
                control(UNSIGNED_32, 4, into);
                into.extend(u32::try_from(whole).unwrap().to_be_bytes());
            } else {
                control(DOUBLE, 8, into);
                into.extend(number.as_f64().unwrap().to_be_bytes());
            }
        }
        Value::String(text) => {
            control(TEXT, text.len(), into);
            into.extend(text.as_bytes());
        }
        Value::Array(items) => {
            control(ARRAY, items.len(), into);
            for item in items {
                encode(item, into);
            }
        }
        Value::Object(fields) => {
            control(MAP, fields.len(), into);
            for (name, field) in fields {
                encode(&Value::String(name.clone()), into);
                encode(field, into);
            }
        }
    }
}

/// Kind and size of what follows. Kinds above 7 have a byte of their own.
fn control(kind: u8, size: usize, into: &mut Vec<u8>) {
    let (own, longer) = match u8::try_from(size).unwrap() {
        small @ 0..29 => (small, None),
        long => (29, Some(long - 29)),
    };
    if kind <= MAP {
        into.push((kind << 5) | own);
    } else {
        into.extend([own, kind - MAP]);
    }
    into.extend(longer);
}
