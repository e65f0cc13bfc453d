//! Where alerts wait until they are taken.

use std::error::Error;

use alert::Alert;
use alert::sink::Occasion;

/// What is kept of alerts that are to be sent; the store is one. Every change of an alert has a number, higher than all
/// before it.
pub trait Outbox: Send + Sync {
    /// The oldest changes that the sink of that name has not taken, at most so many, in the order of their numbers.
    fn pending(&self, sink: &str, limit: usize) -> Result<Vec<Pending>, Box<dyn Error + Send + Sync>>;

    /// Keeps that the sink has taken this change and all before it.
    fn delivered(&self, sink: &str, change: u64) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// An alert that waits to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The number of the change.
    pub change: u64,
    /// Whether the sink was sent the alert before.
    pub occasion: Occasion,
    /// The alert as it is since that change.
    pub alert: Alert,
}
