//! Where webhooks may go. Whoever owns an endpoint chooses its URL, and must not reach with it what only this
//! machine can: no name counts, only the addresses that it has.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// What is allowed beyond HTTPS to public addresses. Nothing, unless somebody says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Addresses that are not public, such as those of this machine.
    pub allow_private: bool,
    /// Plain HTTP.
    pub allow_http: bool,
}

/// A URL that a webhook may be sent to, if its name has addresses that are allowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination(Url);

/// Why nothing is sent there. Owners of endpoints are told: it says nothing of the addresses that a name
/// has in this network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no URL, or has no host.
    #[error("this is not a URL")]
    NotAUrl,
    /// It is neither HTTPS nor, where that is allowed, HTTP.
    #[error("the URL must begin with https://")]
    Scheme,
    /// It has a user name or a password, which others would get to read.
    #[error("the URL must have no user name and no password")]
    UserInfo,
    /// It has a fragment, which no server would see.
    #[error("the URL must have no fragment")]
    Fragment,
    /// At least one address of the host is not public.
    #[error("the host has an address that is not public")]
    Private,
    /// The host has no address, for now.
    #[error("the host has no address")]
    Unresolved,
}

/// What knows the addresses of names.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name.
    fn lookup(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Resolver for System {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = tokio::net::lookup_host((name, 0)).await?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}

impl Destination {
    /// The URL, which may have a secret of the receiver in its path or query.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The address of a host that is one itself, however it was written.
    fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.origin().ascii_serialization())
    }
}

/// Reads a URL. Of a name, nothing is known yet: [`resolve`] tells.
///
/// # Errors
///
/// Nothing may be sent there.
pub fn parse(url: &str, policy: Policy) -> Result<Destination, Refused> {
    let url = Url::parse(url).map_err(|_| Refused::NotAUrl)?;
    check_scheme(&url, policy)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(Refused::Fragment);
    }
    let destination = Destination(url);
    judge(destination.literal().as_slice(), policy)?;
    Ok(destination)
}

/// Asks once for the addresses of a destination. A name may have others the next time: connect to these.
///
/// # Errors
///
/// There are none, or one of them is not allowed, or the policy has become stricter since the URL was read.
pub async fn resolve(
    destination: &Destination,
    policy: Policy,
    resolver: &impl Resolver,
) -> Result<Vec<SocketAddr>, Refused> {
    let url = destination.url();
    check_scheme(url, policy)?;
    let addresses = match url.host() {
        Some(Host::Domain(name)) => resolver.lookup(name).await.map_err(|_| Refused::Unresolved)?,
        _ => destination.literal().into_iter().collect(),
    };
    if addresses.is_empty() {
        return Err(Refused::Unresolved);
    }
    judge(&addresses, policy)?;
    let port = url.port_or_known_default().ok_or(Refused::NotAUrl)?;
    Ok(addresses.into_iter().map(|address| (address, port).into()).collect())
}

fn check_scheme(url: &Url, policy: Policy) -> Result<(), Refused> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if policy.allow_http => Ok(()),
        _ => Err(Refused::Scheme),
    }
}

/// One that is not allowed is enough: a name that has others beside it is still an attempt.
fn judge(addresses: &[IpAddr], policy: Policy) -> Result<(), Refused> {
    let allowed = policy.allow_private || addresses.iter().copied().all(is_public);
    if allowed { Ok(()) } else { Err(Refused::Private) }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IANA's special-purpose addresses (RFC 6890 and its registry), and multicast.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|net| net.contains(&address))
}

/// All that is given out for the internet. What else there is, or will be, has another purpose: local ones
/// (`fc00::/7`, `fe80::/10`, `fec0::/10`), multicast (`ff00::/8`), translation (`64:ff9b:1::/48`), discarding
/// (`100::/64`).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// Special purposes within: protocols with Teredo among them, and two for documentation.
const SPECIAL_V6: [Ipv6Net; 3] =
    [v6([0x2001, 0, 0, 0], 23), v6([0x2001, 0xdb8, 0, 0], 32), v6([0x3fff, 0, 0, 0], 20)];

fn is_public_v6(address: Ipv6Addr) -> bool {
    match embedded(address) {
        Some(inner) => is_public_v4(inner),
        None => {
            GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// The IPv4 address that packets to an IPv6 address end at: compatible (so `::` and `::1` as well) and mapped,
/// translated (RFC 2765), NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c, d]: [u16; 4], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length)
}

#[cfg(test)]
mod tests;
