//! What was seen lately, to know it when it comes again.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;

/// Remembers half a million things by 64 bits of hash each, in 4 MiB: as much as a processor reaches without waiting
/// long. The older of those whose hashes fall together go first. A thing that was not there is taken for another once in
/// some 10^13.
#[derive(Default)]
pub(super) struct Recent {
    buckets: Vec<Bucket>,
}

/// A thing's hash.
#[derive(Clone, Copy)]
pub(super) struct Sought(u64);

/// A cache line: the latest first; 0 where there is none.
#[derive(Clone, Default)]
#[repr(align(64))]
struct Bucket([u64; WAYS]);

impl Recent {
    /// Whether this was seen already; from now on it was.
    #[inline]
    pub(super) fn repeats(&mut self, thing: impl Hash) -> bool {
        let sought = self.seek(thing);
        self.has(sought)
    }

    /// Begins to look for this, for [`Recent::has`] some time later: until then its place comes from memory, which takes
    /// as long as reading a tenth of a line.
    #[inline]
    pub(super) fn seek(&mut self, thing: impl Hash) -> Sought {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS];
        }
        let hash = hash(thing);
        prefetch_index::prefetch_index(&self.buckets, hash as usize % BUCKETS);
        Sought(hash)
    }

    /// Whether what is sought was seen already; from now on it was.
    #[inline]
    pub(super) fn has(&mut self, Sought(hash): Sought) -> bool {
        // Whatever is sought, the buckets are there.
        let Some(Bucket(bucket)) = self.buckets.get_mut(hash as usize % BUCKETS) else { return false };
        let repeats = bucket.contains(&hash);
        if !repeats {
            bucket.rotate_right(1);
            bucket[0] = hash;
        }
        repeats
    }

    /// Whether this was seen already.
    pub(super) fn contains(&self, thing: impl Hash) -> bool {
        let hash = hash(thing);
        self.buckets.get(hash as usize % BUCKETS).is_some_and(|bucket| bucket.0.contains(&hash))
    }
}

/// The same on every machine, and never 0.
#[inline]
fn hash(thing: impl Hash) -> u64 {
    FixedState::with_seed(SEED).hash_one(thing) | 1 << 63
}

/// A cache line's worth.
const WAYS: usize = 8;
const BUCKETS: usize = 1 << 16;
const SEED: u64 = 0x4c61_7077_696e_6721;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_known_when_it_comes_again() {
        let mut recent = Recent::default();
        assert_eq!(["a", "b", "a"].map(|thing| recent.repeats(thing)), [false, false, true]);
    }

    #[test]
    fn of_many_things_the_latest_are_known_and_none_is_mistaken() {
        let mut recent = Recent::default();
        assert!((0..2_000_000u64).all(|number| !recent.repeats(number)));
        assert!((1_980_000..2_000_000).all(|number| recent.repeats(number)));
        assert!(!recent.repeats(0u64));
    }
}
