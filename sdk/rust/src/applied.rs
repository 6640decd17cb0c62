//! What stands in the external system, and what of that was said.

use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde_json::json;

use crate::flow::Flow;

/// What a flow works with while it runs. Its default means that nothing stands.
pub struct Applied<T> {
    stands: T,
    said: T,
}

impl<T: Clone + Default + PartialEq + Serialize> Applied<T> {
    /// What the operation was given, and so what is said already.
    pub fn new(stands: T) -> Self {
        Self { said: stands.clone(), stands }
    }

    /// Says what stands, when that is news: before the request that may change it leaves.
    pub fn say(&mut self, flow: &mut Flow) {
        if self.stands == self.said {
            return;
        }
        match self.stands == T::default() {
            true => flow.nothing_applied(),
            false => flow.applied(json!(self.stands)),
        }
        self.said = self.stands.clone();
    }
}

impl<T> Deref for Applied<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.stands
    }
}

impl<T> DerefMut for Applied<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.stands
    }
}
