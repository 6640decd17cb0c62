//! Calls at a time. Of several instances each has its part of them.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::ports::part_of;

pub struct Slots {
    all: usize,
    free: Semaphore,
    /// Of those, free or not, there are so many here.
    here: Mutex<usize>,
}

impl Slots {
    pub fn new(all: usize) -> Self {
        Self { all, free: Semaphore::new(all), here: Mutex::new(all) }
    }

    /// Waits for one; it is free again when this is dropped.
    pub async fn take(&self) -> Option<SemaphorePermit<'_>> {
        self.free.acquire().await.ok()
    }

    /// One that is in use is given up at a later turn.
    pub fn share(&self, among: NonZeroU32) {
        let part = part_of(self.all, among);
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        if part > *here {
            self.free.add_permits(part - *here);
            *here = part;
        } else {
            *here -= self.free.forget_permits(*here - part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(live: u32) -> NonZeroU32 {
        NonZeroU32::new(live).expect("some")
    }

    #[tokio::test]
    async fn each_instance_has_its_part_and_gives_up_what_is_in_use_as_soon_as_it_is_free() {
        let slots = Slots::new(4);
        let taken = [slots.take().await, slots.take().await, slots.take().await];
        slots.share(among(2));
        assert_eq!(slots.free.available_permits(), 0);
        drop(taken);
        slots.share(among(2));
        assert_eq!(slots.free.available_permits(), 2);
        slots.share(among(9));
        assert_eq!(slots.free.available_permits(), 1);
        slots.share(among(1));
        assert_eq!(slots.free.available_permits(), 4);
    }
}
