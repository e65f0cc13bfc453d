//! How many different things there were, in a few bytes.

/// How many different byte strings were added, about: linear counting (Whang, Vander-Zanden and Taylor 1990, "A linear-time
/// probabilistic counting algorithm for database applications") with 64 bits a word: with 2 words exact to a few percent up to
/// a hundred, with 16 up to a thousand.
///
/// ```
/// let mut names = flow::Distinct::<2>::default();
/// ["a.example", "b.example", "a.example"].iter().for_each(|name| names.add(name.as_bytes()));
/// assert_eq!(names.estimate(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distinct<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Distinct<WORDS> {
    /// A count from its words.
    pub const fn of_words(words: [u64; WORDS]) -> Distinct<WORDS> {
        Distinct(words)
    }

    /// Its words, by which it can be kept.
    pub const fn words(&self) -> [u64; WORDS] {
        self.0
    }

    /// Takes in one more. Who chooses strings that fall together counts as fewer than they are.
    pub fn add(&mut self, bytes: &[u8]) {
        let bits = WORDS as u128 * 64;
        let bit = ((u128::from(fingerprint(bytes)) * bits) >> 64) as usize;
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    /// Takes in what another one took in.
    pub fn append(&mut self, other: &Distinct<WORDS>) {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours |= theirs);
    }

    /// How many there were, about; there is a most that it can tell: 620 with 2 words, 7,098 with 16.
    pub fn estimate(&self) -> u64 {
        let bits = WORDS as f64 * f64::from(u64::BITS);
        let free = f64::from(self.0.iter().map(|word| word.count_zeros()).sum::<u32>()).max(1.0);
        (bits * (bits / free).ln()).round() as u64
    }
}

impl<const WORDS: usize> Default for Distinct<WORDS> {
    fn default() -> Distinct<WORDS> {
        Distinct([0; WORDS])
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
        let mut names = Distinct::<2>::default();
        for round in 0..3 {
            for number in 0..100 {
                names.add(format!("{number}.t.example").as_bytes());
            }
            assert!((90..=110).contains(&names.estimate()), "{round}: {}", names.estimate());
        }
    }

    #[test]
    fn sixteen_words_tell_a_thousand() {
        let mut names = Distinct::<16>::default();
        (0..1000u32).for_each(|number| names.add(&number.to_be_bytes()));
        assert!((900..1100).contains(&names.estimate()), "{}", names.estimate());
    }

    #[test]
    fn parts_together_count_as_the_whole() {
        let [mut left, mut right, mut whole] = [Distinct::<2>::default(); 3];
        for number in 0..60u8 {
            whole.add(&[number]);
            if number % 2 == 0 { left.add(&[number]) } else { right.add(&[number]) }
        }
        left.append(&right);
        assert_eq!(left, whole);
        assert_eq!(Distinct::<16>::default().estimate(), 0);
    }
}
