//! Where a server can be reached that is started later, and by somebody else.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// An address of this machine that nobody uses now. It is below those that the system gives to
/// whoever connects, or a caller could have it before the server does.
///
/// # Errors
/// When there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |_| {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(number % u32::from(PORTS.end - PORTS.start)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?.local_addr().ok()
    };
    (0..1000).find_map(free).ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))
}
