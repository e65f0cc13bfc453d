//! Whether one detector is better than another, or only luckier on these rows.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, Normal};

use super::statistics::midranks;
use crate::Error;

/// McNemar's test of two detectors on the same rows: of those that only one of them judges rightly, does either have
/// more than chance gives (McNemar 1947, Dietterich 1998)?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// The rows that only the first judges rightly.
    pub first_only: u64,
    /// The rows that only the second judges rightly.
    pub second_only: u64,
    /// The probability of a difference at least this large where both are equally good.
    pub p: f64,
}

/// DeLong's test of the areas under the receiver operating characteristics of two detectors on the same rows (DeLong et
/// al. 1988).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeLong {
    /// The areas of the first and of the second.
    pub areas: [f64; 2],
    /// The standard error of their difference.
    pub standard_error: f64,
    /// The 95 % interval of the first area less the second.
    pub interval: [f64; 2],
    /// The probability of a difference at least this large where both are equally good.
    pub p: f64,
}

/// McNemar's test: exact below 25 rows on which the two differ, by chi-square with Edwards' correction from there on.
pub fn mcnemar(first: &[bool], second: &[bool], attacks: &[bool]) -> Result<McNemar, Error> {
    same_rows(first.len(), second.len(), attacks.len())?;
    let (mut first_only, mut second_only) = (0, 0);
    for ((first, second), attack) in first.iter().zip(second).zip(attacks) {
        first_only += u64::from(first == attack && second != attack);
        second_only += u64::from(first != attack && second == attack);
    }
    let (all, fewer) = (first_only + second_only, first_only.min(second_only));
    let p = if all == 0 {
        1.0
    } else if all < FEW {
        let coin = Binomial::new(0.5, all).map_err(|error| never(&error))?;
        (2.0 * coin.cdf(fewer)).min(1.0)
    } else {
        let gap = (first_only.abs_diff(second_only) as f64 - 1.0).max(0.0);
        ChiSquared::new(1.0).map_err(|error| never(&error))?.sf(gap * gap / all as f64)
    };
    Ok(McNemar { first_only, second_only, p })
}

/// DeLong's test by the ranks of Sun and Xu (2014), in the time of sorting. `None` where one of the sides is missing.
pub fn delong(first: &[f32], second: &[f32], attacks: &[bool]) -> Result<Option<DeLong>, Error> {
    same_rows(first.len(), second.len(), attacks.len())?;
    let count = |side: bool| attacks.iter().filter(|attack| **attack == side).count();
    if count(true) == 0 || count(false) == 0 {
        return Ok(None);
    }
    let [one, other] = [first, second].map(|scores| placements(scores, attacks));
    // The variance of each side's placements, over the side's rows.
    let spread = |one: &[f64], other: &[f64]| {
        let rows = one.len() as f64;
        let gaps: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
        let mean = gaps.iter().sum::<f64>() / rows;
        gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / (rows - 1.0).max(1.0) / rows
    };
    let area = |placed: &[Vec<f64>; 2]| placed[0].iter().sum::<f64>() / placed[0].len() as f64;
    let (areas, variance) = ([area(&one), area(&other)], spread(&one[0], &other[0]) + spread(&one[1], &other[1]));
    let (gap, standard_error) = (areas[0] - areas[1], variance.sqrt());
    let p = if standard_error > 0.0 {
        2.0 * Normal::standard().sf((gap / standard_error).abs())
    } else if gap == 0.0 {
        1.0
    } else {
        0.0
    };
    let reach = 1.959_963_984_540_054 * standard_error;
    Ok(Some(DeLong { areas, standard_error, interval: [gap - reach, gap + reach], p }))
}

/// For each attack the share of benign rows that score less, and for each benign row the share of attacks that score
/// more, ties counting half.
fn placements(scores: &[f32], attacks: &[bool]) -> [Vec<f64>; 2] {
    let side = |side: bool| (0..scores.len()).filter(|&row| attacks[row] == side).collect::<Vec<usize>>();
    let sides = [side(true), side(false)];
    let all = midranks(&scores.iter().copied().map(f64::from).collect::<Vec<f64>>());
    let own =
        sides.each_ref().map(|rows| midranks(&rows.iter().map(|&row| f64::from(scores[row])).collect::<Vec<f64>>()));
    let others = [sides[1].len() as f64, sides[0].len() as f64];
    let below = |which: usize| {
        let rows = sides[which].iter().zip(&own[which]);
        rows.map(|(&row, own)| (all[row] - own) / others[which]).collect::<Vec<f64>>()
    };
    [below(0), below(1).into_iter().map(|share| 1.0 - share).collect()]
}

fn same_rows(first: usize, second: usize, expected: usize) -> Result<(), Error> {
    match [first, second].into_iter().find(|found| *found != expected) {
        Some(found) => Err(Error::Length { what: "verdicts", expected, found }),
        None => Ok(()),
    }
}

fn never(error: &dyn std::fmt::Display) -> Error {
    Error::Setting { setting: "distribution", value: error.to_string(), range: "one that exists".into() }
}

const FEW: u64 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9 + 1e-7 * expected.abs(), "{value} {expected}");
    }

    /// Rows that only the first, or only the second, judges rightly.
    fn differing(first: usize, second: usize) -> McNemar {
        let one: Vec<bool> = (0..first + second).map(|row| row < first).collect();
        let other: Vec<bool> = one.iter().map(|right| !right).collect();
        mcnemar(&one, &other, &vec![true; first + second]).unwrap()
    }

    /// The numbers are those of `mcnemar` of statsmodels 0.14, exact and with correction.
    #[test]
    fn mcnemars_test_agrees_with_statsmodels() {
        near(differing(3, 9).p, 0.145_996_093_75);
        near(differing(40, 20).p, 0.014_171_388_254_012_323);
        assert_eq!((differing(40, 20).first_only, differing(40, 20).second_only), (40, 20));
    }

    /// The numbers are those of the definition (all pairs of an attack and a benign row, numpy and scipy).
    #[test]
    fn delongs_test_agrees_with_its_definition() {
        let attacks: Vec<bool> = (0..60).map(|row: usize| row.is_multiple_of(3)).collect();
        let scores = |factor: usize, prime: usize, lift: f64| {
            let score = |row: usize| {
                ((row * factor) % prime) as f64 / prime as f64 + lift * f64::from(u8::from(row.is_multiple_of(3)))
            };
            (0..60).map(|row| score(row) as f32).collect::<Vec<f32>>()
        };
        let test = delong(&scores(37, 61, 0.35), &scores(17, 59, 0.25), &attacks).unwrap().unwrap();
        near(test.areas[0], 0.7925);
        near(test.areas[1], 0.748_75);
        near(test.standard_error, 0.090_112_694_663_633_06);
        near(test.p, 0.627_319_456_064_358);
    }

    #[test]
    fn a_detector_is_not_better_than_itself() {
        let (scores, attacks) = ([0.1, 0.9, 0.4, 0.6], [false, true, true, false]);
        let alarms = scores.map(|score| score >= 0.5);
        assert_eq!(mcnemar(&alarms, &alarms, &attacks).unwrap().p, 1.0);
        let test = delong(&scores, &scores, &attacks).unwrap().unwrap();
        assert_eq!((test.p, test.areas[0]), (1.0, 0.75));
    }

    #[test]
    fn other_rows_are_refused_and_one_side_has_no_area() {
        assert!(mcnemar(&[true], &[true, false], &[true]).is_err());
        assert_eq!(delong(&[0.1], &[0.2], &[true]).unwrap(), None);
    }
}
