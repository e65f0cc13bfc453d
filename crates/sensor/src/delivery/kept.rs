//! The store as an outbox.

use std::error::Error;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use store::Store;

use super::{Outbox, Pending};

/// The outbox of a store, beside the process that keeps flows in it.
pub struct Kept(Mutex<Store>);

impl Kept {
    /// The outbox of the store in this folder. Sinks that it does not know get what is changed from now on.
    pub fn open<'a>(folder: &Path, sinks: impl IntoIterator<Item = &'a str>) -> Result<Kept, store::Error> {
        let mut store = Store::beside(folder)?;
        for sink in sinks {
            store.subscribe(sink, store.last_change()?)?;
        }
        Ok(Kept(Mutex::new(store)))
    }
}

impl Outbox for Kept {
    fn pending(&self, sink: &str, limit: usize) -> Result<Vec<Pending>, Box<dyn Error + Send + Sync>> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = |(change, occasion, alert)| Pending { change, occasion, alert };
        Ok(store.pending(sink, limit)?.into_iter().map(pending).collect())
    }

    fn delivered(&self, sink: &str, change: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).delivered(sink, change)?)
    }
}
