//! Where connections come from: networks, and what counts as one client.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

/// The part of an IPv6 address that is its network: whoever has one address of it may have all.
const NETWORK: u128 = u128::MAX << 64;

/// What counts as one client: an IPv4 address, or all IPv6 addresses of one /64. An IPv4 address that is
/// mapped into IPv6 (RFC 4291, section 2.5.5.2) is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(u128);

impl Origin {
    /// That of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() & NETWORK,
        })
    }

    /// It as a number that no other has.
    pub fn bits(self) -> u128 {
        self.0
    }
}

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// Text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a network, such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let address = text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
        address.or_else(|_| text.parse()).map(Self).map_err(|_| NotANetwork)
    }
}

/// Several networks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Networks(Arc<[Network]>);

impl Networks {
    /// Whether an address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|Network(network)| network.contains(&address))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        Origin::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv6_client_is_its_64_bit_network() {
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    }

    #[test]
    fn an_ipv4_client_is_its_address_in_either_form() {
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_ne!(origin("0.0.0.0"), origin("::"));
    }

    #[test]
    fn networks_contain_their_addresses_in_either_form() {
        let networks: Networks = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        for (address, is_contained) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), is_contained, "{address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0", "proxy.internal", "10.0.0.0/8 "] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text:?}");
        }
    }
}
