//! Flows that were kept, as a source.

use source::{Batch, Error, Source};
use store::Replay;

/// Gives out the flows and notices of a store again, in the order in which they came.
pub struct Replayed<'a>(pub Replay<'a>);

impl Source for Replayed<'_> {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        self.0.read(&mut batch.flows, &mut batch.notices).map_err(|error| Error::Kept { reason: error.to_string() })
    }
}
