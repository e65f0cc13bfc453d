//! The best way to split a leaf, from its histogram.

use super::histogram::{Histogram, Layout, Sums};
use crate::estimator::binned::{Binned, Column};

/// What a split must keep to.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) min_gain: f64,
    pub(super) min_rows: u64,
    pub(super) min_hessian: f64,
    /// What a unit of a gradient and of a hessian stand for.
    pub(super) units: [f64; 2],
    /// For each column whether the score may only grow with it (1), only fall (-1), or either.
    pub(super) monotone: Vec<i8>,
    /// Added to the hessian of a set of names, so that a rare name is not taken at its word.
    pub(super) name_smoothing: f64,
}

/// A way to split a leaf.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) column: usize,
    pub(super) left: Sums,
    pub(super) which: Which,
    /// Whether rows whose value is missing go left.
    pub(super) missing_left: bool,
}

/// The bins that go left, missing values aside.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// Those up to the first one; the second is the next that holds rows.
    UpTo(usize, usize),
    /// These.
    Among(Vec<u8>),
}

/// A leaf about to be split.
pub(super) struct Leaf<'a> {
    pub(super) histogram: &'a Histogram,
    pub(super) sums: Sums,
    /// The least and the largest value that monotone columns above leave to it.
    pub(super) bounds: [f64; 2],
}

impl Rules {
    /// The step that lowers the loss most, within the bounds.
    pub(super) fn value(&self, gradient: f64, hessian: f64, bounds: [f64; 2]) -> f64 {
        let shrunk = gradient.signum() * (gradient.abs() - self.l1).max(0.0);
        let value = -shrunk / (hessian + self.l2);
        if value.is_finite() { value.clamp(bounds[0], bounds[1]) } else { 0.0 }
    }

    /// By how much that step lowers the loss, twice.
    fn worth(&self, sums: Sums, bounds: [f64; 2]) -> f64 {
        let [gradient, hessian] = self.unscale(sums);
        let shrunk = (gradient.abs() - self.l1).max(0.0);
        if bounds == UNBOUNDED {
            return if shrunk > 0.0 { shrunk * shrunk / (hessian + self.l2) } else { 0.0 };
        }
        let value = self.value(gradient, hessian, bounds);
        -(2.0 * gradient.signum() * shrunk * value + (hessian + self.l2) * value * value)
    }

    pub(super) fn unscale(&self, sums: Sums) -> [f64; 2] {
        [sums.gradient as f64 * self.units[0], sums.hessian as f64 * self.units[1]]
    }

    fn allows(&self, sums: Sums) -> bool {
        sums.rows >= self.min_rows && sums.hessian as f64 * self.units[1] >= self.min_hessian
    }

    /// The best split of a leaf; `None` where none is allowed and pays.
    pub(super) fn best(&self, binned: &Binned, layout: &Layout, leaf: &Leaf<'_>) -> Option<Split> {
        let parent = self.worth(leaf.sums, leaf.bounds);
        let mut best: Option<Split> = None;
        for (&column, &start) in layout.columns.iter().zip(&layout.starts) {
            let shape = &binned.columns[column];
            if shape.count < 2 {
                continue;
            }
            let bins = &leaf.histogram[start..start + shape.count];
            let mut found = Search { rules: self, leaf, column, feature: shape.feature, parent, best: &mut best };
            if shape.is_code() { found.among(shape, bins) } else { found.up_to(shape, bins) }
        }
        best
    }
}

/// A search among the splits of one column.
struct Search<'a> {
    rules: &'a Rules,
    leaf: &'a Leaf<'a>,
    column: usize,
    feature: usize,
    parent: f64,
    best: &'a mut Option<Split>,
}

impl Search<'_> {
    /// Every cut between two bins that hold rows, missing values on either side.
    fn up_to(&mut self, shape: &Column, bins: &[Sums]) {
        let missing = shape.missing.map_or(Sums::default(), |bin| bins[usize::from(bin)]);
        let bins = &bins[..shape.values()];
        let sides: &[bool] = if missing.rows > 0 { &[false, true] } else { &[false] };
        for &missing_left in sides {
            let mut left = if missing_left { missing } else { Sums::default() };
            let mut last = None;
            for (bin, sums) in bins.iter().enumerate() {
                if sums.rows == 0 {
                    continue;
                }
                if let Some(last) = last {
                    self.consider(left, missing_left, || Which::UpTo(last, bin));
                }
                left = left + *sums;
                last = Some(bin);
            }
            // Missing values against all others: no row with a value is above the last cut.
            if let Some(last) = last
                && missing.rows > 0
                && !missing_left
                && last + 1 < bins.len()
            {
                self.consider(left, false, || Which::UpTo(last, last + 1));
            }
        }
    }

    /// Names in the order of their mean gradients, cut in two (Fisher 1958): as good as any set. The side with
    /// fewer names is listed; all others, unseen ones too, go right.
    fn among(&mut self, shape: &Column, bins: &[Sums]) {
        // The last value bin stands for all rarer names, which cannot be asked for.
        let mut order: Vec<u8> =
            (0..shape.values() - 1).filter(|&bin| bins[bin].rows > 0).map(|bin| bin as u8).collect();
        let smoothing = self.rules.name_smoothing;
        let mean = |bin: &u8| {
            let [gradient, hessian] = self.rules.unscale(bins[usize::from(*bin)]);
            gradient / (hessian + smoothing)
        };
        order.sort_by(|one, other| mean(one).total_cmp(&mean(other)));
        for backwards in [false, true] {
            let mut left = Sums::default();
            for taken in 1..=order.len().min(MOST_NAMES) {
                let bin = if backwards { order[order.len() - taken] } else { order[taken - 1] };
                left = left + bins[usize::from(bin)];
                let part = if backwards { &order[order.len() - taken..] } else { &order[..taken] };
                self.consider(left, false, || Which::Among(part.to_vec()));
            }
        }
    }

    fn consider(&mut self, left: Sums, missing_left: bool, which: impl Fn() -> Which) {
        let (rules, bounds) = (self.rules, self.leaf.bounds);
        let right = self.leaf.sums - left;
        if !rules.allows(left) || !rules.allows(right) {
            return;
        }
        let direction = rules.monotone.get(self.feature).copied().unwrap_or(0);
        if direction != 0 {
            let value = |sums| {
                let [gradient, hessian] = rules.unscale(sums);
                rules.value(gradient, hessian, bounds)
            };
            if (value(right) - value(left)) * f64::from(direction) < 0.0 {
                return;
            }
        }
        let gain = rules.worth(left, bounds) + rules.worth(right, bounds) - self.parent;
        let least = self.best.as_ref().map_or(rules.min_gain.max(LEAST_GAIN), |best| best.gain);
        if gain > least {
            *self.best = Some(Split { gain, column: self.column, left, which: which(), missing_left });
        }
    }
}

/// A leaf that no monotone column binds.
pub(super) const UNBOUNDED: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];
/// Less than this is rounding.
const LEAST_GAIN: f64 = 1e-12;
/// The most names on the side that is listed.
const MOST_NAMES: usize = 32;
