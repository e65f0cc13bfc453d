//! Where an alarm begins.

use serde::{Deserialize, Serialize};

use super::{Confusion, Curve};
use crate::Error;

/// How a threshold is chosen from the scores of validation rows, never of test rows. A score at or above it alarms.
///
/// ```
/// use model::evaluation::Rule;
/// let (scores, attacks) = ([0.1, 0.2, 0.8, 0.9], [false, false, true, true]);
/// let threshold = Rule::F1.choose(&scores, Some(&attacks)).unwrap();
/// assert!(threshold > 0.2 && threshold <= 0.8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// This score, whatever the rows say.
    Fixed(f32),
    /// The largest F-beta: recall weighs so many times as much as precision.
    FBeta(f64),
    /// The least cost, where a missed attack costs so many times as much as a false alarm, and attacks are as frequent
    /// as among the rows.
    Cost(f64),
    /// The largest recall less false-positive rate (Youden 1950), which does not hang on how frequent attacks are.
    Youden,
    /// The lowest threshold that alarms at most this share of the benign rows; of all rows where the truth is unknown.
    FalsePositiveRate(f64),
    /// The lowest threshold that alarms at most so often on a quiet day.
    AlertBudget {
        /// Alarms a day that somebody can look at.
        alerts: f64,
        /// Flows a day.
        flows: f64,
    },
    /// The lowest threshold that alarms at most this share of all rows, whatever they are.
    Contamination(f64),
}

impl Rule {
    /// The largest F1.
    pub const F1: Rule = Rule::FBeta(1.0);

    /// The threshold for these scores. `attacks` is their truth, which [`Rule::FBeta`], [`Rule::Cost`] and
    /// [`Rule::Youden`] need.
    pub fn choose(&self, scores: &[f32], attacks: Option<&[bool]>) -> Result<f32, Error> {
        if let Some(attacks) = attacks.filter(|attacks| attacks.len() != scores.len()) {
            return Err(Error::Length { what: "labels", expected: scores.len(), found: attacks.len() });
        }
        if scores.is_empty() && !matches!(self, Rule::Fixed(_)) {
            return Err(Error::Empty("validation rows"));
        }
        let known = |rule| attacks.ok_or(Error::Unlabelled(rule));
        match *self {
            Rule::Fixed(threshold) => {
                share("threshold", f64::from(threshold))?;
                Ok(threshold)
            }
            Rule::FBeta(beta) => {
                positive("f-beta", beta)?;
                best(scores, known("the rule of the largest F-beta")?, |at| at.f_beta(beta))
            }
            Rule::Cost(missed) => {
                positive("cost", missed)?;
                let cost = |at: &Confusion| missed * at.false_negatives as f64 + at.false_positives as f64;
                best(scores, known("the rule of the least cost")?, |at| Some(-cost(at)))
            }
            Rule::Youden => best(scores, known("Youden's rule")?, Confusion::balanced_accuracy),
            Rule::FalsePositiveRate(rate) => ceiling(scores, attacks, share("false-positive-rate", rate)?),
            Rule::AlertBudget { alerts, flows } => {
                if !(alerts >= 0.0 && flows > 0.0 && flows.is_finite()) {
                    let value = format!("{alerts} of {flows}");
                    let range = "a number of alerts of a positive number of flows".into();
                    return Err(Error::Setting { setting: "alert-budget", value, range });
                }
                ceiling(scores, attacks, (alerts / flows).min(1.0))
            }
            Rule::Contamination(rate) => ceiling(scores, None, share("contamination", rate)?),
        }
    }
}

/// The threshold at which the figure is largest, halfway between the last score that should alarm and the next one.
fn best(scores: &[f32], attacks: &[bool], figure: impl Fn(&Confusion) -> Option<f64>) -> Result<f32, Error> {
    if !attacks.contains(&true) {
        return Err(Error::OneClass("benign"));
    }
    let curve = Curve::of(scores.iter().copied(), attacks);
    let none = Confusion::of(attacks.iter().map(|_| false), attacks);
    let figures: Vec<Option<f64>> = curve.thresholds().map(|(_, at)| figure(&at)).collect();
    let best = figures.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    if best == f64::NEG_INFINITY {
        return Err(Error::OneClass("an attack"));
    }
    let highest = curve.steps.first().map_or(0.0, |step| step.0);
    if figure(&none).is_some_and(|quiet| quiet > best) {
        return Ok((highest + MARGIN).min(BEYOND));
    }
    // Of several best thresholds the middle one is the least likely to be luck.
    let ties: Vec<usize> = (0..figures.len()).filter(|&step| figures[step] == Some(best)).collect();
    let step = ties[(ties.len() - 1) / 2];
    let below = curve.steps.get(step + 1).map_or(0.0, |step| step.0);
    Ok(between(below, curve.steps[step].0))
}

/// The lowest threshold that at most this share of the benign scores reaches.
fn ceiling(scores: &[f32], attacks: Option<&[bool]>, rate: f64) -> Result<f32, Error> {
    let benign = |row: usize| attacks.is_none_or(|attacks| !attacks[row]);
    let mut scores: Vec<f32> = (0..scores.len()).filter(|&row| benign(row)).map(|row| scores[row]).collect();
    scores.sort_unstable_by(|one, other| other.total_cmp(one));
    let allowed = (rate * scores.len() as f64).floor() as usize;
    match scores.get(allowed) {
        None if scores.is_empty() => Err(Error::OneClass("an attack")),
        None => Ok(0.0),
        // The first score that must not alarm; ties with it must not either.
        Some(&first) => {
            let above = scores[..allowed].iter().rev().copied().find(|&score| score > first);
            Ok(above.map_or((first + MARGIN).min(BEYOND), |above| between(first, above)))
        }
    }
}

/// A threshold above `low` and at most `high`, halfway.
fn between(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    if middle > low { middle } else { high }
}

fn positive(setting: &'static str, value: f64) -> Result<(), Error> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Setting { setting, value: value.to_string(), range: "above 0".into() })
}

fn share(setting: &'static str, value: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::Setting { setting, value: value.to_string(), range: "within 0 to 1".into() })
}

/// How far above the highest benign score the threshold stands where none may alarm.
const MARGIN: f32 = 1e-3;
/// Above every score.
const BEYOND: f32 = 1.0 + f32::EPSILON;

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(scores: &[f32], threshold: f32) -> usize {
        scores.iter().filter(|score| **score >= threshold).count()
    }

    #[test]
    fn a_ceiling_is_kept_even_among_ties() {
        let scores = [0.1, 0.5, 0.5, 0.5, 0.9];
        for (rate, expected) in [(0.0, 0), (0.2, 1), (0.4, 1), (0.79, 1), (0.8, 4), (1.0, 5)] {
            let threshold = Rule::Contamination(rate).choose(&scores, None).unwrap();
            assert_eq!(alarms(&scores, threshold), expected, "{rate} {threshold}");
        }
    }

    #[test]
    fn only_benign_rows_count_for_a_false_positive_rate() {
        let (scores, attacks) = ([0.1, 0.2, 0.3, 0.95], [false, false, false, true]);
        let threshold = Rule::FalsePositiveRate(0.0).choose(&scores, Some(&attacks)).unwrap();
        assert!(threshold > 0.3 && threshold < 0.95, "{threshold}");
    }

    #[test]
    fn the_largest_f1_may_accept_a_false_positive() {
        let (scores, attacks) = ([0.9, 0.8, 0.7, 0.6, 0.1], [true, false, true, true, false]);
        let threshold = Rule::F1.choose(&scores, Some(&attacks)).unwrap();
        assert_eq!(alarms(&scores, threshold), 4);
    }

    #[test]
    fn the_dearer_a_missed_attack_is_the_more_alarms_there_are() {
        let scores: Vec<f32> = (0..1000).map(|row| row as f32 / 1000.0).collect();
        // The higher the score, the likelier an attack.
        let attacks: Vec<bool> = (0..1000usize).map(|row| (row * 7919) % 1000 < row).collect();
        let alarms_at = |missed| alarms(&scores, Rule::Cost(missed).choose(&scores, Some(&attacks)).unwrap());
        let counts = [0.1, 1.0, 10.0].map(alarms_at);
        assert!(counts.is_sorted_by(|one, next| one < next), "{counts:?}");
        // A row should alarm where its odds of being an attack are above one to `missed`.
        assert!((counts[1] as f64 - 500.0).abs() < 60.0 && (counts[2] as f64 - 909.0).abs() < 60.0, "{counts:?}");
    }

    #[test]
    fn a_false_alarm_that_costs_more_than_every_attack_gives_no_alarm() {
        let (scores, attacks) = ([0.9, 0.8, 0.7], [false, true, false]);
        let threshold = Rule::Cost(0.1).choose(&scores, Some(&attacks)).unwrap();
        assert_eq!(alarms(&scores, threshold), 0);
    }

    #[test]
    fn youdens_rule_does_not_hang_on_how_frequent_attacks_are() {
        let (scores, attacks) = ([0.9, 0.8, 0.7, 0.3, 0.2], [true, false, true, false, false]);
        let many: Vec<usize> = (0..5).chain([1, 3, 4].into_iter().cycle().take(300)).collect();
        let pick = |rows: &[usize]| {
            let (scores, attacks): (Vec<f32>, Vec<bool>) = rows.iter().map(|&row| (scores[row], attacks[row])).unzip();
            Rule::Youden.choose(&scores, Some(&attacks)).unwrap()
        };
        assert_eq!(pick(&[0, 1, 2, 3, 4]), pick(&many));
        assert_eq!(alarms(&scores, pick(&many)), 3);
        assert!(Rule::Youden.choose(&scores, Some(&[true; 5])).is_err());
    }

    #[test]
    fn an_alert_budget_is_a_false_positive_rate() {
        let scores: Vec<f32> = (0..1000).map(|row| row as f32 / 1000.0).collect();
        let budget = Rule::AlertBudget { alerts: 10.0, flows: 1000.0 };
        let threshold = budget.choose(&scores, None).unwrap();
        assert_eq!(alarms(&scores, threshold), 10);
    }

    #[test]
    fn impossible_rules_are_refused() {
        assert!(Rule::FalsePositiveRate(f64::NAN).choose(&[0.5], None).is_err());
        assert!(Rule::Fixed(2.0).choose(&[0.5], None).is_err());
        assert!(Rule::F1.choose(&[0.5], None).is_err());
        assert!(Rule::F1.choose(&[0.5], Some(&[false])).is_err());
        assert!(Rule::FBeta(f64::NAN).choose(&[0.5], Some(&[true])).is_err());
        assert!(Rule::Cost(-1.0).choose(&[0.5], Some(&[true])).is_err());
        assert!(Rule::Contamination(0.1).choose(&[], None).is_err());
    }
}
