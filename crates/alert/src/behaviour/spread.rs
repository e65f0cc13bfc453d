//! How widely numbers are spread, told by statistics that a few odd ones do not change.

/// The middle of some numbers, and how far the others lie from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// The median of the distances from the median (MAD).
    pub(crate) deviation: f64,
    /// Bowley's skewness, -1..=1: how much further the upper quartile is from the median than the lower one; 0 where the
    /// quartiles agree.
    pub(crate) skewness: f64,
}

impl Spread {
    /// Of numbers in any order; all zero for none.
    pub(crate) fn of(mut values: Vec<f64>) -> Spread {
        values.sort_unstable_by(f64::total_cmp);
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&values, share));
        let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        let range = high - low;
        let skewness = if range > 0.0 { (high + low - 2.0 * median) / range } else { 0.0 };
        Spread { median, deviation: quantile(&distances, 0.5), skewness }
    }

    /// The deviation as a share of the median; 0 where both are 0.
    pub(crate) fn dispersion(&self) -> f64 {
        if self.deviation > 0.0 { self.deviation / self.median.abs().max(f64::MIN_POSITIVE) } else { 0.0 }
    }

    /// How alike the numbers are, 0..=1, as RITA has it: small dispersion, no skewness.
    pub(crate) fn regularity(&self) -> f64 {
        ((1.0 - self.dispersion()).max(0.0) + 1.0 - self.skewness.abs()) / 2.0
    }

    /// How many deviations a number lies above the median, the deviation made comparable with that of a normal
    /// distribution and taken for no less than `least`.
    pub(crate) fn z(&self, value: f64, least: f64) -> f64 {
        (value - self.median) / (NORMAL * self.deviation).max(least)
    }
}

/// The number below which that share of the sorted numbers lies, between two of them where none stands there.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[(place.ceil() as usize).min(last)]);
    below + (above - below) * place.fract()
}

/// Standard deviation over MAD of a normal distribution.
const NORMAL: f64 = 1.4826;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_odd_numbers_move_neither_median_nor_deviation() {
        let spread = Spread::of(vec![9.0, 10.0, 10.0, 11.0, 10.0, 9.0, 11.0, 5000.0]);
        assert_eq!((spread.median, spread.deviation), (10.0, 1.0));
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn skewness_says_to_which_side_the_quartiles_lean() {
        assert_eq!(Spread::of(vec![1.0, 2.0, 3.0, 4.0, 5.0]).skewness, 0.0);
        assert!(Spread::of(vec![1.0, 1.1, 1.2, 5.0, 9.0]).skewness > 0.8);
    }
}
