//! Who is on the other side, and whose word on it is believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// The address that a request came from: an extension of every request of which a listener knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The proxies of the operator's own. They alone may say for whom they speak.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Where a request came from that `from` brought; `None` when a proxy brought it and does not
    /// say from where.
    ///
    /// Each proxy writes behind what it was told, so the chain is believed from its end, up to
    /// the first address that nobody vouches for. When both headers are there and do not agree,
    /// one of them is the caller's own invention, and neither is believed. A caller who is not
    /// known is not the proxy: its address may be one that may come in.
    pub fn origin(&self, from: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trust(from) {
            return Some(from);
        }
        let forwarded = all(headers, "forwarded").map(|chain| self.last_stranger(&chain, forwarded_for));
        let listed = all(headers, "x-forwarded-for").map(|chain| self.last_stranger(&chain, address));
        match (forwarded, listed) {
            (Some(one), Some(other)) if one != other => None,
            (Some(origin), _) | (None, Some(origin)) => origin,
            (None, None) => None,
        }
    }

    /// Or the first proxy, when all of them are ours.
    fn last_stranger(&self, chain: &str, read: fn(&str) -> Option<IpAddr>) -> Option<IpAddr> {
        let mut origin = None;
        for step in chain.rsplit(',') {
            // Behind what cannot be read nothing is known.
            let address = read(step)?;
            origin = Some(address);
            if !self.trust(address) {
                break;
            }
        }
        origin
    }
}

/// All values of a header as one list. A byte that is no text spoils its own place in it, and not
/// what a proxy wrote behind it.
fn all(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let values: Vec<_> = headers.get_all(name).iter().map(text).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

/// The `for=` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(from: &str, headers: &[(&'static str, &str)]) -> String {
        let nets = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a net"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let origin = TrustedProxies(nets.to_vec()).origin(from.parse().expect("an address"), &map);
        origin.map_or_else(|| "nobody knows".to_owned(), |origin| origin.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_as_far_as_it_vouches() {
        const LIST: &str = "x-forwarded-for";
        for (from, headers, expected) in [
            ("192.0.2.9", &[(LIST, "198.51.100.1")][..], "192.0.2.9"),
            ("10.0.0.1", &[], "nobody knows"),
            ("10.0.0.1", &[(LIST, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(LIST, "203.0.113.66, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(LIST, "203.0.113.66, 198.51.100.1 ,10.1.1.1")], "198.51.100.1"),
            ("10.0.0.1", &[(LIST, "203.0.113.66"), (LIST, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(LIST, "10.2.2.2, 10.1.1.1")], "10.2.2.2"),
            ("10.0.0.1", &[(LIST, "198.51.100.1, unknown, 10.1.1.1")], "nobody knows"),
            ("10.0.0.1", &[(LIST, "")], "nobody knows"),
            ("10.0.0.1", &[(LIST, "caf\u{e9}, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(LIST, "198.51.100.1:4711")], "198.51.100.1"),
            ("10.0.0.1", &[(LIST, "::ffff:198.51.100.1")], "198.51.100.1"),
            ("fd00::1", &[(LIST, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("fd00::1", &[("forwarded", "for=\"[2001:db8::1]\";proto=https")], "2001:db8::1"),
            ("10.0.0.1", &[("forwarded", "for=203.0.113.66, By=x;For=198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[("forwarded", "for=_hidden")], "nobody knows"),
            ("10.0.0.1", &[("forwarded", "for=198.51.100.1"), (LIST, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[("forwarded", "for=203.0.113.66"), (LIST, "198.51.100.1")], "nobody knows"),
        ] {
            assert_eq!(origin(from, headers), expected, "{from} {headers:?}");
        }
    }
}
