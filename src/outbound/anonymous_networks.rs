//! Networks that tell nothing about who is behind them: exits of Tor, of VPNs, of proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// Ranges of addresses, each as its first and its last, in their order and apart from one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AnonymousNetworks(Vec<(u128, u128)>);

/// A line that is no address and no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no address and no network")]
pub struct NotANetwork {
    /// Counted from 1.
    line: usize,
}

impl AnonymousNetworks {
    /// One in each line; what follows on `#` is a remark.
    pub(super) fn parse(text: &str) -> Result<Self, NotANetwork> {
        let mut ranges = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let written = line.split('#').next().unwrap_or_default().trim();
            if !written.is_empty() {
                ranges.push(range_of(written).ok_or(NotANetwork { line: index + 1 })?);
            }
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        merged.shrink_to_fit();
        Ok(Self(merged))
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let wanted = number(address);
        let after = self.0.partition_point(|(first, _)| *first <= wanted);
        after.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|(_, last)| wanted <= *last)
    }
}

fn range_of(written: &str) -> Option<(u128, u128)> {
    let network: IpNet = written.parse().ok().or_else(|| written.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some((number(network.network()), number(network.broadcast())))
}

/// IPv4 has its place among IPv6, as mapped.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_line_by_line() {
        let text = "# exits\n192.0.2.7\n198.51.100.0/24 # a VPN\r\n\n198.51.100.128/25\n198.51.101.0/24\n2001:db8:1::/48\n";
        let networks = AnonymousNetworks::parse(text).unwrap();
        assert_eq!(networks.0.len(), 3, "what touches is one: {networks:?}");
        let contains = |address: &str| networks.contains(address.parse().unwrap());
        for inside in ["192.0.2.7", "198.51.100.0", "198.51.100.200", "198.51.101.255", "2001:db8:1::9", "::ffff:192.0.2.7"] {
            assert!(contains(inside), "{inside}");
        }
        for outside in ["192.0.2.6", "192.0.2.8", "198.51.99.255", "198.51.102.0", "2001:db8:2::", "::1", "0.0.0.0"] {
            assert!(!contains(outside), "{outside}");
        }
        assert!(!AnonymousNetworks::default().contains("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_told_with_its_line() {
        for wrong in ["192.0.2.0/33", "example.com", "192.0.2.1-192.0.2.9", "192.0.2"] {
            assert_eq!(AnonymousNetworks::parse(&format!("192.0.2.7\n{wrong}\n")), Err(NotANetwork { line: 2 }), "{wrong}");
        }
    }
}
