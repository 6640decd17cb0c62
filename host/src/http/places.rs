//! How many places there are, and how many one address may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places that are counted by address.
#[derive(Clone, Debug)]
pub struct Places(Arc<Table>);

#[derive(Debug)]
struct Table {
    each_max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    table: Arc<Table>,
    address: IpAddr,
}

impl Places {
    pub fn new(each_max: usize) -> Self {
        Self(Arc::new(Table { each_max, taken: Mutex::default() }))
    }

    /// A place for this address, unless it has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let address = site(address);
        let mut taken = self.0.taken();
        let count = taken.entry(address).or_default();
        // An address whose count is zero is not in the table, so nothing is left behind here.
        if *count >= self.0.each_max {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { table: Arc::clone(&self.0), address })
    }
}

impl Table {
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.table.taken();
        match taken.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.address);
            }
        }
    }
}

/// Whoever has one IPv6 address has the whole /64.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_places_and_takes_nobody_elses() {
        let places = Places::new(2);
        let first = places.take(address("192.0.2.1")).expect("a place");
        let _second = places.take(address("192.0.2.1")).expect("a place");
        assert!(places.take(address("192.0.2.1")).is_none());
        let other = places.take(address("192.0.2.2"));
        assert!(other.is_some());
        drop(first);
        assert!(places.take(address("192.0.2.1")).is_some(), "a place came free");
        drop(other);
        assert_eq!(places.0.taken().len(), 1, "who has no place is forgotten");
    }

    #[test]
    fn a_net_of_ipv6_counts_as_one_address() {
        let places = Places::new(1);
        let _one = places.take(address("2001:db8::1")).expect("a place");
        assert!(places.take(address("2001:db8::ffff:1")).is_none());
        assert!(places.take(address("2001:db8:0:1::1")).is_some());
    }
}
