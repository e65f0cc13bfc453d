//! How far figures may lie from the truth by the luck of the test rows.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Confusion, Curve};
use crate::{Error, Verdict};

/// The interval that holds 95 % of what a figure is on rows drawn anew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// The percentile intervals of a stratified bootstrap (Efron and Tibshirani 1993 s.13): as many attacks and as many
/// benign rows as there are, drawn with replacement, again and again. By the names of [`Figures::numbers`].
///
/// They tell the luck of the test rows only: neither that of the training, which several seeds show, nor that of another
/// network. Rows count as independent, so that where many belong to one attack the intervals are too narrow.
///
/// [`Figures::numbers`]: super::Figures::numbers
pub fn bootstrap(verdicts: &[Verdict], attacks: &[bool], seed: u64) -> Result<Vec<(&'static str, Interval)>, Error> {
    if verdicts.len() != attacks.len() {
        return Err(Error::Length { what: "verdicts", expected: attacks.len(), found: verdicts.len() });
    }
    let mut order: Vec<usize> = (0..attacks.len()).collect();
    order.sort_unstable_by(|&one, &other| verdicts[other].score.total_cmp(&verdicts[one].score));
    let sorted: Vec<(Verdict, bool)> = order.into_iter().map(|row| (verdicts[row], attacks[row])).collect();
    let sides = [true, false].map(|side| {
        let own = (0..sorted.len()).filter(|&place| sorted[place].1 == side);
        own.collect::<Vec<usize>>()
    });
    let replicates = (MOST_DRAWS / attacks.len().max(1)).clamp(LEAST, REPLICATES);
    let drawn: Vec<[(&'static str, Option<f64>); FIGURES]> =
        (0..replicates as u64).into_par_iter().map(|turn| replicate(&sorted, &sides, seed, turn)).collect();
    let mut intervals = Vec::with_capacity(FIGURES);
    for place in 0..FIGURES {
        let Some(name) = drawn.first().map(|figures| figures[place].0) else { break };
        let mut values: Vec<f64> = drawn.iter().filter_map(|figures| figures[place].1).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values.get((share * (values.len().max(1) - 1) as f64).round() as usize).copied();
        if let (Some(low), Some(high)) = (at(0.025), at(0.975)) {
            intervals.push((name, Interval { low, high }));
        }
    }
    Ok(intervals)
}

/// The figures of one drawing.
fn replicate(
    sorted: &[(Verdict, bool)],
    sides: &[Vec<usize>; 2],
    seed: u64,
    turn: u64,
) -> [(&'static str, Option<f64>); FIGURES] {
    let mut random = Pcg64Mcg::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(turn));
    let mut times = vec![0u32; sorted.len()];
    for side in sides {
        for _ in 0..side.len() {
            times[side[random.random_range(0..side.len())]] += 1;
        }
    }
    let mut counts = Confusion::default();
    let mut steps: Vec<(f32, u64, u64)> = Vec::new();
    let (mut attacks, mut benign) = (0, 0);
    for ((verdict, attack), &times) in sorted.iter().zip(&times).filter(|(_, times)| **times > 0) {
        let times = u64::from(times);
        *match (verdict.alarm, *attack) {
            (true, true) => &mut counts.true_positives,
            (true, false) => &mut counts.false_positives,
            (false, false) => &mut counts.true_negatives,
            (false, true) => &mut counts.false_negatives,
        } += times;
        if *attack {
            attacks += times;
        } else {
            benign += times;
        }
        match steps.last_mut() {
            Some(step) if step.0 == verdict.score => (step.1, step.2) = (attacks, benign),
            _ => steps.push((verdict.score, attacks, benign)),
        }
    }
    let curve = Curve { steps };
    [
        ("accuracy", counts.accuracy()),
        ("balanced_accuracy", counts.balanced_accuracy()),
        ("precision", counts.precision()),
        ("recall", counts.recall()),
        ("f1", counts.f1()),
        ("f2", counts.f_beta(2.0)),
        ("mcc", counts.mcc()),
        ("false_positive_rate", counts.false_positive_rate()),
        ("roc_auc", curve.roc_auc()),
        ("pr_auc", curve.pr_auc()),
        ("recall_at_one_percent", curve.recall_at(0.01)),
        ("recall_at_one_per_mille", curve.recall_at(0.001)),
    ]
}

const FIGURES: usize = 12;
const REPLICATES: usize = 1000;
/// Of large tables fewer drawings are enough, and all that there is time for.
const LEAST: usize = 200;
const MOST_DRAWS: usize = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> (Vec<Verdict>, Vec<bool>) {
        let attacks: Vec<bool> = (0..count).map(|row| row % 4 == 0).collect();
        let score =
            |row: usize| ((row * 7919) % 1000) as f32 / 1000.0 * 0.7 + if row.is_multiple_of(4) { 0.3 } else { 0.0 };
        let verdict = |row| Verdict { score: score(row), alarm: score(row) >= 0.6 };
        ((0..count).map(verdict).collect(), attacks)
    }

    fn width(count: usize, name: &str) -> f64 {
        let (verdicts, attacks) = rows(count);
        let intervals = bootstrap(&verdicts, &attacks, 1).unwrap();
        let interval = intervals.iter().find(|interval| interval.0 == name).unwrap().1;
        let curve = Curve::of(verdicts.iter().map(|verdict| verdict.score), &attacks);
        assert!(interval.low <= curve.roc_auc().unwrap() && interval.high >= curve.roc_auc().unwrap());
        interval.high - interval.low
    }

    #[test]
    fn four_times_the_rows_make_an_interval_half_as_wide() {
        let ratio = width(400, "roc_auc") / width(1600, "roc_auc");
        assert!((1.6..2.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_same_seed_gives_the_same_intervals() {
        let (verdicts, attacks) = rows(100);
        assert_eq!(bootstrap(&verdicts, &attacks, 7), bootstrap(&verdicts, &attacks, 7));
        assert_ne!(bootstrap(&verdicts, &attacks, 7), bootstrap(&verdicts, &attacks, 8));
    }

    /// A share p of n rows has the standard error sqrt(p (1 - p) / n).
    #[test]
    fn the_interval_of_a_share_is_that_of_the_normal_approximation() {
        let (verdicts, attacks) = rows(4000);
        let recall = Confusion::of(verdicts.iter().map(|verdict| verdict.alarm), &attacks).recall().unwrap();
        let expected = 2.0 * 1.96 * (recall * (1.0 - recall) / 1000.0).sqrt();
        let intervals = bootstrap(&verdicts, &attacks, 3).unwrap();
        let interval = intervals.iter().find(|interval| interval.0 == "recall").unwrap().1;
        assert!(((interval.high - interval.low) / expected - 1.0).abs() < 0.15, "{interval:?} {expected}");
    }

    #[test]
    fn no_rows_have_no_intervals() {
        assert_eq!(bootstrap(&[], &[], 1).unwrap(), []);
    }
}
