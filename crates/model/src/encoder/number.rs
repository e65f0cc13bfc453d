//! Columns of numbers.

use serde::{Deserialize, Serialize};

use super::recipe::{Missing, Recipe};
use super::scale::Scale;

/// How a column of numbers is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Number {
    /// What a missing number becomes; none where it stays missing.
    fill: Option<f32>,
    logarithm: bool,
    scale: Scale,
    /// Whether the number itself is part of a row; it may be left out.
    value: bool,
    /// Whether a row tells with 0 or 1 that it was missing.
    indicator: bool,
}

impl Number {
    pub(super) fn fit(numbers: &[f32], recipe: Recipe) -> Number {
        let mut present: Vec<f32> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
        let indicator = recipe.missing == Missing::Indicator && present.len() < numbers.len();
        let fill = match recipe.missing {
            Missing::Keep => None,
            Missing::Mode => Some(mode(&mut present)),
            Missing::Median | Missing::Indicator => Some(median(&mut present)),
        };
        let mut number = Number { fill, logarithm: recipe.logarithm, scale: Scale::NONE, value: true, indicator };
        let mut prepared: Vec<f32> = numbers.iter().map(|&value| number.prepare(value)).collect();
        prepared.retain(|value| !value.is_nan());
        number.scale = Scale::of(recipe, &prepared);
        number
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.value) + usize::from(self.indicator)
    }

    pub(super) fn names(&self, column: &str) -> impl Iterator<Item = String> {
        let value = self.value.then(|| column.to_owned());
        value.into_iter().chain(self.indicator.then(|| format!("{column} missing")))
    }

    /// Leaves out the values whose positions in a row are not wanted.
    pub(super) fn keep(&mut self, wanted: &[bool]) {
        let mut wanted = wanted.iter();
        for part in [&mut self.value, &mut self.indicator] {
            *part = *part && wanted.next().is_some_and(|wanted| *wanted);
        }
    }

    pub(super) fn keeps_missing(&self) -> bool {
        self.fill.is_none()
    }

    /// Writes these numbers, one a row, at position `at` of each row of `out`.
    pub(super) fn write(&self, numbers: &[f32], out: &mut [f32], at: usize, width: usize) {
        let targets = || out.len() / width;
        debug_assert_eq!(targets(), numbers.len());
        if self.value {
            for (target, &number) in out.chunks_exact_mut(width).zip(numbers) {
                target[at] = self.scale.apply(self.prepare(number));
            }
        }
        if self.indicator {
            let at = at + usize::from(self.value);
            for (target, &number) in out.chunks_exact_mut(width).zip(numbers) {
                target[at] = f32::from(u8::from(!number.is_finite()));
            }
        }
    }

    /// The number, or what stands for it where it is missing, after the logarithm where asked.
    fn prepare(&self, number: f32) -> f32 {
        let number = if number.is_finite() { number } else { self.fill.unwrap_or(f32::NAN) };
        if self.logarithm { number.abs().ln_1p().copysign(number) } else { number }
    }

    /// The number that becomes this encoded value.
    pub(super) fn undo(&self, encoded: f32) -> f32 {
        let value = self.scale.undo(encoded);
        if self.logarithm { value.abs().exp_m1().copysign(value) } else { value }
    }

    /// Whether an encoded value of this column tells that it was missing.
    pub(super) fn is_indicator(&self, slot: usize) -> bool {
        self.indicator && slot == usize::from(self.value)
    }

    /// Whether no encoded value can be infinite, nor missing where the recipe does not leave it so.
    pub(super) fn is_sane(&self, recipe: Recipe) -> bool {
        let fill = match self.fill {
            None => recipe.missing == Missing::Keep,
            Some(fill) => recipe.missing != Missing::Keep && fill.is_finite(),
        };
        fill && self.scale.is_sane()
    }
}

/// The lower median; 0 where there is nothing.
fn median(present: &mut [f32]) -> f32 {
    if present.is_empty() {
        return 0.0;
    }
    let middle = (present.len() - 1) / 2;
    *present.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// The most frequent value, the least of several; 0 where there is nothing.
fn mode(present: &mut [f32]) -> f32 {
    present.sort_unstable_by(f32::total_cmp);
    let mut best: &[f32] = &[];
    for run in present.chunk_by(|one, next| one == next) {
        if run.len() > best.len() {
            best = run;
        }
    }
    best.first().copied().unwrap_or(0.0)
}
