//! Statistics of samples: moments, ranks, correlations, tests with their effect sizes, and distances of distributions.
//!
//! A sample is finite numbers; what is missing was left out before. A statistic that a sample cannot tell is `None`.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// Count, mean, deviation and shape of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many numbers there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The standard deviation of what they were drawn from: the sum of squares is over one less than their number.
    pub deviation: f64,
    /// How much longer the tail above the mean is than the one below: the third standardised moment; 0 where all are
    /// equal.
    pub skewness: f64,
}

/// A test of whether two samples differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The test's own number: t, U, or chi-square.
    pub statistic: f64,
    /// The probability of a difference at least this large where there is none.
    pub p: f64,
    /// How large the difference is, whatever the number of rows: Cohen's d, the rank-biserial correlation, or Cramér's V.
    pub effect: f64,
}

/// The moments of a sample; `None` where it is empty.
pub fn moments(sample: &[f64]) -> Option<Moments> {
    let count = sample.len() as f64;
    if sample.is_empty() {
        return None;
    }
    let mean = sample.iter().sum::<f64>() / count;
    let power = |exponent| sample.iter().map(|value| (value - mean).powi(exponent)).sum::<f64>();
    let (squares, cubes) = (power(2), power(3));
    let spread = (squares / count).sqrt();
    // A deviation that is only rounding has no shape.
    let skewness = if spread > 1e-12 * mean.abs() && spread > 0.0 { cubes / count / spread.powi(3) } else { 0.0 };
    let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
    Some(Moments { count: sample.len() as u64, mean, deviation, skewness })
}

/// The value below which this share of an ascending sample lies, interpolated between neighbours (Hyndman and Fan 1996,
/// definition 7); `None` where it is empty.
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let place = share.clamp(0.0, 1.0) * (ascending.len().checked_sub(1)? as f64);
    let (low, part) = (place.floor() as usize, place.fract());
    let (low, high) = (*ascending.get(low)?, *ascending.get(low + 1).unwrap_or(ascending.get(low)?));
    Some(low + (high - low) * part)
}

/// The rank of each value from 1 on; tied values share the mean of their ranks.
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&one, &other| values[one].total_cmp(&values[other]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&one, &next| values[one] == values[next]) {
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        tied.iter().for_each(|&row| ranks[row] = rank);
        before += tied.len();
    }
    ranks
}

/// Pearson's correlation, -1..=1; `None` where either sample is constant, or their lengths differ.
pub fn pearson(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() != other.len() {
        return None;
    }
    let [first, second] = [moments(one)?, moments(other)?];
    let pairs = one.iter().zip(other);
    let together: f64 = pairs.map(|(one, other)| (one - first.mean) * (other - second.mean)).sum();
    let spread = first.deviation * second.deviation * (one.len() as f64 - 1.0);
    (spread > 0.0 && spread.is_finite()).then(|| (together / spread).clamp(-1.0, 1.0))
}

/// Spearman's correlation: that of the ranks.
pub fn spearman(one: &[f64], other: &[f64]) -> Option<f64> {
    pearson(&midranks(one), &midranks(other))
}

/// Welch's t-test of two means, whatever the variances, with Cohen's d (over the pooled deviation). `None` where a sample
/// has fewer than two numbers, or both are constant.
pub fn welch(one: &[f64], other: &[f64]) -> Option<Test> {
    let [one, other] = [moments(one)?, moments(other)?];
    let [first, second] = [one, other].map(|of| of.deviation.powi(2) / of.count as f64);
    let rows = [one.count as f64 - 1.0, other.count as f64 - 1.0];
    let error = first + second;
    if rows[0] < 1.0 || rows[1] < 1.0 || error <= 0.0 || !error.is_finite() {
        return None;
    }
    let freedom = error * error / (first * first / rows[0] + second * second / rows[1]);
    let statistic = (one.mean - other.mean) / error.sqrt();
    let pooled = (rows[0] * one.deviation.powi(2) + rows[1] * other.deviation.powi(2)) / (rows[0] + rows[1]);
    let p = 2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.sf(statistic.abs());
    Some(Test { statistic, p: p.min(1.0), effect: (one.mean - other.mean) / pooled.sqrt() })
}

/// The Mann-Whitney U test of whether values of the first sample tend to be larger, by the normal approximation with
/// correction for ties and continuity, with the rank-biserial correlation (Kerby 2014): -1 where all of the first are
/// smaller, 1 where all are larger. `None` where a sample is empty, or all values are equal.
pub fn mann_whitney(one: &[f64], other: &[f64]) -> Option<Test> {
    let (first, second) = (one.len() as f64, other.len() as f64);
    let all = [one, other].concat();
    let ranks = midranks(&all);
    let statistic = ranks[..one.len()].iter().sum::<f64>() - first * (first + 1.0) / 2.0;
    let rows = first + second;
    let mut sorted = ranks;
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 =
        sorted.chunk_by(|one, next| one == next).map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64).sum();
    let variance = first * second / 12.0 * (rows + 1.0 - ties / (rows * (rows - 1.0)));
    if one.is_empty() || other.is_empty() || variance.is_nan() || variance <= 0.0 {
        return None;
    }
    let middle = first * second / 2.0;
    let z = ((statistic - middle).abs() - 0.5).max(0.0) / variance.sqrt();
    let p = (2.0 * Normal::standard().sf(z)).min(1.0);
    Some(Test { statistic, p, effect: statistic / middle - 1.0 })
}

/// The chi-square test of independence of a table of counts, with Cramér's V. Empty rows and columns do not count;
/// `None` where fewer than two of either are left.
pub fn chi_square(counts: &[Vec<u64>]) -> Option<Test> {
    let width = counts.iter().map(Vec::len).max().unwrap_or(0);
    let rows: Vec<f64> = counts.iter().map(|counts| counts.iter().sum::<u64>() as f64).collect();
    let column = |place: usize| counts.iter().filter_map(|counts| counts.get(place)).sum::<u64>() as f64;
    let columns: Vec<f64> = (0..width).map(column).collect();
    let used = |sums: &[f64]| sums.iter().filter(|sum| **sum > 0.0).count();
    let (high, wide, all) = (used(&rows), used(&columns), rows.iter().sum::<f64>());
    if high < 2 || wide < 2 {
        return None;
    }
    let mut statistic = 0.0;
    for (counts, row) in counts.iter().zip(&rows).filter(|(_, row)| **row > 0.0) {
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| **column > 0.0) {
            let expected = row * column / all;
            let found = counts.get(place).copied().unwrap_or(0) as f64;
            statistic += (found - expected).powi(2) / expected;
        }
    }
    let freedom = ((high - 1) * (wide - 1)) as f64;
    let p = ChiSquared::new(freedom).ok()?.sf(statistic);
    let effect = (statistic / all / (high.min(wide) - 1) as f64).sqrt().min(1.0);
    Some(Test { statistic, p, effect })
}

/// The probabilities of many tests, raised so that of those called significant at a level at most that share is expected
/// to be chance (Benjamini and Hochberg 1995). In the order given.
pub fn benjamini_hochberg(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&one, &other| probabilities[other].total_cmp(&probabilities[one]));
    let mut adjusted = vec![1.0; probabilities.len()];
    let mut least = 1.0f64;
    for (turn, row) in order.into_iter().enumerate() {
        let rank = (probabilities.len() - turn) as f64;
        least = least.min(probabilities[row] * probabilities.len() as f64 / rank);
        adjusted[row] = least;
    }
    adjusted
}

/// The largest distance between the distribution functions of two samples (Kolmogorov 1933, Smirnov 1948), 0..=1; `None`
/// where either is empty.
pub fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let step = |sign: f64, sample: &[f64]| {
        let share = sign / sample.len() as f64;
        sample.iter().map(move |&value| (value, share)).collect::<Vec<_>>()
    };
    let mut steps = [step(1.0, one), step(-1.0, other)].concat();
    steps.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let mut gap = 0.0f64;
    let gaps = steps.chunk_by(|one, next| one.0 == next.0).map(|tied| {
        gap += tied.iter().map(|(_, share)| share).sum::<f64>();
        gap.abs()
    });
    Some(gaps.fold(0.0, f64::max).min(1.0))
}

/// The population stability index of two distributions over the same bins: the sum of (p - q) ln(p / q), a bin without
/// rows counting as half a row. Below 0.1 hardly a change, above 0.25 a large one (Siddiqi 2006). `None` where either has
/// no rows.
pub fn stability_index(one: &[u64], other: &[u64]) -> Option<f64> {
    let sum = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
    let (first, second) = (sum(one), sum(other));
    if first == 0.0 || second == 0.0 {
        return None;
    }
    let bins = one.iter().zip(other).filter(|(one, other)| **one + **other > 0);
    Some(
        bins.map(|(&one, &other)| {
            let (p, q) = ((one as f64).max(0.5) / first, (other as f64).max(0.5) / second);
            (p - q) * (p / q).ln()
        })
        .sum(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1e-6), "{value} {expected}");
    }

    fn samples() -> [Vec<f64>; 2] {
        let one = (0..30).map(|row| f64::from(row * 37 % 61) + 8.0);
        let other = (0..40).map(|row| f64::from(row * 17 % 29) * 1.5);
        [one.collect(), other.collect()]
    }

    /// The numbers in these tests are those of numpy and scipy 1.17 on the same samples.
    #[test]
    fn moments_and_quantiles_agree_with_numpy() {
        let [mut one, _] = samples();
        let of = moments(&one).unwrap();
        near(of.mean, 38.2);
        near(of.deviation, 18.178_046_630_767_145);
        near(of.skewness, -0.032_311_332_439_445_006);
        let tail: Vec<f64> = one.iter().map(|value| (value / 10.0).exp()).collect();
        near(moments(&tail).unwrap().skewness, 1.788_747_430_906_638);
        one.sort_unstable_by(f64::total_cmp);
        near(quantile(&one, 0.25).unwrap(), 23.5);
        near(quantile(&one, 0.9).unwrap(), 62.2);
    }

    #[test]
    fn correlations_agree_with_scipy() {
        let [one, other] = samples();
        near(pearson(&one, &other[..30]).unwrap(), -0.108_460_889_507_256_82);
        near(spearman(&one, &other[..30]).unwrap(), -0.094_337_524_223_760_93);
    }

    #[test]
    fn tests_agree_with_scipy() {
        let [one, other] = samples();
        let welch = welch(&one, &other).unwrap();
        near(welch.statistic, 4.435_554_921_903_75);
        near(welch.p, 5.085_241_418_378_439e-5);
        near(welch.effect, 1.123_996_420_432_798_6);
        let ranks = mann_whitney(&one, &other).unwrap();
        near(ranks.statistic, 922.5);
        near(ranks.p, 0.000_132_334_887_256_237_76);
        near(ranks.effect, 0.5375);
        let counts = chi_square(&[vec![12, 5, 3, 0], vec![4, 9, 20, 0], vec![0, 0, 0, 0]]).unwrap();
        near(counts.statistic, 15.448_856_578_204_403);
        near(counts.p, 0.000_441_899_406_407_343_4);
        near(counts.effect, 0.539_896_156_650_629_3);
        near(kolmogorov_smirnov(&one, &other).unwrap(), 0.441_666_666_666_666_65);
    }

    #[test]
    fn adjusted_probabilities_agree_with_scipy_and_keep_their_order() {
        let adjusted = benjamini_hochberg(&[0.01, 0.5, 0.03, 0.002, 0.8]);
        for (value, expected) in adjusted.into_iter().zip([0.025, 0.625, 0.05, 0.01, 0.8]) {
            near(value, expected);
        }
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn what_a_sample_cannot_tell_is_not_told() {
        assert_eq!(moments(&[]), None);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0]), None);
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(mann_whitney(&[1.0, 1.0], &[1.0]), None);
        assert_eq!(mann_whitney(&[], &[]), None);
        assert_eq!(chi_square(&[vec![3, 0], vec![5, 0]]), None);
        assert_eq!(kolmogorov_smirnov(&[], &[1.0]), None);
        assert_eq!(stability_index(&[0, 0], &[1, 0]), None);
    }

    #[test]
    fn equal_distributions_have_no_distance() {
        let [one, _] = samples();
        assert_eq!(kolmogorov_smirnov(&one, &one), Some(0.0));
        assert_eq!(stability_index(&[5, 0, 10], &[10, 0, 20]), Some(0.0));
        assert!(stability_index(&[50, 50], &[90, 10]).unwrap() > 0.25);
    }
}
