//! Logistic regression.

use std::collections::VecDeque;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ClassWeights, check_classes, range};
use crate::{Classes, Error, Matrix};

/// Logistic regression with an L2 penalty, solved to its one optimum.
///
/// A weighted sum that anyone can check; blind to what shows only in combinations of columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogisticRegression {
    /// The weight of the penalty: half this times the squared coefficients, beside the sum of losses; the inverse of
    /// what others name C. Default 1.
    pub l2: f64,
    /// The most iterations. Default 500; a standardised table needs some 50 to 200.
    pub max_iterations: u32,
    /// Iterations end when no partial derivative of the mean loss exceeds this. Default 1e-5: coefficients are right to
    /// four digits then.
    pub tolerance: f64,
    /// What rows of either side weigh. Default balanced: attacks are rare where it matters.
    pub class_weights: ClassWeights,
}

impl Default for LogisticRegression {
    fn default() -> LogisticRegression {
        LogisticRegression { l2: 1.0, max_iterations: 500, tolerance: 1e-5, class_weights: ClassWeights::Balanced }
    }
}

impl LogisticRegression {
    pub(super) fn check(&self) -> Result<(), Error> {
        range("l2", self.l2, 0.0, 1e12)?;
        range("max-iterations", self.max_iterations, 1, 1_000_000)?;
        range("tolerance", self.tolerance, 1e-12, 1.0)
    }

    /// Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) with steps halved until they pay.
    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes) -> Logistic {
        let attacks = &truth.attacks();
        let weights = self.class_weights.of(attacks);
        let loss = Loss { matrix, attacks, weights, l2: self.l2 };
        let mut point = vec![0.0; matrix.width() + 1];
        let (mut value, mut gradient) = loss.at(&point);
        let mut history: VecDeque<Correction> = VecDeque::with_capacity(MEMORY);
        for _ in 0..self.max_iterations {
            if gradient.iter().all(|partial| partial.abs() <= self.tolerance) {
                break;
            }
            let mut direction = descent(&gradient, &history);
            if dot(&direction, &gradient) >= 0.0 {
                history.clear();
                direction = gradient.iter().map(|partial| -partial).collect();
            }
            let slope = dot(&direction, &gradient);
            // The first direction has no scale of its own.
            let mut step = if history.is_empty() { 1.0 / slope.abs().sqrt().max(1.0) } else { 1.0 };
            let accepted = (0..MAX_HALVINGS).find_map(|_| {
                let next: Vec<f64> = point.iter().zip(&direction).map(|(at, along)| at + step * along).collect();
                let (next_value, next_gradient) = loss.at(&next);
                let pays = next_value <= value + 1e-4 * step * slope;
                step /= 2.0;
                pays.then_some((next, next_value, next_gradient))
            });
            let Some((next, next_value, next_gradient)) = accepted else { break };
            let correction = Correction::new(&point, &next, &gradient, &next_gradient);
            (point, value, gradient) = (next, next_value, next_gradient);
            if let Some(correction) = correction {
                if history.len() == MEMORY {
                    history.pop_front();
                }
                history.push_back(correction);
            }
        }
        let intercept = point.pop().unwrap_or(0.0);
        Logistic {
            coefficients: point.into_iter().map(narrow).collect(),
            intercept: narrow(intercept),
            classes: truth.names().to_vec(),
        }
    }
}

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    coefficients: Vec<f32>,
    intercept: f32,
    classes: Vec<String>,
}

impl Logistic {
    /// One coefficient a feature: by how much the logarithm of the odds of an attack grows with it.
    pub fn coefficients(&self) -> &[f32] {
        &self.coefficients
    }

    /// The logarithm of the odds of an attack where every feature is 0.
    pub fn intercept(&self) -> f32 {
        self.intercept
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let score = |row: &[f32]| {
            let terms =
                row.iter().zip(&self.coefficients).map(|(value, factor)| f64::from(*value) * f64::from(*factor));
            sigmoid(terms.sum::<f64>() + f64::from(self.intercept)) as f32
        };
        matrix.values().par_chunks(matrix.width()).with_min_len(1024).map(score).collect()
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        check_classes(&self.classes)?;
        let finite = self.intercept.is_finite() && self.coefficients.iter().all(|factor| factor.is_finite());
        if self.coefficients.len() != width || !finite {
            return Err(Error::Damaged("coefficients that do not fit the columns".into()));
        }
        Ok(())
    }
}

/// The penalised mean loss of the training rows, and its gradient. The intercept comes last and is not penalised.
struct Loss<'a> {
    matrix: &'a Matrix,
    attacks: &'a [bool],
    weights: [f64; 2],
    l2: f64,
}

impl Loss<'_> {
    fn at(&self, point: &[f64]) -> (f64, Vec<f64>) {
        let (width, rows) = (self.matrix.width(), self.attacks.len() as f64);
        let (intercept, coefficients) = (point[width], &point[..width]);
        let part = |(values, attacks): (&[f32], &[bool])| {
            let (mut loss, mut gradient) = (0.0, vec![0.0; width + 1]);
            for (row, &attack) in values.chunks_exact(width).zip(attacks) {
                let sum = intercept + product(row, coefficients);
                let weight = self.weights[usize::from(attack)];
                let margin = if attack { sum } else { -sum };
                loss += weight * softplus(-margin);
                let residual = weight * (sigmoid(sum) - f64::from(u8::from(attack)));
                for (partial, value) in gradient.iter_mut().zip(row) {
                    *partial += residual * f64::from(*value);
                }
                gradient[width] += residual;
            }
            (loss, gradient)
        };
        // Parts of fixed size, summed in order: the same bits whatever the number of threads.
        let blocks = self.matrix.values().par_chunks(width * PART).zip(self.attacks.par_chunks(PART));
        let parts: Vec<(f64, Vec<f64>)> = blocks.map(part).collect();
        let (mut loss, mut gradient) = (0.0, vec![0.0; width + 1]);
        for (part_loss, part_gradient) in parts {
            loss += part_loss;
            gradient.iter_mut().zip(part_gradient).for_each(|(sum, partial)| *sum += partial);
        }
        loss += self.l2 / 2.0 * dot(coefficients, coefficients);
        gradient.iter_mut().zip(coefficients).for_each(|(partial, at)| *partial += self.l2 * at);
        gradient.iter_mut().for_each(|partial| *partial /= rows);
        (loss / rows, gradient)
    }
}

/// One remembered step: how the gradient changed along it.
struct Correction {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

impl Correction {
    /// `None` where the step met no curvature worth remembering.
    fn new(from: &[f64], to: &[f64], gradient: &[f64], next_gradient: &[f64]) -> Option<Correction> {
        let step: Vec<f64> = to.iter().zip(from).map(|(to, from)| to - from).collect();
        let change: Vec<f64> = next_gradient.iter().zip(gradient).map(|(to, from)| to - from).collect();
        let curvature = dot(&step, &change);
        (curvature > 1e-12 * dot(&change, &change)).then(|| Correction { step, change, inverse: 1.0 / curvature })
    }
}

/// Minus the inverse Hessian, as far as the remembered steps tell it, times the gradient (Nocedal and Wright 2006,
/// algorithm 7.4).
fn descent(gradient: &[f64], history: &VecDeque<Correction>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|partial| -partial).collect();
    let mut shares = Vec::with_capacity(history.len());
    for correction in history.iter().rev() {
        let share = correction.inverse * dot(&correction.step, &direction);
        add(&mut direction, -share, &correction.change);
        shares.push(share);
    }
    if let Some(last) = history.back() {
        let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
        direction.iter_mut().for_each(|along| *along *= scale);
    }
    for (correction, share) in history.iter().zip(shares.into_iter().rev()) {
        let other = correction.inverse * dot(&correction.change, &direction);
        add(&mut direction, share - other, &correction.step);
    }
    direction
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * value);
}

/// The product of a row and coefficients, in four running sums that a processor adds side by side.
fn product(row: &[f32], coefficients: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (rows, factors) = (row.chunks_exact(4), coefficients.chunks_exact(4));
    let rest = rows.remainder().iter().zip(factors.remainder()).map(|(value, factor)| f64::from(*value) * factor);
    let rest: f64 = rest.sum();
    for (values, factors) in rows.zip(factors) {
        for lane in 0..4 {
            sums[lane] += f64::from(values[lane]) * factors[lane];
        }
    }
    sums[0] + sums[1] + sums[2] + sums[3] + rest
}

fn sigmoid(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// log(1 + e^x) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

const PART: usize = 4096;
const MEMORY: usize = 10;
const MAX_HALVINGS: usize = 40;

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
        assert!((f64::from(fitted.intercept) - (0.2f64 / 0.8).ln()).abs() < 1e-4, "{fitted:?}");
        let odds = (0.7f64 / 0.3).ln() - (0.2f64 / 0.8).ln();
        assert!((f64::from(fitted.coefficients[0]) - odds).abs() < 1e-4, "{fitted:?}");
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let matrix = Matrix::new(2, vec![0.5, -1.0, 2.0, 0.3, -0.7, 1.1]).unwrap();
        let loss = Loss { matrix: &matrix, attacks: &[true, false, true], weights: [1.0, 2.0], l2: 0.5 };
        let point = [0.1, -0.2, 0.3];
        let (_, gradient) = loss.at(&point);
        for place in 0..3 {
            let moved = |by: f64| {
                let mut point = point;
                point[place] += by;
                loss.at(&point).0
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - gradient[place]).abs() < 1e-8, "{slope} {}", gradient[place]);
        }
    }

    #[test]
    fn separable_rows_end_at_a_finite_optimum() {
        let matrix = Matrix::new(1, vec![-1.0, -2.0, 1.0, 2.0]).unwrap();
        let fitted = LogisticRegression::default().fit(&matrix, &Classes::binary(&[false, false, true, true]));
        let scores = fitted.scores(&matrix);
        assert!(scores[1] < scores[0] && scores[0] < 0.5 && scores[2] > 0.5 && scores[3] > scores[2], "{scores:?}");
    }
}
