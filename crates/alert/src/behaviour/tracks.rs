//! Bounded memory by key.

use std::collections::HashMap;
use std::hash::Hash;

use flow::Time;

/// A map keyed at random, against addresses chosen to collide. Whatever comes out of one is sorted first.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// One value a key, for at most [`Tracks::CAPACITY`] keys; beyond it a half is forgotten: first those touched least
/// often, which are all that a flood of made-up sources leaves, then those touched longest ago.
#[derive(Clone, Debug)]
pub(crate) struct Tracks<K, V> {
    values: Map<K, Track<V>>,
}

#[derive(Clone, Debug)]
struct Track<V> {
    last: Time,
    touches: u8,
    value: V,
}

impl<K: Hash + Ord + Copy, V: Default> Tracks<K, V> {
    /// As many as a class B network has hosts; some tens of MiB.
    const CAPACITY: usize = 1 << 16;

    /// The value of that key, touched at that time.
    pub(crate) fn touch(&mut self, key: K, time: Time) -> &mut V {
        if self.values.len() >= Self::CAPACITY && !self.values.contains_key(&key) {
            self.forget_half();
        }
        let track = self.values.entry(key).or_insert_with(|| Track { last: time, touches: 0, value: V::default() });
        track.last = time.max(track.last);
        track.touches = track.touches.saturating_add(1);
        &mut track.value
    }

    /// Keys and values, by key.
    pub(crate) fn sorted(&self) -> Vec<(K, &V)> {
        let mut sorted: Vec<(K, &V)> = self.values.iter().map(|(key, track)| (*key, &track.value)).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
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
        Tracks { values: Map::default() }
    }
}

/// From so many touches on, only age counts.
const OFTEN: u8 = 4;
