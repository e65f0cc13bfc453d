//! Chance that is the same on every machine.

use std::ops::Range;

use flow::Duration;
use rand::distr::uniform::SampleUniform;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngCore};
use rand_pcg::Pcg64Mcg;

/// A stream of random values, fixed by its seed and its name.
///
/// Each habit and each attack has a stream of its own, so that one more attack leaves every benign packet as it was.
#[derive(Clone, Debug)]
pub(crate) struct Random(Pcg64Mcg);

impl Random {
    /// The stream of that name under a seed.
    pub(crate) fn new(seed: u64, name: &str) -> Random {
        Random(Pcg64Mcg::new(u128::from(seed) << 64 | u128::from(hash(name.as_bytes()))))
    }

    /// A new stream that depends on this one, which moves on.
    pub(crate) fn fork(&mut self) -> Random {
        Random(Pcg64Mcg::new(u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())))
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// A value of the range, each as likely.
    pub(crate) fn within<T: SampleUniform + PartialOrd>(&mut self, range: Range<T>) -> T {
        self.0.random_range(range)
    }

    /// One of the items, each as likely.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        items.choose(&mut self.0).expect("callers pick from lists that are never empty")
    }

    /// Puts the items in random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }

    /// A duration within a range of seconds.
    pub(crate) fn seconds(&mut self, range: Range<f64>) -> Duration {
        Duration::from_secs_f64(self.within(range))
    }

    /// The wait for the next event of a Poisson process.
    pub(crate) fn wait(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-libm::log(1.0 - self.0.random::<f64>()))
    }

    /// A duration near the given one: within a share of it, to either side.
    pub(crate) fn near(&mut self, duration: Duration, share: f64) -> Duration {
        duration.mul_f64(self.within(1.0 - share..1.0 + share))
    }

    /// A size from a log-normal distribution, as those of web objects, messages and files are: mostly small, now and
    /// then huge, never above `most`.
    pub(crate) fn size(&mut self, median: u64, spread: f64, most: u64) -> u64 {
        // Twelve uniform values have variance 1; their sum is close enough to normal for traffic.
        let normal = (0..12).map(|_| self.0.random::<f64>()).sum::<f64>() - 6.0;
        ((median as f64 * libm::exp(spread * normal)) as u64).clamp(1, most)
    }

    /// That many random bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A random 16-bit value, as identifiers in messages are.
    pub(crate) fn id(&mut self) -> u16 {
        self.0.random()
    }

    /// A random 32-bit value, as initial sequence numbers are.
    pub(crate) fn word(&mut self) -> u32 {
        self.0.random()
    }

    /// A port that a client's system gives to a new connection (RFC 6335 s.6).
    pub(crate) fn port(&mut self) -> u16 {
        self.0.random_range(49_152..=65_535)
    }
}

/// FNV-1a, for choices that must be the same under every seed.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
