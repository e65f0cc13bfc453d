//! Columns left out one after the other, the least needed first.

use super::permutation::{self, Judge};
use crate::evaluation::split;
use crate::evaluation::statistics::moments;
use crate::learn::{Lesson, learn};
use crate::{Dataset, Encoder, Error, Method, Model, Schema};

/// The rank of each column: those that are left are 1 to `count`, the most needed first, and those that went before them
/// follow, the first to go last.
pub(super) fn ranks(method: &Method, lesson: &Lesson, count: usize) -> Result<Vec<usize>, Error> {
    let mut ranks = vec![0; lesson.dataset.table().columns().len()];
    eliminate(method, lesson, count, |columns, importances, _, _| {
        let order = order(importances);
        // Those that stay for now are ranked again with every step.
        order.into_iter().enumerate().for_each(|(rank, place)| ranks[columns[place]] = rank + 1);
        Ok(())
    })?;
    Ok(ranks)
}

/// The fewest columns that judge rows that were not learned from no worse than the best number does, within one standard
/// error of it (Breiman et al. 1984 s.3.4.3), by cross-validation.
pub(super) fn best_count(method: &Method, lesson: &Lesson) -> Result<usize, Error> {
    let dataset = lesson.dataset;
    dataset.attacks().ok_or(Error::Unlabelled("recursive selection by validation"))?;
    // By number of columns, the error of each fold.
    let mut errors: Vec<(usize, Vec<f64>)> = Vec::new();
    for fold in split::folds(dataset, FOLDS, lesson.seed)? {
        let (train, test) = (dataset.select(&fold.train), dataset.select(&fold.test));
        let mut step = 0;
        eliminate(method, &Lesson { dataset: &train, ..*lesson }, 1, |columns, _, encoder, model| {
            let rows = test.of_columns(columns);
            let error = Judge::of(&rows, lesson.grouping, model)?.error(model, &encoder.encode(rows.table())?)?;
            match errors.get_mut(step) {
                Some((_, errors)) => errors.push(error),
                None => errors.push((columns.len(), vec![error])),
            }
            step += 1;
            Ok(())
        })?;
    }
    let of = |(count, errors): &(usize, Vec<f64>)| {
        let moments = moments(errors)?;
        Some((*count, moments.mean, moments.deviation / (errors.len() as f64).sqrt()))
    };
    let means: Vec<(usize, f64, f64)> = errors.iter().filter_map(of).collect();
    let best = means.iter().copied().reduce(|best, next| if next.1 <= best.1 { next } else { best });
    let (_, least, standard_error) = best.ok_or(Error::Empty("columns"))?;
    let good = means.iter().filter(|(_, mean, _)| *mean <= least + standard_error);
    good.map(|(count, ..)| *count).min().ok_or(Error::Empty("columns"))
}

/// Learns from all columns, then from ever fewer until `count` are left; `see` gets each time the columns, how much each
/// is needed, and what was learned.
fn eliminate(
    method: &Method,
    lesson: &Lesson,
    count: usize,
    mut see: impl FnMut(&[usize], &[f64], &Encoder, &Model) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut columns: Vec<usize> = (0..lesson.dataset.table().columns().len()).collect();
    loop {
        let dataset = lesson.dataset.of_columns(&columns);
        let schema = Schema::of(dataset.table());
        let lesson = Lesson { dataset: &dataset, schema: &schema, ..*lesson };
        let (encoder, model) = learn(method, &lesson)?;
        let importances = importances(method, &lesson, &dataset, &encoder, &model)?;
        see(&columns, &importances, &encoder, &model)?;
        if columns.len() <= count {
            return Ok(());
        }
        let left = (columns.len() - columns.len().div_ceil(PART)).max(count);
        let mut kept = order(&importances);
        kept.truncate(left);
        kept.sort_unstable();
        columns = kept.into_iter().map(|place| columns[place]).collect();
    }
}

/// How much each column is needed: by the model's own word, or, where it has none, by shuffling the column.
fn importances(
    method: &Method,
    lesson: &Lesson,
    dataset: &Dataset,
    encoder: &Encoder,
    model: &Model,
) -> Result<Vec<f64>, Error> {
    let Some(own) = model.importances() else {
        let rises = permutation::of_columns(method, lesson)?;
        return Ok(rises.into_iter().map(|rise| rise.mean).collect());
    };
    let mut sums = vec![0.0; dataset.table().columns().len()];
    encoder.sources().into_iter().zip(own).for_each(|(column, importance)| sums[column] += importance);
    Ok(sums)
}

/// The places of these importances, the greatest first, the earlier of equal ones first.
fn order(importances: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..importances.len()).collect();
    order.sort_by(|&one, &other| importances[other].total_cmp(&importances[one]));
    order
}

/// One column of so many goes at a time.
const PART: usize = 10;
const FOLDS: usize = 3;
