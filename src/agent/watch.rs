//! A value that an operator changes while agents run.
//!
//! Who looks at it never waits: it costs one atomic load as long as nothing has changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Changes the value.
#[derive(Debug)]
pub struct Publisher<T>(Arc<Shared<T>>);

/// Looks at the value; what it was at first counts as a change.
#[derive(Debug)]
pub struct Watch<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

#[derive(Debug)]
struct Shared<T> {
    version: AtomicU64,
    value: Mutex<Arc<T>>,
}

impl<T> Publisher<T> {
    /// With a first value.
    #[must_use]
    pub fn new(value: T) -> Self {
        let value = Mutex::new(Arc::new(value));
        Self(Arc::new(Shared { version: AtomicU64::new(1), value }))
    }

    /// Changes the value.
    pub fn publish(&self, value: T) {
        *self.0.value.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// One who looks at it.
    #[must_use]
    pub fn watch(&self) -> Watch<T> {
        Watch { shared: Arc::clone(&self.0), seen: 0 }
    }
}

impl<T> Watch<T> {
    /// The value, if it has changed since the last call. While it is being changed it has not yet.
    pub fn changed(&mut self) -> Option<Arc<T>> {
        let version = self.shared.version.load(Ordering::Acquire);
        if version == self.seen {
            return None;
        }
        let value = Arc::clone(&*self.shared.value.try_lock().ok()?);
        self.seen = version;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_once_by_everyone_who_looks() {
        let publisher = Publisher::new(1);
        let mut watches = [publisher.watch(), publisher.watch()];
        for value in [1, 2, 3] {
            for watch in &mut watches {
                assert_eq!(watch.changed().as_deref(), Some(&value));
                assert_eq!(watch.changed(), None);
            }
            publisher.publish(value + 1);
        }
    }
}
