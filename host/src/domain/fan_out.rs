//! An event that names only a customer becomes an operation for each account of it. A customer
//! may have many thousands, so their list is read page by page, and each page is written down.

use serde::{Deserialize, Serialize};

use super::{Event, Group, IAccount, ICustomer, Timestamp};

/// An event of a customer, on its way to the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOut {
    pub event: Event,
    pub i_customer: ICustomer,
    /// Those that wanted the event when it came.
    pub groups: Vec<Group>,
    pub reached: Reached,
    /// How often the next page could not be had.
    pub attempts: u32,
    pub due: Timestamp,
}

/// How far into the list of accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Where the next page begins: at the last account that is known, so that it is seen whether
    /// the list has moved meanwhile.
    pub position: u64,
    pub last: Option<IAccount>,
}

/// An account in its customer's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    pub i_account: IAccount,
    pub closed: bool,
}

/// What a page says to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// These are next; the page after them begins there.
    On { accounts: Vec<Listed>, reached: Reached },
    /// Nobody is left.
    Done,
    /// Somebody left the list before this page, and another may have slipped through: it is read
    /// from its beginning. Who has an operation of the event gets no second one.
    Moved,
}

/// A page that brings nobody new is the end: no length of a page tells it, for PortaBilling may
/// give fewer than it is asked for.
pub fn turn(reached: Reached, page: Vec<Listed>) -> Turn {
    let begins_with = page.first().map(|first| first.i_account);
    if reached.last.is_some() && begins_with != reached.last {
        return Turn::Moved;
    }
    let accounts: Vec<Listed> = page.into_iter().skip(usize::from(reached.last.is_some())).collect();
    let Some(last) = accounts.last() else { return Turn::Done };
    let brought = u64::try_from(accounts.len()).unwrap_or(u64::MAX);
    let first_page = u64::from(reached.last.is_none());
    let reached = Reached { position: reached.position + brought - first_page, last: Some(last.i_account) };
    Turn::On { accounts, reached }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list as PortaBilling gives it, so many at once.
    fn page(list: &[u64], from: u64, most: usize) -> Vec<Listed> {
        let from = usize::try_from(from).expect("small");
        let listed = |number: &u64| Listed { i_account: IAccount(*number), closed: false };
        list.iter().skip(from).take(most).map(listed).collect()
    }

    /// Whom the pages of a list reach, in order; the list may change before each page.
    fn reach(most: usize, mut list_before: impl FnMut(usize) -> Vec<u64>) -> Vec<u64> {
        let (mut reached, mut seen) = (Reached::default(), Vec::new());
        for number in 0..1000 {
            match turn(reached, page(&list_before(number), reached.position, most)) {
                Turn::On { accounts, reached: next } => {
                    seen.extend(accounts.iter().map(|listed| listed.i_account.0));
                    reached = next;
                }
                Turn::Moved => reached = Reached::default(),
                Turn::Done => return seen,
            }
        }
        panic!("it never ends: {seen:?}");
    }

    #[test]
    fn everybody_is_reached_once_whatever_the_length_of_a_page() {
        for most in 2..8 {
            for length in 0..12 {
                let list: Vec<u64> = (1..=length).collect();
                assert_eq!(reach(most, |_| list.clone()), list, "{length} accounts, {most} a page");
            }
        }
    }

    #[test]
    fn who_leaves_the_list_takes_nobody_along() {
        let before = |number| match number {
            0 | 1 => (1..=9).collect(),
            _ => (3..=9).collect(),
        };
        let seen = reach(3, before);
        assert!((3..=9).all(|number| seen.contains(&number)), "{seen:?}");
    }

    #[test]
    fn who_joins_the_list_is_reached_too() {
        let seen = reach(3, |number| (1..=5 + u64::from(number > 0)).collect());
        assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    }
}
