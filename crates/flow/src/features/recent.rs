//! A map of bounded size that forgets what was used longest ago.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// A map of at most `capacity` entries; a further one takes the place of the one used longest ago.
#[derive(Clone, Debug)]
pub(super) struct Recent<K, V> {
    capacity: usize,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    index: HashTable<u32>,
    entries: Vec<Entry<K, V>>,
    newest: u32,
    oldest: u32,
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    newer: u32,
    older: u32,
}

impl<K: Hash + Eq + Copy, V: Default> Recent<K, V> {
    /// What an entry takes at the most, beside what its value points to: the index has up to 16/7 slots an entry, and the
    /// entries lie in memory twice and a half while they grow.
    pub(super) const ENTRY_BYTES: usize = size_of::<Entry<K, V>>() * 5 / 2 + 18;

    pub(super) fn new(capacity: usize) -> Recent<K, V> {
        Recent {
            capacity: capacity.clamp(1, NONE as usize),
            hasher: RandomState::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
            forgotten: 0,
        }
    }

    /// The value of the key, which is now the one used last; made where there was none.
    pub(super) fn touch(&mut self, key: K) -> &mut V {
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |&at| self.entries[at as usize].key == key).copied();
        let at = match found {
            Some(at) if at == self.newest => at,
            Some(at) => {
                self.unlink(at);
                self.link(at);
                at
            }
            None => self.insert(key, hash),
        };
        &mut self.entries[at as usize].value
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many entries were forgotten for want of room.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn insert(&mut self, key: K, hash: u64) -> u32 {
        let at = if self.entries.len() < self.capacity {
            self.entries.push(Entry { key, value: V::default(), newer: NONE, older: NONE });
            self.entries.len() as u32 - 1
        } else {
            let oldest = self.oldest;
            let old_hash = self.hasher.hash_one(self.entries[oldest as usize].key);
            if let Ok(found) = self.index.find_entry(old_hash, |&at| at == oldest) {
                found.remove();
            }
            self.unlink(oldest);
            let entry = &mut self.entries[oldest as usize];
            (entry.key, entry.value) = (key, V::default());
            self.forgotten += 1;
            oldest
        };
        let Recent { index, entries, hasher, .. } = self;
        index.insert_unique(hash, at, |&at| hasher.hash_one(entries[at as usize].key));
        self.link(at);
        at
    }

    fn link(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        match before {
            NONE => self.oldest = at,
            before => self.entries[before as usize].newer = at,
        }
        let entry = &mut self.entries[at as usize];
        (entry.older, entry.newer) = (before, NONE);
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
    }
}

/// No entry.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_is_forgotten() {
        let mut map = Recent::<u8, u32>::new(3);
        for key in [1, 2, 3, 1, 4] {
            *map.touch(key) += 1;
        }
        assert_eq!((map.len(), map.forgotten()), (3, 1));
        let values = [1, 3, 4].map(|key| *map.touch(key));
        assert_eq!((values, *map.touch(2)), ([2, 1, 1], 0));
    }

    #[test]
    fn a_map_of_one_holds_the_last() {
        let mut map = Recent::<u8, u32>::new(1);
        for key in [1, 1, 2, 2, 2] {
            *map.touch(key) += 1;
        }
        assert_eq!((*map.touch(2), map.len()), (3, 1));
    }
}
