//! Finds values among cuts.

/// A search among ascending cuts that takes no branch.
///
/// The cuts stand in the order of a breadth-first walk through a search tree (Khuong and Morin 2017), as whole numbers of
/// the same order, so that a step is one comparison and one addition.
pub(super) struct Search {
    /// The root is at 1; the children of `at` are at `2 at` and `2 at + 1`. Without use beyond `2^steps`.
    keys: Box<[u32; Search::MOST + 1]>,
    steps: u32,
}

impl Search {
    /// The most cuts.
    pub(super) const MOST: usize = 1023;

    /// Cuts must be finite, ascending, and at most [`Search::MOST`].
    pub(super) fn new(cuts: &[f32]) -> Search {
        let steps = (cuts.len() + 1).next_power_of_two().trailing_zeros();
        // No key is above what stands where there is no cut.
        let mut keys = Box::new([u32::MAX; Search::MOST + 1]);
        for at in 1..1usize << steps {
            let depth = at.ilog2();
            let place = ((2 * at + 1) << (steps - depth - 1)) - (1 << steps) - 1;
            if let Some(&cut) = cuts.get(place) {
                keys[at] = key(cut);
            }
        }
        Search { keys, steps }
    }

    /// How many cuts are below each value; none where it is missing.
    pub(super) fn find_all(&self, values: &[f32], places: &mut [u16]) {
        match self.steps {
            0 => places.fill(0),
            1 => self.find_by::<1>(values, places),
            2 => self.find_by::<2>(values, places),
            3 => self.find_by::<3>(values, places),
            4 => self.find_by::<4>(values, places),
            5 => self.find_by::<5>(values, places),
            6 => self.find_by::<6>(values, places),
            7 => self.find_by::<7>(values, places),
            8 => self.find_by::<8>(values, places),
            9 => self.find_by::<9>(values, places),
            _ => self.find_by::<10>(values, places),
        }
    }

    /// The same by a number of steps that is known beforehand, so that no loop is left and many values wait together.
    fn find_by<const STEPS: u32>(&self, values: &[f32], places: &mut [u16]) {
        let mut keys = [0; AT_ONCE];
        for (values, places) in values.chunks(AT_ONCE).zip(places.chunks_mut(AT_ONCE)) {
            keys.iter_mut().zip(values).for_each(|(key, &value)| *key = self::key(value));
            for (&key, place) in keys.iter().zip(places) {
                let mut at = 1;
                for _ in 0..STEPS {
                    // In this form no branch is made of it.
                    at = 2 * at + usize::from(self.keys[at & Search::MOST] < key);
                }
                *place = (at - (1 << STEPS)) as u16;
            }
        }
    }
}

/// A whole number that is ordered as values are, and 0 of a missing one.
fn key(value: f32) -> u32 {
    // Zero has two signs and must have one key.
    let bits = (value + 0.0).to_bits();
    let key = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    if value.is_nan() { 0 } else { key }
}

/// Values that are turned to keys at a time.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_cuts_is_counted_below_any_value() {
        for count in [0, 1, 2, 3, 6, 7, 8, 100, 255, 256, 1000, Search::MOST] {
            let cuts: Vec<f32> = (0..count).map(|cut| (cut as f32 - 50.0) * 0.5).collect();
            let edges = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, f32::MIN, f32::MAX, -0.0, 0.0, f32::MIN_POSITIVE];
            let between = (0..4100).map(|place| (place as f32 - 210.0) * 0.125);
            let values: Vec<f32> = edges.into_iter().chain(between).collect();
            let mut places = vec![u16::MAX; values.len()];
            Search::new(&cuts).find_all(&values, &mut places);
            for (value, place) in values.iter().zip(places) {
                let expected = cuts.iter().filter(|cut| *cut < value).count();
                assert_eq!(usize::from(place), expected, "{value} among {count}");
            }
        }
    }
}
