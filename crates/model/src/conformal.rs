//! Conformal p-values: how rare a score is, measured on scores of the same network.
//!
//! Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, s. 2.3; for outliers Bates and
//! others, "Testing for outliers with conformal p-values", 2023.

/// Scores of a calibration window, in blocks. Within a block old and new scores are taken to be exchangeable: a new one is
/// as likely to have any rank among them as any other. Then the chance of a p-value of at most α is at most α, whatever
/// the model and whatever the distribution of its scores.
///
/// ```
/// use model::Conformal;
/// let scores = Conformal::of(vec![(1..=99).map(|score| score as f32).collect()]);
/// assert_eq!(scores.p_value(0, 99.5), 0.01);
/// assert_eq!(scores.p_value(0, 50.0), 0.51);
/// assert_eq!(scores.threshold(0, 0.05), Some(95.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conformal {
    /// Each sorted, the highest first.
    blocks: Vec<Vec<f32>>,
}

impl Conformal {
    /// From the scores of each block, in any order.
    pub fn of(mut blocks: Vec<Vec<f32>>) -> Conformal {
        for block in &mut blocks {
            block.sort_by(|a, b| b.total_cmp(a));
        }
        Conformal { blocks }
    }

    /// The scores of a block, the highest first; none where there is no such block.
    pub fn scores(&self, block: usize) -> &[f32] {
        self.blocks.get(block).map_or(&[], Vec::as_slice)
    }

    /// The share of the block's scores, with this one among them, that are at least as high: `1 / (n + 1)` at the least.
    pub fn p_value(&self, block: usize, score: f32) -> f64 {
        let scores = self.scores(block);
        let as_high = scores.partition_point(|other| *other >= score);
        (as_high + 1) as f64 / (scores.len() + 1) as f64
    }

    /// The score above which p-values are at most `significance`: a p-value is so where the score is greater than this.
    /// `None` where the block holds too few scores for p-values as small.
    pub fn threshold(&self, block: usize, significance: f64) -> Option<f32> {
        let scores = self.scores(block);
        let rank = (significance * (scores.len() + 1) as f64 + 1e-9).floor() as usize;
        // With `rank - 1` scores above it a new score has the p-value `rank / (n + 1)`; any score has one of at most 1.
        Some(scores.get(rank.checked_sub(1)?).copied().unwrap_or(f32::NEG_INFINITY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_significant_exactly_above_the_threshold() {
        let scores = Conformal::of(vec![vec![0.1, 0.4, 0.4, 0.7, 0.9, 0.3, 0.2, 0.8, 0.6]]);
        for significance in [0.1, 0.2, 0.3, 0.5, 1.0] {
            let threshold = scores.threshold(0, significance).unwrap();
            for score in [0.05, 0.1, 0.35, 0.4, 0.45, 0.65, 0.7, 0.85, 0.9, 0.95] {
                let is_significant = scores.p_value(0, score) <= significance + 1e-12;
                assert_eq!(is_significant, score > threshold, "{significance} {score} {threshold}");
            }
        }
    }

    #[test]
    fn too_few_scores_allow_no_small_p_value() {
        let scores = Conformal::of(vec![vec![0.5; 9]]);
        assert_eq!((scores.threshold(0, 0.05), scores.threshold(1, 0.5)), (None, None));
        assert_eq!((scores.p_value(0, 0.6), scores.p_value(1, 0.6)), (0.1, 1.0));
    }
}
