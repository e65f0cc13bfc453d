//! Shapley values of any model, by drawing orders of the columns.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

use super::{Quantity, Sum};
use crate::{Error, Matrix, Model};

/// What each column adds to the score of each row: its mean change over `orders` of the columns, in each of which a row of
/// the background takes over the row's values one column after the other (Štrumbelj and Kononenko 2014). Every second
/// order is the one before it backwards, which evens out much of the chance (Mitchell et al. 2022 s.4). The changes of an
/// order sum up exactly; each is an estimate. Every row draws the same numbers: it is explained the same in any company.
pub(super) fn explain(
    model: &Model,
    matrix: &Matrix,
    background: &Matrix,
    (player_of, columns): (&[u32], usize),
    orders: u32,
    seed: u64,
) -> Result<Vec<Sum>, Error> {
    let places = places(player_of, columns);
    let one = |row: usize| {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let row = matrix.row(row);
        let mut order: Vec<usize> = (0..columns).collect();
        let mut others: Vec<usize> = (0..background.rows()).collect();
        others.shuffle(&mut random);
        let mut rows: Vec<f32> = Vec::new();
        let mut taken: Vec<Vec<usize>> = Vec::new();
        for number in 0..orders as usize {
            match number % 2 {
                0 => order.shuffle(&mut random),
                _ => order.reverse(),
            }
            // Both directions of an order begin with the same row.
            let mut mixed = background.row(others[number / 2 % others.len()]).to_vec();
            rows.extend(&mixed);
            // A column that is the same in both changes nothing.
            let differs = |column: &usize| {
                places[*column].iter().any(|&at| mixed[at] != row[at] && !(mixed[at].is_nan() && row[at].is_nan()))
            };
            let changing: Vec<usize> = order.iter().copied().filter(differs).collect();
            for &column in &changing {
                places[column].iter().for_each(|&at| mixed[at] = row[at]);
                rows.extend(&mixed);
            }
            taken.push(changing);
        }
        let missing = rows.iter().any(|value| value.is_nan());
        let scores = model.scores(&Matrix::encoded(matrix.width(), rows, missing))?;
        let (mut contributions, mut base, mut rest) = (vec![0.0; columns], 0.0, scores.as_slice());
        for taken in &taken {
            let (own, others) = rest.split_at(taken.len() + 1);
            rest = others;
            base += f64::from(own[0]);
            for (&column, step) in taken.iter().zip(own.windows(2)) {
                contributions[column] += f64::from(step[1]) - f64::from(step[0]);
            }
        }
        let count = f64::from(orders.max(1));
        contributions.iter_mut().for_each(|sum| *sum /= count);
        Ok(Sum::exact(Quantity::Score, base / count, contributions))
    };
    (0..matrix.rows()).into_par_iter().map(one).collect()
}

/// Where the values of each column stand in a row.
pub(super) fn places(player_of: &[u32], columns: usize) -> Vec<Vec<usize>> {
    let mut places = vec![Vec::new(); columns];
    for (at, &player) in player_of.iter().enumerate() {
        if let Some(places) = places.get_mut(player as usize) {
            places.push(at);
        }
    }
    places
}
