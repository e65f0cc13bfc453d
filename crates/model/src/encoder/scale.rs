//! Shifting and scaling.

use serde::{Deserialize, Serialize};

use super::recipe::{Recipe, Scaling};

/// A shift, a factor and a limit: (x - shift) * factor, no further from 0 than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    shift: f32,
    factor: f32,
    limit: f32,
}

impl Scale {
    /// Numbers near the largest overflow when shifted: the limit keeps them finite.
    pub(super) const NONE: Scale = Scale { shift: 0.0, factor: 1.0, limit: f32::MAX };

    /// The scale that these values ask for, none of them NaN.
    pub(super) fn of(recipe: Recipe, values: &[f32]) -> Scale {
        let scale = match recipe.scaling {
            Scaling::None => Scale::NONE,
            Scaling::Standard => Scale::standard(values),
            Scaling::Robust => Scale::robust(values),
        };
        scale.limited(recipe)
    }

    fn limited(self, recipe: Recipe) -> Scale {
        match recipe {
            Recipe { limit: 0, .. } | Recipe { scaling: Scaling::None, .. } => self,
            Recipe { limit, .. } => Scale { limit: limit as f32, ..self },
        }
    }

    fn standard(values: &[f32]) -> Scale {
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let squares = values.iter().map(|&value| (f64::from(value) - mean) * (f64::from(value) - mean));
        Scale::new(mean, (squares.sum::<f64>() / count).sqrt())
    }

    fn robust(values: &[f32]) -> Scale {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let range = quantile(&sorted, 0.75) - quantile(&sorted, 0.25);
        let standard = Scale::standard(values);
        let scale = Scale::new(quantile(&sorted, 0.5), range);
        if range > 0.0 { scale } else { Scale { factor: standard.factor, ..scale } }
    }

    /// The scale of a column of zeros and ones, of which this share is ones.
    pub(super) fn of_share(recipe: Recipe, share: f64) -> Scale {
        match recipe.scaling {
            Scaling::Standard => Scale::new(share, (share * (1.0 - share)).sqrt()).limited(recipe),
            Scaling::None | Scaling::Robust => Scale::NONE,
        }
    }

    fn new(shift: f64, deviation: f64) -> Scale {
        // A deviation that is only rounding would blow noise up.
        let factor = if deviation > 1e-7 * shift.abs().max(1e-20) { (1.0 / deviation) as f32 } else { 1.0 };
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Scale { shift: shift as f32, factor, ..Scale::NONE }
    }

    /// The scaled value. NaN stays NaN.
    pub(super) fn apply(&self, value: f32) -> f32 {
        ((value - self.shift) * self.factor).clamp(-self.limit, self.limit)
    }

    /// The value that becomes this one, where no limit has moved it.
    pub(super) fn undo(&self, scaled: f32) -> f32 {
        scaled / self.factor + self.shift
    }

    pub(super) fn is_sane(&self) -> bool {
        let factor = self.factor.is_finite() && self.factor > 0.0;
        self.shift.is_finite() && factor && self.limit > 0.0 && self.limit.is_finite()
    }
}

/// The quantile of ascending values, drawn straight between neighbours (Hyndman and Fan 1996, definition 7).
fn quantile(sorted: &[f32], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let at = |place: f64| sorted.get(place as usize).map_or(0.0, |&value| f64::from(value));
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROBUST: Recipe = Recipe {
        missing: crate::Missing::Median,
        logarithm: false,
        scaling: Scaling::Robust,
        limit: 0,
        categories: crate::Categories::Ranks,
        rare: 1,
    };

    #[test]
    fn no_scaled_value_passes_the_limit() {
        let values = [1.0, 2.0, 4.0, 8.0, 100.0];
        let scale = Scale::of(Recipe { limit: 3, ..ROBUST }, &values);
        assert_eq!((scale.apply(100.0), scale.apply(-100.0)), (3.0, -3.0));
    }

    /// scikit-learn 1.9, `RobustScaler().fit_transform([[1], [2], [4], [8], [100]])`.
    #[test]
    fn robust_scaling_agrees_with_scikit_learn() {
        let values = [1.0, 2.0, 4.0, 8.0, 100.0];
        let scale = Scale::of(ROBUST, &values);
        let expected = [-0.5, -0.333_333_34, 0.0, 0.666_666_7, 16.0];
        for (value, expected) in values.into_iter().zip(expected) {
            assert!((scale.apply(value) - expected).abs() < 1e-6, "{value} {}", scale.apply(value));
        }
    }

    #[test]
    fn a_column_of_equal_quartiles_is_scaled_by_its_deviation() {
        let values = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0];
        assert!((Scale::of(ROBUST, &values).apply(10.0) - 10.0 / 3.0).abs() < 1e-6);
    }
}
