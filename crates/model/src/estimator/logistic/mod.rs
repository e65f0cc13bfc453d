//! Logistic regression.

mod descent;
mod deviations;
mod loss;

use descent::Descent;
use deviations::Deviations;
use loss::Loss;
pub(super) use loss::softmax;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ClassWeights, range};
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// Logistic regression with L2 and L1 penalties, solved to its one optimum; of more than two classes multinomial.
///
/// A weighted sum that anyone can check; blind to what shows only in combinations of columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogisticRegression {
    /// The weight of the penalty: half this times the squared coefficients, beside the sum of losses; the inverse of
    /// what others name C. Default 1.
    pub l2: f64,
    /// The weight of the other penalty: this times the absolute coefficients, beside the sum of losses, which leaves
    /// those at 0 that help little. Default 0: none.
    pub l1: f64,
    /// The most iterations. Default 500; a standardised table needs some 50 to 200.
    #[serde(alias = "max-iter")]
    pub max_iterations: u32,
    /// Iterations end when no partial derivative of the mean loss exceeds this. Default 1e-5: coefficients are right to
    /// four digits then.
    #[serde(alias = "tol")]
    pub tolerance: f64,
    /// What rows of each class weigh. Default balanced: attacks are rare where it matters.
    #[serde(alias = "class-weight")]
    pub class_weights: ClassWeights,
}

impl Default for LogisticRegression {
    fn default() -> LogisticRegression {
        LogisticRegression {
            l2: 1.0,
            l1: 0.0,
            max_iterations: 500,
            tolerance: 1e-5,
            class_weights: ClassWeights::Balanced,
        }
    }
}

impl LogisticRegression {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([
            ("l2", Range::Magnitude(1e-6, 100.0)),
            ("l1", Range::Magnitude(1e-6, 100.0)),
            ("class-weights", Range::class_weights()),
        ])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("l2", self.l2, 0.0, 1e12)?;
        range("l1", self.l1, 0.0, 1e12)?;
        range("max-iterations", self.max_iterations, 1, 1_000_000)?;
        range("tolerance", self.tolerance, 1e-12, 1.0)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes) -> Logistic {
        let (width, classes) = (matrix.width(), truth.count());
        let outputs = if classes == 2 { 1 } else { classes };
        let weights = self.class_weights.each(truth);
        let mut point = vec![0.0; (width + 1) * outputs];
        // A tenth of the rows leads to near the optimum at a tenth of the cost.
        let coarse = if matrix.rows() >= LARGE { 10 } else { 1 };
        for step in if coarse > 1 { vec![coarse, 1] } else { vec![1] } {
            let rows = Deviations::of(matrix, step);
            let codes: Vec<u32> = truth.codes().iter().step_by(step).copied().collect();
            // The penalties keep their weight against a sum of losses that has fewer of them.
            let share = 1.0 / step as f64;
            let loss = Loss { rows: &rows, codes: &codes, weights: &weights, outputs, l2: self.l2 * share };
            let descent = Descent {
                max_iterations: self.max_iterations,
                tolerance: self.tolerance * step as f64,
                l1: self.l1 / truth.rows() as f64,
                penalised: width * outputs,
            };
            point = descent.minimum(point, |point| loss.at(point));
        }
        let intercepts = point.split_off(width * outputs);
        let by_output = (0..outputs).flat_map(|output| (0..width).map(move |column| column * outputs + output));
        Logistic {
            coefficients: by_output.map(|place| narrow(point[place])).collect(),
            intercepts: intercepts.into_iter().map(narrow).collect(),
            classes: truth.names().to_vec(),
        }
    }
}

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Output by output.
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    classes: Vec<String>,
}

impl Logistic {
    /// One coefficient a column, one such row an output. Two classes have one output: by how much the logarithm of the
    /// odds of an attack grows with the column. More have one each, which count against each other.
    pub fn coefficients(&self) -> impl Iterator<Item = &[f32]> {
        self.coefficients.chunks_exact(self.width().max(1))
    }

    /// One an output: its sum where every column is 0.
    pub fn intercepts(&self) -> &[f32] {
        &self.intercepts
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn width(&self) -> usize {
        self.coefficients.len() / self.intercepts.len().max(1)
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        if self.intercepts.len() > 1 {
            return self.probabilities(matrix).attacks();
        }
        let intercept = f64::from(self.intercepts.first().copied().unwrap_or(0.0));
        let score = |row: &[f32]| sigmoid(product(row, &self.coefficients) + intercept) as f32;
        matrix.values().par_chunks(matrix.width()).with_min_len(1024).map(score).collect()
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        if self.intercepts.len() == 1 {
            return Probabilities::binary(self.scores(matrix));
        }
        let shares = |row: &[f32]| {
            let sum = |(factors, intercept): (&[f32], &f32)| product(row, factors) + f64::from(*intercept);
            let mut sums: Vec<f64> = self.coefficients().zip(&self.intercepts).map(sum).collect();
            softmax(&mut sums);
            sums.into_iter().map(|share| share as f32).collect::<Vec<f32>>()
        };
        let rows = matrix.values().par_chunks(matrix.width()).with_min_len(1024);
        Probabilities::new(self.classes.len(), rows.flat_map_iter(shares).collect())
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let outputs = if self.classes.len() == 2 { 1 } else { self.classes.len() };
        let fits = self.classes.len() >= 2 && self.intercepts.len() == outputs;
        let fits = fits && outputs.checked_mul(width) == Some(self.coefficients.len());
        if !fits || self.coefficients.iter().chain(&self.intercepts).any(|factor| !factor.is_finite()) {
            return Err(Error::Damaged("coefficients that do not fit the columns".into()));
        }
        Ok(())
    }
}

/// The product of a row and coefficients, in four running sums that a processor adds side by side.
fn product(row: &[f32], coefficients: &[f32]) -> f64 {
    let mut sums = [0.0; 4];
    let (rows, factors) = (row.chunks_exact(4), coefficients.chunks_exact(4));
    let times = |(value, factor): (&f32, &f32)| f64::from(*value) * f64::from(*factor);
    let rest: f64 = rows.remainder().iter().zip(factors.remainder()).map(times).sum();
    for (values, factors) in rows.zip(factors) {
        for lane in 0..4 {
            sums[lane] += times((&values[lane], &factors[lane]));
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + rest
}

fn sigmoid(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

/// From as many rows on a tenth of them is a fair sample.
const LARGE: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The one-feature optimum without penalty reproduces the shares of attacks at either value.
    #[test]
    fn coefficients_are_the_logarithms_of_the_odds() {
        let values = [vec![0.0; 100], vec![1.0; 100]].concat();
        let attacks: Vec<bool> = (0..200).map(|row| if row < 100 { row < 20 } else { row < 170 }).collect();
        let matrix = Matrix::new(1, values).unwrap();
        let settings = LogisticRegression {
            l2: 0.0,
            tolerance: 1e-9,
            class_weights: ClassWeights::Equal,
            ..LogisticRegression::default()
        };
        let fitted = settings.fit(&matrix, &Classes::binary(&attacks));
        assert!((f64::from(fitted.intercepts[0]) - (0.2f64 / 0.8).ln()).abs() < 1e-4, "{fitted:?}");
        let odds = (0.7f64 / 0.3).ln() - (0.2f64 / 0.8).ln();
        assert!((f64::from(fitted.coefficients[0]) - odds).abs() < 1e-4, "{fitted:?}");
    }

    #[test]
    fn separable_rows_end_at_a_finite_optimum() {
        let matrix = Matrix::new(1, vec![-1.0, -2.0, 1.0, 2.0]).unwrap();
        let fitted = LogisticRegression::default().fit(&matrix, &Classes::binary(&[false, false, true, true]));
        let scores = fitted.scores(&matrix);
        assert!(scores[1] < scores[0] && scores[0] < 0.5 && scores[2] > 0.5 && scores[3] > scores[2], "{scores:?}");
    }

    fn flowers() -> (Matrix, Classes) {
        let values = vec![0.0, 1.0, 1.0, 0.5, 0.5, 2.0, 3.0, 1.0, 4.0, 2.0, 3.5, 0.0, 1.0, 5.0, 2.0, 4.0, 3.0, 6.0];
        let names = ["benign", "dos", "probe"].map(String::from).to_vec();
        (Matrix::new(2, values).unwrap(), Classes::new(vec![0, 0, 0, 1, 1, 1, 2, 2, 1], names).unwrap())
    }

    fn near(found: &[f32], expected: &[f64]) {
        let close = |(one, other): (&f32, &f64)| (f64::from(*one) - other).abs() < 1e-5;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(close), "{found:?}");
    }

    /// scikit-learn 1.9, `LogisticRegression(C=1.0, tol=1e-10)`, and with `class_weight="balanced"` the probabilities of
    /// (1, 1) and (2, 3).
    #[test]
    fn several_classes_agree_with_scikit_learn() {
        let (matrix, truth) = flowers();
        let settings = |class_weights| LogisticRegression { tolerance: 1e-9, class_weights, ..Default::default() };
        let fitted = settings(ClassWeights::Equal).fit(&matrix, &truth);
        near(&fitted.coefficients, &[-0.850287, -0.523316, 1.124062, 0.028379, -0.273774, 0.494938]);
        near(&fitted.intercepts, &[2.797789, -1.863544, -0.934245]);
        let fitted = settings(ClassWeights::Balanced).fit(&matrix, &truth);
        let probabilities = fitted.probabilities(&Matrix::new(2, vec![1.0, 1.0, 2.0, 3.0]).unwrap());
        near(probabilities.values(), &[0.816479, 0.076820, 0.106701, 0.184886, 0.404936, 0.410178]);
    }

    /// scikit-learn 1.9, `LogisticRegression(l1_ratio=1, C=1/1.5, solver="saga", tol=1e-12)`.
    #[test]
    fn the_l1_penalty_agrees_with_scikit_learn() {
        let (matrix, truth) = flowers();
        let settings = LogisticRegression {
            l1: 1.5,
            l2: 0.0,
            tolerance: 1e-9,
            class_weights: ClassWeights::Equal,
            ..Default::default()
        };
        let fitted = settings.fit(&matrix, &Classes::binary(&truth.attacks()));
        near(&fitted.coefficients, &[1.009482, 0.361695]);
        near(&fitted.intercepts, &[-1.861180]);
    }

    #[test]
    fn a_strong_l1_penalty_leaves_no_coefficient() {
        let (matrix, truth) = flowers();
        let settings = LogisticRegression { l1: 100.0, ..Default::default() };
        assert_eq!(settings.fit(&matrix, &truth).coefficients, [0.0; 6]);
    }

    /// A tenth of the rows goes first, and must not decide.
    #[test]
    fn many_rows_end_at_the_optimum_of_all() {
        let wave = |row: usize, step: f32| (row as f32 * step).sin();
        let values: Vec<f32> = (0..30_000).flat_map(|row| [wave(row, 0.7), wave(row, 1.3), 0.0]).collect();
        let attacks: Vec<bool> = (0..30_000).map(|row| wave(row, 0.7) + wave(row, 2.9) > 0.3).collect();
        let matrix = Matrix::new(3, values).unwrap();
        let fit = |tolerance| {
            LogisticRegression { tolerance, ..Default::default() }.fit(&matrix, &Classes::binary(&attacks)).coefficients
        };
        let exact: Vec<f64> = fit(1e-10).into_iter().map(f64::from).collect();
        assert!(fit(1e-5).iter().zip(&exact).all(|(one, other)| (f64::from(*one) - other).abs() < 1e-3));
    }
}
