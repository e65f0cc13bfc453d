//! Naive Bayes.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::logistic::softmax;
use super::range;
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// Naive Bayes: the likeliest class if columns had nothing to do with each other; numbers by a normal distribution in
/// each class, names by their shares.
///
/// Learns in one pass, and is far too sure of itself where columns repeat each other: calibrate it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NaiveBayes {
    /// This share of the largest variance of any column is added to every variance. Default 1e-9, as others have it.
    pub var_smoothing: f64,
    /// Is added to the number of rows of every name. Default 1 (Laplace).
    pub alpha: f64,
}

impl Default for NaiveBayes {
    fn default() -> NaiveBayes {
        NaiveBayes { var_smoothing: 1e-9, alpha: 1.0 }
    }
}

impl NaiveBayes {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("var-smoothing", Range::Magnitude(1e-10, 1e-2)), ("alpha", Range::Magnitude(0.01, 10.0))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("var-smoothing", self.var_smoothing, 1e-12, 1.0)?;
        range("alpha", self.alpha, 1e-6, 1e6)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes) -> Likelihoods {
        let sizes = truth.sizes();
        let rows = truth.rows() as f64;
        let shares = sizes.iter().map(|&size| size as f64 / rows);
        // A class without rows is impossible.
        let priors = shares.map(|share| if share > 0.0 { share.ln() } else { NEVER }).collect();
        let columns = (0..matrix.width()).into_par_iter();
        let mut columns: Vec<Likelihood> = columns
            .map(|column| {
                let values = matrix.values().iter().skip(column).step_by(matrix.width());
                let rows = values.map(|&value| f64::from(value)).zip(truth.codes().iter().map(|&code| code as usize));
                if matrix.is_code(column) { self.names(rows, &sizes) } else { numbers(rows, &sizes) }
            })
            .collect();
        let largest = (0..matrix.width()).map(|column| variance(matrix, column)).fold(0.0, f64::max);
        let least = if largest > 0.0 { largest * self.var_smoothing } else { 1.0 };
        for column in &mut columns {
            if let Likelihood::Number(classes) = column {
                classes.iter_mut().for_each(|class| class.1 = (class.1 + least).min(1e70));
            }
        }
        Likelihoods { priors, columns, classes: truth.names().to_vec() }
    }

    /// The logarithm of each name's share in each class, by the code.
    fn names(&self, rows: impl Iterator<Item = (f64, usize)>, sizes: &[usize]) -> Likelihood {
        let mut counts: Vec<Vec<u64>> = Vec::new();
        for (value, class) in rows {
            let code = value as usize;
            if counts.len() <= code {
                counts.resize_with(code + 1, || vec![0; sizes.len()]);
            }
            counts[code][class] += 1;
        }
        let names = counts.len() as f64;
        let share = |count: f64, class: usize| ((count + self.alpha) / (sizes[class] as f64 + self.alpha * names)).ln();
        let shares = counts.iter().flat_map(|counts| (0..sizes.len()).map(|class| share(counts[class] as f64, class)));
        let unseen = (0..sizes.len()).map(|class| share(0.0, class));
        Likelihood::Names(shares.collect::<Vec<f64>>().into_iter().chain(unseen).collect())
    }
}

/// How likely each value is in each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likelihoods {
    /// The logarithm of each class's share.
    priors: Vec<f64>,
    columns: Vec<Likelihood>,
    classes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Likelihood {
    /// Mean and variance in each class.
    Number(Vec<(f64, f64)>),
    /// The logarithm of the share of each code in each class, code by code, and last those of a code that none had.
    Names(Vec<f64>),
}

impl Likelihood {
    /// Adds the logarithm of how likely a value is to the sum of each class.
    fn add(&self, value: f32, sums: &mut [f64]) {
        match self {
            Likelihood::Number(classes) => {
                for (sum, (mean, variance)) in sums.iter_mut().zip(classes) {
                    let far = f64::from(value) - mean;
                    *sum -= (far * far / variance + (std::f64::consts::TAU * variance).ln()) / 2.0;
                }
            }
            Likelihood::Names(shares) => {
                let count = sums.len();
                let code = (value.max(0.0) as usize).min(shares.len() / count - 1);
                sums.iter_mut().zip(&shares[code * count..]).for_each(|(sum, share)| *sum += share);
            }
        }
    }
}

impl Likelihoods {
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        let shares = |row: &[f32]| {
            let mut sums = self.sums(row);
            softmax(&mut sums);
            sums.into_iter().map(|share| share as f32).collect::<Vec<f32>>()
        };
        let rows = matrix.values().par_chunks(matrix.width()).with_min_len(256);
        Probabilities::new(self.classes.len(), rows.flat_map_iter(shares).collect())
    }

    /// How likely each row is not benign. Many rows are surer than the numbers next to 1 can tell: they share out the
    /// last of these by the logarithm of their odds, so that they keep their order.
    pub(super) fn scores(&self, matrix: &Matrix) -> Vec<f32> {
        let sure = (1.0 / (SURE_STEPS * STEP)).ln();
        let score = |row: &[f32]| {
            let mut sums = self.sums(row);
            let benign = sums[0];
            let odds = softmax(&mut sums[1..]) - benign;
            let share =
                if odds > sure { 1.0 - (SURE_STEPS * sure / odds).floor() * STEP } else { 1.0 / (1.0 + (-odds).exp()) };
            share as f32
        };
        matrix.values().par_chunks(matrix.width()).with_min_len(256).map(score).collect()
    }

    /// The logarithms of how likely each class is before a row is seen, and of how likely each of its values is in each
    /// class, value by value.
    pub(crate) fn terms(&self, row: &[f32]) -> (&[f64], Vec<Vec<f64>>) {
        let term = |(&value, column): (&f32, &Likelihood)| {
            let mut term = vec![0.0; self.classes.len()];
            column.add(value, &mut term);
            term
        };
        (&self.priors, row.iter().zip(&self.columns).map(term).collect())
    }

    /// The logarithm of how likely a row and each class are together.
    fn sums(&self, row: &[f32]) -> Vec<f64> {
        let mut sums = self.priors.clone();
        row.iter().zip(&self.columns).for_each(|(&value, column)| column.add(value, &mut sums));
        sums.iter_mut().for_each(|sum| *sum = sum.max(f64::MIN));
        sums
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let count = self.classes.len();
        let sane = |column: &Likelihood| match column {
            Likelihood::Number(classes) => {
                let sane = |class: &(f64, f64)| class.0.abs() <= 1e39 && (1e-100..=1e80).contains(&class.1);
                classes.len() == count && classes.iter().all(sane)
            }
            Likelihood::Names(shares) => {
                !shares.is_empty()
                    && shares.len().is_multiple_of(count)
                    && shares.iter().all(|share| (NEVER..=0.0).contains(share))
            }
        };
        let priors = self.priors.len() == count && self.priors.iter().all(|prior| (NEVER..=0.0).contains(prior));
        if count < 2 || self.columns.len() != width || !priors || !self.columns.iter().all(sane) {
            return Err(Error::Damaged("likelihoods that do not fit the columns".into()));
        }
        Ok(())
    }
}

/// Mean and variance in each class; of a class without rows those of none.
fn numbers(rows: impl Iterator<Item = (f64, usize)> + Clone, sizes: &[usize]) -> Likelihood {
    let mut classes = vec![(0.0, 0.0); sizes.len()];
    let count = |class: usize| sizes[class].max(1) as f64;
    for (value, class) in rows.clone() {
        classes[class].0 += value / count(class);
    }
    for (value, class) in rows {
        classes[class].1 += (value - classes[class].0) * (value - classes[class].0) / count(class);
    }
    Likelihood::Number(classes)
}

fn variance(matrix: &Matrix, column: usize) -> f64 {
    if matrix.is_code(column) {
        return 0.0;
    }
    let rows = matrix.values().iter().skip(column).step_by(matrix.width()).map(|&value| (f64::from(value), 0));
    match numbers(rows, &[matrix.rows()]) {
        Likelihood::Number(classes) => classes[0].1,
        Likelihood::Names(_) => 0.0,
    }
}

/// The numbers next to 1 that are kept for rows that are all but sure.
const SURE_STEPS: f64 = 15.0;
/// From one of them to the next: 2^-24.
const STEP: f64 = 1.0 / 16_777_216.0;
/// The logarithm of a share that is none.
const NEVER: f64 = -1e30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Feature;

    fn near(found: &Probabilities, expected: &[f32]) {
        assert!(found.values().iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-5), "{found:?}");
    }

    /// scikit-learn 1.9, `GaussianNB`.
    #[test]
    fn numbers_agree_with_scikit_learn() {
        let matrix = Matrix::new(2, vec![1.0, 2.0, 3.0, 5.0, 4.0, 1.0, 8.0, 9.0, 2.0, 2.0]).unwrap();
        let fitted = NaiveBayes::default().fit(&matrix, &Classes::binary(&[false, true, false, true, true]));
        near(
            &fitted.probabilities(&Matrix::new(2, vec![2.0, 3.0, 5.0, 5.0]).unwrap()),
            &[0.1268922, 0.8731078, 0.0000000, 1.0000000],
        );
    }

    #[test]
    fn rows_that_are_all_but_sure_keep_their_order_and_their_probability() {
        let values: Vec<f32> = (0..40).map(|row| (row % 5) as f32 + if row % 2 == 0 { 0.0 } else { 10.0 }).collect();
        let truth = Classes::binary(&(0..40).map(|row| row % 2 == 1).collect::<Vec<bool>>());
        let fitted = NaiveBayes::default().fit(&Matrix::new(1, values).unwrap(), &truth);
        let asked = Matrix::new(1, vec![-40.0, -5.0, 2.0, 6.9, 7.1, 10.0, 10.5, 14.0, 30.0, 200.0]).unwrap();
        let (scores, probabilities) = (fitted.scores(&asked), fitted.probabilities(&asked));
        assert!(scores.is_sorted_by(|one, next| one < next), "{scores:?}");
        for (row, score) in scores.iter().enumerate() {
            assert!((score - probabilities.row(row)[1]).abs() < 1e-6, "{score} {:?}", probabilities.row(row));
        }
    }

    /// scikit-learn 1.9, `CategoricalNB(min_categories=3)`; the last row's name is one that training never saw.
    #[test]
    fn names_agree_with_scikit_learn() {
        let feature = || vec![Feature { name: "service".into(), is_code: true }];
        let matrix = Matrix::new(1, vec![0.0, 1.0, 1.0, 2.0, 0.0, 0.0]).unwrap().with_features(feature()).unwrap();
        let fitted = NaiveBayes::default().fit(&matrix, &Classes::binary(&[false, true, false, true, false, true]));
        near(
            &fitted.probabilities(&Matrix::new(1, vec![0.0, 1.0, 2.0, 9.0]).unwrap()),
            &[0.6, 0.4, 0.5, 0.5, 0.333_333, 0.666_667, 0.5, 0.5],
        );
    }
}
