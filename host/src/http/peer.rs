//! Who is on the other side.

use std::net::IpAddr;

/// The address that a request came from: an extension of every request that a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);
