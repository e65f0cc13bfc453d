//! How many different things there were, in a few bytes.

/// How many different byte strings were added, about: linear counting (Whang, Vander-Zanden and Taylor 1990, "A linear-time
/// probabilistic counting algorithm for database applications") with 128 bits, exact to a few percent up to a hundred.
///
/// ```
/// let mut names = flow::Distinct::default();
/// ["a.example", "b.example", "a.example"].iter().for_each(|name| names.add(name.as_bytes()));
/// assert_eq!(names.estimate(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distinct(u128);

impl Distinct {
    /// Takes in one more.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 |= 1 << (fingerprint(bytes) >> 57);
    }

    /// Takes in what another one took in.
    pub fn append(&mut self, other: &Distinct) {
        self.0 |= other.0;
    }

    /// How many there were, about; at most 620, whatever the number beyond that.
    pub fn estimate(&self) -> u64 {
        let bits = f64::from(u128::BITS);
        let free = f64::from(self.0.count_zeros()).max(1.0);
        (bits * (bits / free).ln()).round() as u64
    }
}

/// A number that stands for the bytes, the same in every run: FNV-1a, its bits then mixed as MurmurHash3 does.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ hash >> 33).wrapping_mul(factor);
    }
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_are_told_to_a_tenth_and_repeats_do_not_count() {
        let mut names = Distinct::default();
        for round in 0..3 {
            for number in 0..100 {
                names.add(format!("{number}.t.example").as_bytes());
            }
            assert!((90..=110).contains(&names.estimate()), "{round}: {}", names.estimate());
        }
    }

    #[test]
    fn parts_together_count_as_the_whole() {
        let [mut left, mut right, mut whole] = [Distinct::default(); 3];
        for number in 0..60u8 {
            whole.add(&[number]);
            if number % 2 == 0 { left.add(&[number]) } else { right.add(&[number]) }
        }
        left.append(&right);
        assert_eq!(left, whole);
        assert_eq!(Distinct::default().estimate(), 0);
    }
}
