//! What waits for another line of the same conversation.

use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::{Equivalent, HashMap};

/// Values by the name of their conversation, in bounded memory: two generations of which the older is let go when the
/// younger is full.
pub(super) struct Waiting<K, V> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    /// Of either generation.
    capacity: usize,
    arrivals: u64,
}

/// With the number of each arrival.
type Generation<K, V> = HashMap<K, (u64, V), FixedState>;

impl<K: Eq + Hash, V> Waiting<K, V> {
    /// At most twice `capacity` values, of which the latest `capacity` are never let go.
    pub(super) fn new(capacity: usize) -> Waiting<K, V> {
        Waiting { young: Generation::default(), old: Generation::default(), capacity, arrivals: 0 }
    }

    /// The value of that conversation, made where there is none; and what is let go for it, oldest first.
    pub(super) fn entry<Q: Hash + Equivalent<K> + ?Sized>(
        &mut self,
        name: &Q,
        make: impl FnOnce() -> (K, V),
    ) -> (Option<&mut V>, Vec<V>) {
        if self.old.contains_key(name) {
            return (self.old.get_mut(name).map(|(_, value)| value), Vec::new());
        }
        let mut let_go = Vec::new();
        if !self.young.contains_key(name) {
            if self.young.len() >= self.capacity {
                let_go = in_order(std::mem::replace(&mut self.old, std::mem::take(&mut self.young)));
            }
            let (key, value) = make();
            self.young.insert(key, (self.arrivals, value));
            self.arrivals += 1;
        }
        (self.young.get_mut(name).map(|(_, value)| value), let_go)
    }

    /// Takes the value of that conversation.
    #[inline]
    pub(super) fn take<Q: Hash + Equivalent<K> + ?Sized>(&mut self, name: &Q) -> Option<V> {
        if self.is_empty() {
            return None;
        }
        self.young.remove(name).or_else(|| self.old.remove(name)).map(|(_, value)| value)
    }

    /// Takes all, oldest first.
    pub(super) fn take_all(&mut self) -> Vec<V> {
        let mut all = in_order(std::mem::take(&mut self.old));
        all.extend(in_order(std::mem::take(&mut self.young)));
        all
    }

    /// Whether nothing waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }
}

fn in_order<K, V>(generation: Generation<K, V>) -> Vec<V> {
    let mut values: Vec<_> = generation.into_values().collect();
    values.sort_by_key(|&(arrival, _)| arrival);
    values.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_let_go_in_their_order() {
        let mut waiting = Waiting::new(2);
        let let_go: Vec<_> = (0..7).flat_map(|number| waiting.entry(&number, || (number, number)).1).collect();
        assert_eq!(let_go, [0, 1, 2, 3]);
        assert_eq!((waiting.take(&3), waiting.take(&4), waiting.take(&4)), (None, Some(4), None));
        assert_eq!(waiting.take_all(), [5, 6]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_waits_is_found_again() {
        let mut waiting = Waiting::new(1);
        for (name, number) in [("a", 1), ("b", 2), ("a", 10), ("b", 20)] {
            *waiting.entry(name, || (name, 0)).0.unwrap() += number;
        }
        assert_eq!(waiting.take_all(), [11, 22]);
    }
}
