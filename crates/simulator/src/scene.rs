//! The office during the time that is simulated.

use std::sync::Arc;

use flow::Time;

use crate::network::Network;
use crate::random::Random;

/// Where and when everything takes place.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) network: Arc<Network>,
    pub(crate) start: Time,
    pub(crate) end: Time,
    pub(crate) seed: u64,
}

impl Scene {
    /// The chance of one habit, attack or machine.
    pub(crate) fn random(&self, name: &str) -> Random {
        Random::new(self.seed, name)
    }

    /// From the start to the end.
    pub(crate) fn span(&self) -> (Time, Time) {
        (self.start, self.end)
    }
}
