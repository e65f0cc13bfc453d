//! How long to wait before something is tried again.

use flow::Duration;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Waits that double from a second to five minutes, each cut by chance to between half of it and all of it, so that many
/// senders do not come back at the same moment.
///
/// ```
/// use sensor::delivery::Backoff;
/// let mut backoff = Backoff::new(7);
/// let waits: Vec<f64> = (0..10).map(|_| backoff.next().as_secs_f64()).collect();
/// assert!((0.5..1.0).contains(&waits[0]) && (1.0..2.0).contains(&waits[1]) && (150.0..300.0).contains(&waits[9]));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    random: Pcg64Mcg,
}

impl Backoff {
    /// Starts from the shortest wait; the same seed gives the same waits.
    pub fn new(seed: u64) -> Backoff {
        Backoff { failures: 0, random: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// The wait after one more failure.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and nobody iterates over it")]
    pub fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(self.random.random_range(0.5..1.0))
    }

    /// Starts anew after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
