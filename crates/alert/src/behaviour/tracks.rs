//! Bounded memory by key.

use std::collections::HashMap;
use std::hash::Hash;

use flow::Time;

/// A map keyed at random, against addresses chosen to collide. Whatever comes out of one is sorted first.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// One value a key, for a bounded number of keys and of entries within them; beyond it a half is forgotten: first those
/// touched least often, which are all that a flood of made-up sources leaves, then those touched longest ago.
#[derive(Clone, Debug)]
pub(crate) struct Tracks<K, V> {
    values: Map<K, Track<V>>,
    touches_since_weighed: usize,
}

/// Something that grows, and how many entries it holds.
pub(crate) trait Weigh {
    /// Entries held.
    fn weight(&self) -> usize;
}

#[derive(Clone, Debug)]
struct Track<V> {
    last: Time,
    touches: u8,
    /// Boxed, because a half of the map's slots stand empty.
    value: Box<V>,
}

impl<K: Hash + Ord + Copy, V: Default + Weigh> Tracks<K, V> {
    /// Keys kept: as many as a class B network has hosts.
    const CAPACITY: usize = 1 << 16;
    /// Entries kept within all the keys, of some 50 bytes each.
    const ENTRIES: usize = 1 << 20;
    /// Touches after which the entries are counted anew; each adds a few.
    const WEIGH_EVERY: usize = 1 << 16;

    /// The value of that key, touched at that time.
    pub(crate) fn touch(&mut self, key: K, time: Time) -> &mut V {
        if self.values.len() >= Self::CAPACITY && !self.values.contains_key(&key) {
            self.forget_half();
        }
        self.touches_since_weighed += 1;
        if self.touches_since_weighed == Self::WEIGH_EVERY {
            self.touches_since_weighed = 0;
            while self.values.len() > 1 && self.entries() > Self::ENTRIES {
                self.forget_half();
            }
        }
        let track = self.values.entry(key).or_insert_with(|| Track { last: time, touches: 0, value: Box::default() });
        track.last = time.max(track.last);
        track.touches = track.touches.saturating_add(1);
        &mut track.value
    }

    /// The value of that key, where there is one.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|track| &*track.value)
    }

    /// Drops the keys that were not touched since that time.
    pub(crate) fn forget(&mut self, before: Time) {
        self.values.retain(|_, track| track.last >= before);
    }

    /// Keys and values, by key.
    pub(crate) fn sorted(&self) -> Vec<(K, &V)> {
        let mut sorted: Vec<(K, &V)> = self.values.iter().map(|(key, track)| (*key, &*track.value)).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }

    fn entries(&self) -> usize {
        self.values.values().map(|track| track.value.weight()).sum()
    }

    fn forget_half(&mut self) {
        let mut ages: Vec<(u8, Time, K)> =
            self.values.iter().map(|(key, track)| (track.touches.min(OFTEN), track.last, *key)).collect();
        let middle = ages.len() / 2;
        let (forgotten, _, _) = ages.select_nth_unstable(middle);
        for (_, _, key) in forgotten {
            self.values.remove(key);
        }
    }
}

impl<K, V> Default for Tracks<K, V> {
    fn default() -> Tracks<K, V> {
        Tracks { values: Map::default(), touches_since_weighed: 0 }
    }
}

/// From so many touches on, only age counts.
const OFTEN: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heavy;

    impl Weigh for Heavy {
        fn weight(&self) -> usize {
            100
        }
    }

    #[test]
    fn only_what_was_touched_lately_is_kept() {
        let mut tracks: Tracks<u32, Heavy> = Tracks::default();
        let at = Time::from_nanoseconds;
        [(1, 10), (2, 20), (1, 30)].into_iter().for_each(|(key, time)| _ = tracks.touch(key, at(time)));
        tracks.forget(at(25));
        assert_eq!(tracks.sorted().iter().map(|(key, _)| *key).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn made_up_sources_go_before_those_that_come_again() {
        let mut tracks: Tracks<u32, Heavy> = Tracks::default();
        let at = Time::from_nanoseconds;
        (0..10).for_each(|touch| _ = tracks.touch(7, at(touch)));
        (1000..200_000).for_each(|key| _ = tracks.touch(key, at(i64::from(key))));
        let kept = tracks.sorted();
        assert!(kept.iter().any(|(key, _)| *key == 7));
        assert!(kept.len() <= Tracks::<u32, Heavy>::CAPACITY);
        // Between two weighings as many keys may come as touches.
        assert!(tracks.entries() <= Tracks::<u32, Heavy>::ENTRIES + 100 * Tracks::<u32, Heavy>::WEIGH_EVERY);
    }
}
