//! Which addresses a target may have. The connection goes to the very address that was checked,
//! so a name that means another one a moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where clouds tell secrets to their machines, beside the link-local addresses.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// What an address is that no target may have, wherever it came from; `None` for all others.
pub fn forbidden(address: IpAddr) -> Option<&'static str> {
    let address = embedded(address);
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    match address {
        _ if link_local => Some("a link-local address"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if METADATA.contains(&address) => Some("a metadata address of a cloud"),
        // All of 0.0.0.0/8 is this machine, or nobody.
        IpAddr::V4(address) if address.octets()[0] == 0 => Some("an unspecified address"),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some("an unspecified address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("a broadcast address"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// The IPv4 address that an IPv6 address means: mapped, compatible, or behind NAT64.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if matches!(v6, Ipv6Addr::UNSPECIFIED | Ipv6Addr::LOCALHOST) {
        return address;
    }
    let [.., a, b, c, d] = v6.octets();
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Ipv4Addr::new(a, b, c, d).into(),
        _ => address,
    }
}

/// Looks names up, and gives out those of their addresses that may be contacted.
pub struct Resolver {
    pub allow_loopback: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(name.as_str(), found, allow_loopback)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("`{0}` has no address")]
    None(String),
    #[error("`{name}` is {address}, {what}, and those are never contacted")]
    Forbidden { name: String, address: IpAddr, what: &'static str },
    #[error("`{name}` is {address}, this machine itself; that needs `allow-loopback = true` of the target")]
    Loopback { name: String, address: IpAddr },
}

fn allowed(
    name: &str,
    found: impl Iterator<Item = SocketAddr>,
    allow_loopback: bool,
) -> Result<Vec<SocketAddr>, Refused> {
    let mut refused = Refused::None(name.to_owned());
    let mut allowed = Vec::new();
    for socket in found {
        let (name, address) = (name.to_owned(), socket.ip());
        if let Some(what) = forbidden(address) {
            refused = Refused::Forbidden { name, address, what };
        } else if embedded(address).is_loopback() && !allow_loopback {
            refused = Refused::Loopback { name, address };
        } else {
            allowed.push(socket);
        }
    }
    if allowed.is_empty() { Err(refused) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_addresses_are_never_contacted() {
        for (address, what) in [
            ("169.254.169.254", Some("link-local")),
            ("169.254.0.1", Some("link-local")),
            ("fe80::1", Some("link-local")),
            ("febf::1", Some("link-local")),
            ("::ffff:169.254.169.254", Some("link-local")),
            ("::169.254.169.254", Some("link-local")),
            ("64:ff9b::a9fe:a9fe", Some("link-local")),
            ("fd00:ec2::254", Some("metadata")),
            ("100.100.100.200", Some("metadata")),
            ("168.63.129.16", Some("metadata")),
            ("0.0.0.0", Some("unspecified")),
            ("0.1.2.3", Some("unspecified")),
            ("::", Some("unspecified")),
            ("::ffff:0.0.0.0", Some("unspecified")),
            ("224.0.0.1", Some("multicast")),
            ("ff02::1", Some("multicast")),
            ("::ffff:239.1.1.1", Some("multicast")),
            ("255.255.255.255", Some("broadcast")),
            ("10.0.0.1", None),
            ("192.168.1.1", None),
            ("169.253.255.255", None),
            ("fd00:ec2::253", None),
            ("fec0::1", None),
            ("2001:db8::1", None),
            ("127.0.0.1", None),
            ("::1", None),
        ] {
            let found = forbidden(address.parse().expect("an address"));
            match what {
                Some(what) => {
                    assert!(found.is_some_and(|found| found.contains(what)), "{address}: {found:?}");
                }
                None => assert_eq!(found, None, "{address}"),
            }
        }
    }

    #[test]
    fn a_name_gives_only_the_addresses_that_may_be_contacted() {
        let of = |addresses: &[&str], allow_loopback| {
            let found = addresses.iter().map(|it| SocketAddr::new(it.parse().expect("an address"), 0));
            let allowed = allowed("oms", found, allow_loopback);
            allowed
                .map(|it| it.iter().map(|it| it.ip().to_string()).collect::<Vec<_>>())
                .map_err(|refused| refused.to_string())
        };
        assert_eq!(of(&["10.0.0.1", "169.254.169.254", "::1"], false), Ok(vec!["10.0.0.1".to_owned()]));
        for (addresses, allow_loopback, words) in [
            (&["169.254.169.254"][..], true, "a link-local address"),
            (&["::ffff:169.254.169.254"], true, "a link-local address"),
            (&["127.0.0.1"], false, "allow-loopback"),
            (&["127.9.9.9"], false, "allow-loopback"),
            (&["::1"], false, "allow-loopback"),
            (&["::ffff:127.0.0.1"], false, "allow-loopback"),
            (&[], true, "has no address"),
        ] {
            let refused = of(addresses, allow_loopback).expect_err("none is allowed");
            assert!(refused.contains("`oms`") && refused.contains(words), "{refused}");
        }
        assert_eq!(of(&["127.0.0.1", "::1"], true), Ok(vec!["127.0.0.1".to_owned(), "::1".to_owned()]));
    }
}
