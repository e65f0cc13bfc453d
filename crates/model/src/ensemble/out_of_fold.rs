//! Scores of rows by models that did not learn from them.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::Question;
use crate::learn::{Lesson, learn};
use crate::{Dataset, Error, Method};

/// What a fold holds out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoldsBy {
    /// Rows drawn at random, of each kind in proportion.
    Rows,
    /// Whole kinds of attack, and benign rows drawn at random: scores tell then what a part makes of attacks like which
    /// it has seen none. By rows where the table names fewer than two kinds, and where kinds are to be told apart: no part
    /// could name one that was held out whole.
    #[default]
    Kinds,
}

/// What is answered about each row by a model that learned from the rows of other folds only.
pub(super) fn out_of_fold(
    method: &Method,
    lesson: &Lesson,
    folds: &[u32],
    question: Question<'_>,
) -> Result<Vec<f32>, Error> {
    let width = question.width();
    let mut answers = vec![0.0; lesson.dataset.rows() * width];
    for fold in 0..folds.iter().max().map_or(0, |last| last + 1) {
        let (inside, outside): (Vec<usize>, Vec<usize>) = (0..folds.len()).partition(|&row| folds[row] == fold);
        let training = lesson.dataset.select(&outside);
        let (encoder, model) = learn(method, &Lesson { dataset: &training, ..*lesson })?;
        let rows = lesson.dataset.select(&inside);
        let told = question.ask(&model, &encoder.encode(rows.table())?)?;
        for (row, told) in inside.iter().zip(told.chunks_exact(width)) {
            answers[row * width..][..width].copy_from_slice(told);
        }
    }
    Ok(answers)
}

/// Deals the rows into so many folds, or into fewer where there are fewer kinds.
pub(super) fn deal(dataset: &Dataset, count: u32, by: FoldsBy, seed: u64) -> Vec<u32> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let unnamed = vec![0; dataset.rows()];
    let codes = dataset.kinds().map_or(unnamed.as_slice(), |kinds| &kinds.codes);
    let attack = |row: usize| dataset.attacks().is_some_and(|attacks| attacks[row]);
    let kinds = codes.iter().max().map_or(0, |last| *last as usize + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); kinds];
    (0..dataset.rows()).for_each(|row| rows[codes[row] as usize].push(row));
    rows.retain(|rows| !rows.is_empty());
    // The commonest first, so that the folds are of about equal size.
    rows.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let attacks = rows.iter().filter(|rows| attack(rows[0])).count();
    let whole = by == FoldsBy::Kinds && attacks >= 2;
    let count = if whole { count.min(attacks as u32) } else { count };
    let mut folds = vec![0; dataset.rows()];
    let (mut next_row, mut next_kind) = (0, 0);
    for mut rows in rows {
        if whole && attack(rows[0]) {
            rows.iter().for_each(|&row| folds[row] = next_kind % count);
            next_kind += 1;
            continue;
        }
        rows.shuffle(&mut random);
        for row in rows {
            folds[row] = next_row % count;
            next_row += 1;
        }
    }
    folds
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;

    #[test]
    fn a_kind_of_attack_is_held_out_whole() {
        let kinds = ["normal", "neptune", "smurf", "satan"];
        let labels: Vec<Label> = (0..100).map(|row| Label::new(kinds[(row % 7) % 4])).collect();
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; 100])]).unwrap();
        let dataset = Dataset::labelled(table, &labels).unwrap();
        let folds = deal(&dataset, 5, FoldsBy::Kinds, 1);
        let of = |name: &str| {
            let mut folds: Vec<u32> =
                (0..100).filter(|&row| dataset.kind(row) == Some(name)).map(|row| folds[row]).collect();
            folds.sort_unstable();
            folds.dedup();
            folds
        };
        assert_eq!(of("normal"), [0, 1, 2]);
        assert!(["neptune", "smurf", "satan"].iter().all(|kind| of(kind).len() == 1));
        let by_rows = deal(&dataset, 5, FoldsBy::Rows, 1);
        assert!((0..5).all(|fold| by_rows.iter().filter(|other| **other == fold).count() == 20));
    }
}
