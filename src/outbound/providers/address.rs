//! Which addresses on the network may be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether requests may go to private networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Private {
    Allowed,
    Refused,
}

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Anybody's.
    Public,
    /// This machine's, or a network's of the deployment.
    Private,
    /// Nothing that speaks for a provider: link-local (where clouds keep the secrets of their machines), multicast, reserved.
    Never,
}

/// Whether an address may be asked.
pub(super) fn is_allowed(address: IpAddr, private: Private) -> bool {
    match reach(address) {
        Reach::Public => true,
        Reach::Private => private == Private::Allowed,
        Reach::Never => false,
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

const fn of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // CGNAT and the network of benchmarks are private in effect: other people's insides.
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18 | 19, ..] => Reach::Private,
        [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Never,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let embedded = |high: u16, low: u16| of_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfc00..=0xfdff, ..] => Reach::Private,
        // IPv4 in other clothes: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0 | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Never,
        // Only this part of the room is given out.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // E11
    #[test]
    fn only_public_addresses_are_asked_unless_private_ones_are_allowed() {
        for public in
            ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "192.169.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert_eq!(reach(public.parse().unwrap()), Reach::Public, "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ] {
            let address = private.parse().unwrap();
            assert!(!is_allowed(address, Private::Refused) && is_allowed(address, Private::Allowed), "{private}");
        }
        for never in [
            "0.0.0.0",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "fec0::1",
            "::",
            "::2",
            "ff02::1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "2001:db8::1",
            "100::1",
            "::7f00:1",
        ] {
            assert!(!is_allowed(never.parse().unwrap(), Private::Allowed), "{never}");
        }
    }
}
