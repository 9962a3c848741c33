//! The client's address: the peer's, or what trusted proxies say it is.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Whether a peer is a proxy that the settings trust.
pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(&peer))
}

/// Finds the client's address. `X-Forwarded-For` is read from the right, and only as far as trusted proxies wrote it.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    if !is_trusted(address, trusted) {
        return address;
    }
    let forwarded: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    for header in forwarded.into_iter().rev() {
        let Ok(text) = header.to_str() else { return address };
        for hop in text.rsplit(',') {
            // What cannot be read was not written by a proxy of ours: the last hop that could be is the best that is known.
            let Some(hop) = parse_hop(hop.trim()) else { return address };
            address = hop;
            if !is_trusted(address, trusted) {
                return address;
            }
        }
    }
    address
}

/// `1.2.3.4`, `1.2.3.4:567`, `::1` or `[::1]:567`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()));
    let address = address.or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn found(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        // C10
        assert_eq!(found("9.9.9.9", &["1.2.3.4"], &[]), "9.9.9.9");
        assert_eq!(found("9.9.9.9", &["1.2.3.4"], &["10.0.0.0/8"]), "9.9.9.9");
        assert_eq!(found("10.0.0.1", &["1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(found("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.7"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(found("10.0.0.1", &["6.6.6.6", "1.2.3.4:55, 10.0.0.7"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(found("10.0.0.1", &["1.2.3.4, nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn mapped_addresses_are_canonical() {
        assert_eq!(found("::ffff:1.2.3.4", &[], &[]), "1.2.3.4");
        assert_eq!(found("::ffff:10.0.0.1", &["::ffff:5.6.7.8"], &["10.0.0.0/8"]), "5.6.7.8");
        assert_eq!(found("10.0.0.1", &["[2001:db8::1]:443"], &["10.0.0.0/8"]), "2001:db8::1");
    }
}
