//! Logistic regression that goes on learning.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ClassWeights, MAX_CLASSES, range, stream};
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// Logistic regression learned row by row (FTRL-proximal, McMahan et al. 2013), with a step of its own for each
/// coefficient that shrinks as the column shows itself (Adagrad, Duchi 2011). Of more than two classes multinomial.
///
/// Goes on learning in constant memory, in one pass over what comes; the order of rows matters.
/// [`LogisticRegression`](super::LogisticRegression) reaches the optimum of a table that is there as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineLogistic {
    /// The first steps' length. Default 0.1; McMahan 2013 s.3.1 finds values around it best on most data.
    pub alpha: f64,
    /// Makes the first steps shorter. Default 1, which McMahan 2013 finds good enough always.
    pub beta: f64,
    /// The weight of the absolute coefficients: more of it leaves more columns out. Default 0.
    pub l1: f64,
    /// The weight of the squared coefficients. Default 1e-3.
    pub l2: f64,
    /// How often the rows of a fit are gone over, each time in another random order. Default 5. Rows that come later are
    /// gone over once, in the order that they come in.
    pub passes: u32,
    /// What rows of either side weigh. Default balanced, by the rows seen so far.
    pub class_weights: ClassWeights,
}

impl Default for OnlineLogistic {
    fn default() -> OnlineLogistic {
        OnlineLogistic { alpha: 0.1, beta: 1.0, l1: 0.0, l2: 1e-3, passes: 5, class_weights: ClassWeights::Balanced }
    }
}

impl OnlineLogistic {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("alpha", Range::Magnitude(0.01, 1.0)),
            ("beta", Range::Magnitude(0.1, 10.0)),
            ("l1", Range::Magnitude(1e-6, 100.0)),
            ("l2", Range::Magnitude(1e-6, 100.0)),
            ("passes", Range::WholeMagnitude(1, 16)),
            ("class-weights", Range::class_weights()),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("alpha", self.alpha, 1e-6, 1e3)?;
        range("beta", self.beta, 1e-6, 1e6)?;
        range("l1", self.l1, 0.0, 1e9)?;
        range("l2", self.l2, 0.0, 1e9)?;
        range("passes", self.passes, 1, 10_000)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes, seed: u64) -> Proximal {
        let places = (matrix.width() + 1) * truth.count();
        let mut proximal = Proximal {
            settings: self.clone(),
            width: matrix.width() as u32,
            classes: truth.names().to_vec(),
            rows: vec![0; truth.count()],
            sums: vec![0.0; places],
            squares: vec![0.0; places],
        };
        let mut order: Vec<usize> = (0..matrix.rows()).collect();
        // Every pass weighs rows by all of them, and counts them once.
        let sizes: Vec<u64> = truth.sizes().into_iter().map(|size| size as u64).collect();
        let mut step = vec![0.0; truth.count()];
        for pass in 0..self.passes {
            order.shuffle(&mut stream(seed, u64::from(pass)));
            for &row in &order {
                let class = truth.codes()[row] as usize;
                proximal.take(matrix.row(row), class, weight(self.class_weights, &sizes, class), &mut step);
            }
        }
        proximal.rows = sizes;
        proximal
    }
}

/// A logistic regression on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proximal {
    settings: OnlineLogistic,
    width: u32,
    classes: Vec<String>,
    /// The rows of each class so far.
    rows: Vec<u64>,
    /// z and n of McMahan 2013, algorithm 1: of each class one a column, that of the intercept last.
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Proximal {
    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Takes more rows of the same classes, in the order that they come in.
    pub(crate) fn learn(&mut self, matrix: &Matrix, truth: &Classes) {
        let mut step = vec![0.0; self.classes.len()];
        for (row, &class) in matrix.values().chunks_exact(matrix.width()).zip(truth.codes()) {
            let class = class as usize;
            self.rows[class] = self.rows[class].saturating_add(1);
            let weight = weight(self.settings.class_weights, &self.rows, class);
            self.take(row, class, weight, &mut step);
        }
    }

    /// The coefficients of each class, one a column and the intercept.
    pub fn coefficients(&self) -> Vec<f64> {
        (0..self.sums.len()).map(|place| self.coefficient(place)).collect()
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        let coefficients = self.coefficients();
        let classes = self.classes.len();
        let mut values = vec![0.0f32; matrix.rows() * classes];
        let rows = values.par_chunks_mut(classes).zip(matrix.values().par_chunks(self.width()));
        rows.with_min_len(1024).for_each_init(
            || vec![0.0; classes],
            |likely, (out, row)| {
                softmax(&coefficients, row, likely);
                out.iter_mut().zip(likely).for_each(|(out, likely)| *out = *likely as f32);
            },
        );
        Probabilities::new(classes, values)
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let classes = self.classes.len();
        let places = (width + 1).checked_mul(classes);
        let sized = [self.sums.len(), self.squares.len()].iter().all(|&len| Some(len) == places);
        let sums = self.sums.iter().all(|sum| sum.abs() <= BOUND);
        let squares = self.squares.iter().all(|sum| (0.0..=BOUND).contains(sum));
        let counted = self.rows.len() == classes && (2..=MAX_CLASSES).contains(&classes);
        if self.width() != width || !sized || !sums || !squares || !counted || self.settings.check().is_err() {
            return Err(Error::Damaged("a logistic regression that does not fit the columns".into()));
        }
        Ok(())
    }

    /// McMahan 2013, algorithm 1, line 6; the intercept is not penalised.
    fn coefficient(&self, place: usize) -> f64 {
        let OnlineLogistic { alpha, beta, l1, l2, .. } = self.settings;
        let is_intercept = (place + 1).is_multiple_of(self.width() + 1);
        let (l1, l2) = if is_intercept { (0.0, 0.0) } else { (l1, l2) };
        let sum = self.sums[place];
        if sum.abs() <= l1 {
            return 0.0;
        }
        let coefficient = -(sum - sum.signum() * l1) / ((beta + self.squares[place].sqrt()) / alpha + l2);
        coefficient.clamp(-LARGEST, LARGEST)
    }

    /// One step, on one row.
    fn take(&mut self, row: &[f32], class: usize, weight: f64, likely: &mut [f64]) {
        let stride = self.width() + 1;
        // Only the columns that are not 0 matter, and most of a row of names are.
        for (own, likely) in likely.iter_mut().enumerate() {
            let values = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
            let terms = values.map(|(column, &value)| f64::from(value) * self.coefficient(own * stride + column));
            *likely = terms.sum::<f64>() + self.coefficient(own * stride + stride - 1);
        }
        normalise(likely);
        for (own, &likely) in likely.iter().enumerate() {
            let residual = weight * (likely - f64::from(u8::from(own == class)));
            for (column, value) in row.iter().copied().chain([1.0]).enumerate().filter(|(_, value)| *value != 0.0) {
                let place = own * stride + column;
                let gradient = (residual * f64::from(value)).clamp(-LARGEST, LARGEST);
                let before = self.squares[place];
                let after = (before + gradient * gradient).min(BOUND);
                let rate = (after.sqrt() - before.sqrt()) / self.settings.alpha;
                let sum = self.sums[place] + gradient - rate * self.coefficient(place);
                self.sums[place] = sum.clamp(-BOUND, BOUND);
                self.squares[place] = after;
            }
        }
    }
}

/// What a row of a class weighs, when so many of each have been seen.
fn weight(weights: ClassWeights, rows: &[u64], class: usize) -> f64 {
    match weights {
        ClassWeights::Equal => 1.0,
        ClassWeights::Balanced => {
            let present = rows.iter().filter(|rows| **rows > 0).count() as f64;
            let all: f64 = rows.iter().map(|&rows| rows as f64).sum();
            all / (present * rows[class].max(1) as f64)
        }
    }
}

fn softmax(coefficients: &[f64], row: &[f32], likely: &mut [f64]) {
    for (own, likely) in coefficients.chunks_exact(row.len() + 1).zip(likely.iter_mut()) {
        let terms = row.iter().zip(own).map(|(&value, coefficient)| f64::from(value) * coefficient);
        *likely = terms.sum::<f64>() + own[row.len()];
    }
    normalise(likely);
}

fn normalise(likely: &mut [f64]) {
    let most = likely.iter().copied().fold(f64::MIN, f64::max);
    likely.iter_mut().for_each(|likely| *likely = (*likely - most).exp());
    let sum: f64 = likely.iter().sum();
    likely.iter_mut().for_each(|likely| *likely /= sum);
}

/// Beyond these nothing tells more, and no product of a few of them overflows.
const LARGEST: f64 = 1e60;
const BOUND: f64 = 1e125;

#[cfg(test)]
mod tests {
    use super::*;

    /// The one-feature optimum reproduces the shares of attacks at either value.
    #[test]
    fn many_passes_near_the_logarithms_of_the_odds() {
        let values: Vec<f32> = (0..200).map(|row| if row < 100 { 0.0 } else { 1.0 }).collect();
        let attacks: Vec<bool> = (0..200).map(|row| if row < 100 { row < 20 } else { row < 170 }).collect();
        let matrix = Matrix::new(1, values).unwrap();
        let settings =
            OnlineLogistic { l2: 0.0, passes: 200, class_weights: ClassWeights::Equal, ..OnlineLogistic::default() };
        let fitted = settings.fit(&matrix, &Classes::binary(&attacks), 1);
        let likely = fitted.probabilities(&Matrix::new(1, vec![0.0, 1.0]).unwrap()).attacks();
        assert!((likely[0] - 0.2).abs() < 0.03 && (likely[1] - 0.7).abs() < 0.03, "{likely:?}");
    }

    #[test]
    fn what_became_an_attack_is_learned_from_later_rows() {
        let matrix = |rows: usize| Matrix::new(1, (0..rows).map(|row| (row % 3) as f32 - 1.0).collect()).unwrap();
        let truth = |rows: usize, attack: usize| {
            Classes::binary(&(0..rows).map(|row| row % 3 == attack).collect::<Vec<bool>>())
        };
        let mut fitted = OnlineLogistic::default().fit(&matrix(300), &truth(300, 2), 1);
        let asked = Matrix::new(1, vec![-1.0, 1.0]).unwrap();
        let before = fitted.probabilities(&asked).attacks();
        fitted.learn(&matrix(3000), &truth(3000, 0));
        let after = fitted.probabilities(&asked).attacks();
        assert!(before[0] < 0.5 && before[1] > 0.5 && after[0] > 0.5 && after[1] < 0.5, "{before:?} {after:?}");
    }

    #[test]
    fn an_absolute_penalty_leaves_columns_out_that_tell_nothing() {
        let values = (0..400).flat_map(|row| [(row % 2) as f32, ((row * 7) % 5) as f32 - 2.0]);
        let matrix = Matrix::new(2, values.collect()).unwrap();
        let truth = Classes::binary(&(0..400).map(|row| row % 2 == 1).collect::<Vec<bool>>());
        let coefficients =
            OnlineLogistic { l1: 20.0, ..OnlineLogistic::default() }.fit(&matrix, &truth, 1).coefficients();
        assert!(coefficients[3] > 0.0 && coefficients[4] == 0.0, "{coefficients:?}");
    }
}
