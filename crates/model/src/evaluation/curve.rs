//! What every threshold would do.

use super::Confusion;

/// The counts at every distinct score, from the highest down.
///
/// ```
/// use model::evaluation::Curve;
/// let curve = Curve::of([0.9, 0.5, 0.5, 0.1], &[true, true, false, false]);
/// assert_eq!(curve.roc_auc(), Some(0.875));
/// assert_eq!(curve.recall_at(0.0), Some(0.5));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// One a distinct score: the score, and the attacks and benign rows that score at least that.
    pub(super) steps: Vec<(f32, u64, u64)>,
}

impl Curve {
    /// The curve of these scores; rows of one score make one step.
    pub fn of(scores: impl IntoIterator<Item = f32>, attacks: &[bool]) -> Curve {
        let mut rows: Vec<(f32, bool)> = scores.into_iter().zip(attacks.iter().copied()).collect();
        rows.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let (mut attacks, mut benign) = (0, 0);
        let steps = rows.chunk_by(|one, next| one.0 == next.0).map(|tied| {
            let attacks_here = tied.iter().filter(|(_, attack)| *attack).count() as u64;
            attacks += attacks_here;
            benign += tied.len() as u64 - attacks_here;
            (tied[0].0, attacks, benign)
        });
        Curve { steps: steps.collect() }
    }

    /// All attacks and all benign rows.
    fn totals(&self) -> (u64, u64) {
        self.steps.last().map_or((0, 0), |&(_, attacks, benign)| (attacks, benign))
    }

    /// The probability that an attack scores higher than a benign row, a tie counting half (Hanley and McNeil 1982).
    /// `None` where one of the sides is missing.
    pub fn roc_auc(&self) -> Option<f64> {
        let (attacks, benign) = self.totals();
        let mut area = 0.0;
        let mut last = (0, 0);
        for &(_, attacks, benign) in &self.steps {
            area += (benign - last.1) as f64 * (attacks + last.0) as f64 / 2.0;
            last = (attacks, benign);
        }
        (attacks > 0 && benign > 0).then(|| area / (attacks as f64 * benign as f64))
    }

    /// Average precision: the precision at each step, weighted by the recall that it adds. `None` without attacks.
    pub fn pr_auc(&self) -> Option<f64> {
        let (all, _) = self.totals();
        let mut last = 0;
        let mut area = 0.0;
        for &(_, attacks, benign) in &self.steps {
            area += (attacks - last) as f64 * attacks as f64 / (attacks + benign) as f64;
            last = attacks;
        }
        (all > 0).then(|| area / all as f64)
    }

    /// The recall of the lowest threshold that alarms at most this share of the benign rows.
    pub fn recall_at(&self, false_positive_rate: f64) -> Option<f64> {
        let (all, all_benign) = self.totals();
        // Products of a share and a count are a hair off: 0.1 of 30 rows are 3 rows.
        let most = false_positive_rate * all_benign as f64 * (1.0 + 4.0 * f64::EPSILON);
        let mut allowed = self.steps.iter().filter(|step| step.2 as f64 <= most);
        (all > 0 && all_benign > 0).then(|| allowed.next_back().map_or(0.0, |step| step.1 as f64 / all as f64))
    }

    /// Every threshold that makes a difference, the highest first, with what becomes of the rows: a row alarms whose
    /// score reaches it.
    pub fn thresholds(&self) -> impl ExactSizeIterator<Item = (f32, Confusion)> + Clone + '_ {
        let (attacks, benign) = self.totals();
        self.steps.iter().map(move |&(score, true_positives, false_positives)| {
            let (false_negatives, true_negatives) = (attacks - true_positives, benign - false_positives);
            (score, Confusion { true_positives, false_positives, true_negatives, false_negatives })
        })
    }

    /// At most `count` points (false-positive rate, recall) of the receiver operating characteristic, from (0, 0) to
    /// (1, 1): enough for a picture. Empty where one of the sides is missing.
    pub fn roc_points(&self, count: usize) -> Vec<(f64, f64)> {
        let rates = self.thresholds().filter_map(|(_, at)| Some((at.false_positive_rate()?, at.recall()?)));
        let all: Vec<(f64, f64)> = rates.collect();
        if all.is_empty() { all } else { thin([vec![(0.0, 0.0)], all].concat(), count) }
    }

    /// At most `count` points (recall, precision), recall ascending. Empty without attacks.
    pub fn pr_points(&self, count: usize) -> Vec<(f64, f64)> {
        thin(self.thresholds().filter_map(|(_, at)| Some((at.recall()?, at.precision()?))).collect(), count)
    }
}

/// First and last point, and of those between them one in each part of the way, measured along both axes, because the
/// interesting part of a curve is short in one of them.
fn thin(points: Vec<(f64, f64)>, count: usize) -> Vec<(f64, f64)> {
    if points.len() <= count {
        return points;
    }
    let step = |two: &[(f64, f64)]| (two[1].0 - two[0].0).abs() + (two[1].1 - two[0].1).abs();
    let length: f64 = points.windows(2).map(step).sum();
    let part = length / count.saturating_sub(2).max(1) as f64;
    let mut thinned = vec![points[0]];
    let mut since = 0.0;
    for two in points.windows(2) {
        since += step(two);
        if since >= part {
            thinned.push(two[1]);
            since = 0.0;
        }
    }
    let last = points[points.len() - 1];
    if thinned.last() != Some(&last) {
        thinned.push(last);
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_between_an_attack_and_a_benign_row_counts_half() {
        let curve = Curve::of([0.5, 0.5], &[true, false]);
        assert_eq!(curve.roc_auc(), Some(0.5));
    }

    /// scikit-learn's documentation of `average_precision_score` and `roc_auc_score` has this example: 0.83, 0.75.
    #[test]
    fn areas_agree_with_a_published_example() {
        let curve = Curve::of([0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert!((curve.pr_auc().unwrap() - 0.833_333).abs() < 1e-5);
        assert_eq!(curve.roc_auc(), Some(0.75));
    }

    #[test]
    fn recall_at_a_ceiling_does_not_cut_through_a_tie() {
        let attacks = [true, true, false, false];
        assert_eq!(Curve::of([0.9, 0.5, 0.5, 0.1], &attacks).recall_at(0.0), Some(0.5));
        assert_eq!(Curve::of([0.9, 0.5, 0.5, 0.1], &attacks).recall_at(0.5), Some(1.0));
    }

    #[test]
    fn one_sided_tables_have_no_areas() {
        assert_eq!(Curve::of([0.1, 0.2], &[true, true]).roc_auc(), None);
        assert_eq!(Curve::of([], &[]).pr_auc(), None);
        assert!(Curve::of([0.1], &[true]).roc_points(10).is_empty());
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_shape() {
        let attacks: Vec<bool> = (0..10_000).map(|row| row % 3 == 0).collect();
        let scores = (0..10_000).map(|row| ((row * 7919) % 10_007) as f32 + if row % 3 == 0 { 2_000.0 } else { 0.0 });
        let curve = Curve::of(scores, &attacks);
        let points = curve.roc_points(200);
        assert!(points.len() <= 201 && points[0] == (0.0, 0.0) && points[points.len() - 1] == (1.0, 1.0));
        let area: f64 = points.windows(2).map(|two| (two[1].0 - two[0].0) * (two[0].1 + two[1].1) / 2.0).sum();
        assert!((area - curve.roc_auc().unwrap()).abs() < 1e-3);
    }
}
