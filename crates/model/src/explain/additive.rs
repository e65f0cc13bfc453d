//! Models that are sums over the values of a row: their terms explain them.

use super::{Quantity, Sum, by_column, likeliest_attacks};
use crate::estimator::{Distance, Histograms, Likelihoods, Plane, Tails};
use crate::{Error, Matrix, Model};

/// A model that is a sum.
pub(super) enum Additive<'a> {
    /// Of each class but benign: its coefficients less those of benign, and what it begins with. Values count from here.
    Linear {
        classes: Vec<(Vec<f64>, f64)>,
        middle: Vec<f64>,
    },
    /// Each value is as much likelier in one class than in another as if columns had nothing to do with each other.
    Likelihoods(&'a Likelihoods),
    Distance(&'a Distance),
    Plane(&'a Plane),
    Histograms(&'a Histograms),
    Tails(&'a Tails),
}

impl<'a> Additive<'a> {
    /// The model as a sum, where it is one. Coefficients multiply by how far a value is from the mean of the background; from
    /// 0 without one, which is the mean of the training rows in the recipe that they ask for.
    pub(super) fn of(model: &'a Model, background: Option<&Matrix>) -> Option<Additive<'a>> {
        let middle = || background.map_or_else(|| vec![0.0; model.width()], mean);
        let wide = |factors: &[f32]| factors.iter().map(|factor| f64::from(*factor)).collect::<Vec<f64>>();
        Some(match model {
            Model::LogisticRegression(logistic) => {
                let intercepts = wide(logistic.intercepts());
                let rows: Vec<(Vec<f64>, f64)> = logistic.coefficients().map(wide).zip(intercepts).collect();
                Additive::Linear {
                    classes: if rows.len() == 1 { rows } else { against_first(&rows) },
                    middle: middle(),
                }
            }
            Model::OnlineLogistic(proximal) => {
                let coefficients = proximal.coefficients();
                let row = |own: &[f64]| own.split_last().map(|(intercept, factors)| (factors.to_vec(), *intercept));
                let rows: Vec<(Vec<f64>, f64)> = coefficients.chunks_exact(model.width() + 1).filter_map(row).collect();
                Additive::Linear { classes: against_first(&rows), middle: middle() }
            }
            Model::NaiveBayes(likelihoods) => Additive::Likelihoods(likelihoods),
            Model::Mahalanobis(distance) => Additive::Distance(distance),
            Model::PrincipalComponents(plane) => Additive::Plane(plane),
            Model::HistogramScore(histograms) => Additive::Histograms(histograms),
            Model::EmpiricalTails(tails) => Additive::Tails(tails),
            _ => return None,
        })
    }

    /// The terms of each row, by column.
    pub(super) fn explain(
        &self,
        model: &Model,
        matrix: &Matrix,
        player_of: &[u32],
        columns: usize,
    ) -> Result<Vec<Sum>, Error> {
        let likeliest = match self {
            Additive::Linear { .. } | Additive::Likelihoods(_) => likeliest_attacks(model, matrix)?,
            _ => vec![1; matrix.rows()],
        };
        let class = |class: usize| match model.classes().len() {
            0..=2 => None,
            _ => model.classes().get(class).cloned(),
        };
        let explain = |(row, &attack): (&[f32], &usize)| {
            let told =
                |quantity, base, terms: Vec<f64>| Sum::exact(quantity, base, by_column(terms, player_of, columns));
            match self {
                Additive::Linear { classes, middle } => {
                    let Some((factors, intercept)) = classes.get(attack - 1) else {
                        return told(Quantity::LogOdds(None), 0.0, Vec::new());
                    };
                    let base = intercept + factors.iter().zip(middle).map(|(factor, mean)| factor * mean).sum::<f64>();
                    let deviations = row.iter().zip(middle).map(|(value, mean)| f64::from(*value) - mean);
                    let terms = factors.iter().zip(deviations).map(|(factor, deviation)| factor * deviation).collect();
                    told(Quantity::LogOdds(class(attack)), base, terms)
                }
                Additive::Likelihoods(likelihoods) => {
                    let (priors, terms) = likelihoods.terms(row);
                    let odds = |of: &[f64]| match (of.get(attack), of.first()) {
                        (Some(attack), Some(benign)) => attack - benign,
                        _ => 0.0,
                    };
                    let terms = terms.iter().map(|term| odds(term)).collect();
                    told(Quantity::LogOdds(class(attack)), odds(priors), terms)
                }
                Additive::Distance(distance) => told(Quantity::SquaredDistance, 0.0, distance.shares(row)),
                Additive::Plane(plane) => told(Quantity::SquaredDistance, 0.0, plane.shares(row)),
                Additive::Histograms(histograms) => {
                    let terms = histograms.terms(row);
                    let base = terms.iter().map(|(_, commonest)| commonest).sum();
                    told(Quantity::Bits, base, terms.iter().map(|(rarity, commonest)| rarity - commonest).collect())
                }
                Additive::Tails(tails) => told(Quantity::Tails, 0.0, tails.terms(row)),
            }
        };
        Ok(matrix.values().chunks_exact(matrix.width()).zip(&likeliest).map(explain).collect())
    }
}

/// The coefficients of each class but the first, less those of the first.
fn against_first(rows: &[(Vec<f64>, f64)]) -> Vec<(Vec<f64>, f64)> {
    let Some(((benign, begin), others)) = rows.split_first() else { return Vec::new() };
    let less = |(own, intercept): &(Vec<f64>, f64)| {
        (own.iter().zip(benign).map(|(own, benign)| own - benign).collect(), intercept - begin)
    };
    others.iter().map(less).collect()
}

/// The mean of each column.
fn mean(matrix: &Matrix) -> Vec<f64> {
    let mut means = vec![0.0; matrix.width()];
    for row in matrix.values().chunks_exact(matrix.width()) {
        means.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value));
    }
    let rows = matrix.rows().max(1) as f64;
    means.iter_mut().for_each(|mean| *mean /= rows);
    means
}
