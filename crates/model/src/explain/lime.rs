//! A sum that behaves like a model near one row.

use nalgebra::{DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

use super::permutation::places;
use super::{Quantity, Sum};
use crate::{Error, Matrix, Model};

/// What each column adds to the score near each row (LIME, Ribeiro et al. 2016 s.3): of `draws` rows, each column has the
/// row's own values or, as often, those of a row of the background. A ridge regression on which of both it has, in which
/// drawn rows with more of the row's own columns weigh more, tells the weights. Every row draws the same numbers.
pub(super) fn explain(
    model: &Model,
    matrix: &Matrix,
    background: &Matrix,
    (player_of, columns): (&[u32], usize),
    draws: u32,
    seed: u64,
) -> Result<Vec<Sum>, Error> {
    if columns > MOST_COLUMNS {
        return Err(Error::Width { found: columns, most: MOST_COLUMNS });
    }
    let places = places(player_of, columns);
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    // The row itself comes first, as it is.
    let kept: Vec<Vec<bool>> =
        (0..=draws).map(|draw| (0..columns).map(|_| random.random::<bool>() || draw == 0).collect()).collect();
    let others: Vec<Vec<usize>> =
        kept.iter().map(|_| (0..columns).map(|_| random.random_range(0..background.rows())).collect()).collect();
    // The width of the kernel that the paper's own program has by default.
    let width = 0.75 * (columns as f64).sqrt();
    let weight = |kept: &Vec<bool>| {
        let away = kept.iter().filter(|kept| !**kept).count() as f64;
        (-away / (width * width)).exp()
    };
    let weights: Vec<f64> = kept.iter().map(weight).collect();
    let one = |row: usize| {
        let row = matrix.row(row);
        let mut rows: Vec<f32> = Vec::with_capacity(kept.len() * row.len());
        for (kept, others) in kept.iter().zip(&others) {
            let mut drawn = row.to_vec();
            for column in (0..columns).filter(|column| !kept[*column]) {
                let other = background.row(others[column]);
                places[column].iter().for_each(|&at| drawn[at] = other[at]);
            }
            rows.extend(drawn);
        }
        let missing = rows.iter().any(|value| value.is_nan());
        let scores = model.scores(&Matrix::encoded(matrix.width(), rows, missing))?;
        let (base, contributions, fidelity) = ridge(&kept, &weights, &scores, columns);
        Ok(Sum { quantity: Quantity::Score, base, contributions, fidelity: Some(fidelity) })
    };
    (0..matrix.rows()).into_par_iter().map(one).collect()
}

/// The intercept, the weights, and the share of the variance that they explain.
fn ridge(kept: &[Vec<bool>], weights: &[f64], scores: &[f32], columns: usize) -> (f64, Vec<f64>, f64) {
    let total: f64 = weights.iter().sum();
    let mean_score = scores.iter().zip(weights).map(|(score, weight)| f64::from(*score) * weight).sum::<f64>() / total;
    let mut means = vec![0.0; columns];
    for (kept, weight) in kept.iter().zip(weights) {
        means.iter_mut().zip(kept).for_each(|(mean, kept)| *mean += f64::from(u8::from(*kept)) * weight / total);
    }
    let (mut squares, mut products) = (DMatrix::identity(columns, columns) * PENALTY, DVector::zeros(columns));
    let centred: Vec<DVector<f64>> = kept
        .iter()
        .map(|kept| {
            DVector::from_iterator(columns, kept.iter().zip(&means).map(|(k, mean)| f64::from(u8::from(*k)) - mean))
        })
        .collect();
    for ((own, weight), score) in centred.iter().zip(weights).zip(scores) {
        squares.ger(*weight, own, own, 1.0);
        products.axpy(weight * (f64::from(*score) - mean_score), own, 1.0);
    }
    // The penalty makes it positive definite; if rounding undid that, no column would be told anything.
    let found = squares.cholesky().map_or_else(|| DVector::zeros(columns), |factor| factor.solve(&products));
    let (mut left, mut all) = (0.0, 0.0);
    for ((own, weight), score) in centred.iter().zip(weights).zip(scores) {
        let off = f64::from(*score) - mean_score;
        left += weight * (off - own.dot(&found)).powi(2);
        all += weight * off * off;
    }
    let base = mean_score - found.iter().zip(&means).map(|(weight, mean)| weight * mean).sum::<f64>();
    (base, found.iter().copied().collect(), if all > 0.0 { 1.0 - left / all } else { 1.0 })
}

/// The ridge that the paper's own program has by default.
const PENALTY: f64 = 1.0;
/// Their squares must fit into memory.
const MOST_COLUMNS: usize = 1024;
