//! The best rule on a single column.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::range;
use crate::space::{Dimension, Range, space};
use crate::{Classes, Error, Matrix, Probabilities};

/// 1R (Holte 1993): the one column whose values, cut into ranges, tell the classes apart with the fewest errors. Where it
/// does nearly as well as anything else, look at what that column is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OneRule {
    /// A range ends once it holds this many training rows of its commonest class. Default 6 (Holte 1993 s.2.2).
    pub least: u32,
}

impl Default for OneRule {
    fn default() -> OneRule {
        OneRule { least: 6 }
    }
}

impl OneRule {
    /// What a search tries.
    pub(super) fn space(&self) -> Vec<Dimension> {
        space([("least", Range::WholeMagnitude(1, 100))])
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("least", self.least, 1, u32::MAX)
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes) -> Ranges {
        let columns = (0..matrix.width()).into_par_iter();
        let rules: Vec<(u64, Ranges)> = columns.map(|column| self.rule(matrix, truth, column)).collect();
        // Of equally good columns the first, of a matrix that has one at least.
        let best = rules.into_iter().reduce(|best, next| if next.0 < best.0 { next } else { best });
        best.map_or_else(|| Ranges { classes: truth.names().to_vec(), ..Ranges::default() }, |(_, ranges)| ranges)
    }

    /// The ranges of one column, and how many training rows they get wrong.
    fn rule(&self, matrix: &Matrix, truth: &Classes, column: usize) -> (u64, Ranges) {
        let values = matrix.values().iter().skip(column).step_by(matrix.width()).copied();
        let mut rows: Vec<(f32, u32)> = values.zip(truth.codes().iter().copied()).collect();
        rows.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let mut ranges: Vec<(f32, Vec<u64>)> = Vec::new();
        let mut full = true;
        for run in rows.chunk_by(|one, next| one.0 == next.0) {
            let mut counts = vec![0u64; truth.count()];
            run.iter().for_each(|row| counts[row.1 as usize] += 1);
            match ranges.last_mut() {
                Some(range) if !full || commonest(&range.1) == commonest(&counts) => {
                    range.0 = run[0].0;
                    range.1.iter_mut().zip(&counts).for_each(|(sum, count)| *sum += count);
                }
                _ => ranges.push((run[0].0, counts)),
            }
            let last = ranges.last().map_or(&[][..], |range| &range.1);
            full = last.iter().any(|&count| count >= u64::from(self.least));
        }
        ranges.dedup_by(|next, range| {
            let same = commonest(&next.1) == commonest(&range.1);
            if same {
                range.0 = next.0;
                range.1.iter_mut().zip(&next.1).for_each(|(sum, count)| *sum += count);
            }
            same
        });
        let wrong = |counts: &Vec<u64>| counts.iter().sum::<u64>() - counts[commonest(counts)];
        let errors = ranges.iter().map(|range| wrong(&range.1)).sum();
        let shares = |counts: &Vec<u64>| {
            let rows = counts.iter().sum::<u64>() as f64;
            counts.iter().map(|&count| (count as f64 / rows) as f32).collect::<Vec<f32>>()
        };
        let rule = Ranges {
            column: column as u32,
            width: matrix.width() as u32,
            ends: ranges.iter().map(|range| range.0).collect(),
            shares: ranges.iter().flat_map(|range| shares(&range.1)).collect(),
            classes: truth.names().to_vec(),
        };
        (errors, rule)
    }
}

/// The ranges of one column, and the classes within.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranges {
    column: u32,
    width: u32,
    /// The highest training value of each range.
    ends: Vec<f32>,
    /// The share of each class, range by range.
    shares: Vec<f32>,
    classes: Vec<String>,
}

impl Ranges {
    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// The position in a row of the one value that it looks at.
    pub fn column(&self) -> usize {
        self.column as usize
    }

    /// The names of the classes that it tells apart.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        let (classes, last) = (self.classes.len(), self.ends.len() - 1);
        let rows = matrix.values().iter().skip(self.column()).step_by(self.width());
        let range = |value: &f32| self.ends.partition_point(|end| end < value).min(last);
        let shares =
            rows.take(matrix.rows()).flat_map(|value| self.shares[range(value) * classes..][..classes].iter().copied());
        Probabilities::new(classes, shares.collect())
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let fits = self.width() == width && self.column() < width && !self.ends.is_empty() && self.classes.len() >= 2;
        let shares = self.ends.len().checked_mul(self.classes.len()) == Some(self.shares.len());
        let sane = self.shares.iter().all(|share| (0.0..=1.0).contains(share));
        if !fits || !shares || !sane || self.ends.iter().any(|end| !end.is_finite()) {
            return Err(Error::Damaged("a rule that does not fit the columns".into()));
        }
        Ok(())
    }
}

/// The class of the most rows, the first of several.
fn commonest(counts: &[u64]) -> usize {
    (0..counts.len()).fold(0, |best, class| if counts[class] > counts[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_of_fewest_errors_is_the_rule() {
        // The first column is noise, the second splits benign from attack between 3 and 4.
        let rows: Vec<f32> = (0..40).flat_map(|row| [((row * 7) % 5) as f32, (row / 6) as f32]).collect();
        let truth = Classes::binary(&(0..40).map(|row| row >= 24).collect::<Vec<bool>>());
        let rule = OneRule::default().fit(&Matrix::new(2, rows).unwrap(), &truth);
        assert_eq!((rule.column(), rule.ends.as_slice()), (1, [3.0, 6.0].as_slice()));
        let told = rule.probabilities(&Matrix::new(2, vec![0.0, 2.5, 0.0, 4.0, 0.0, 99.0]).unwrap());
        assert_eq!(told.values(), [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    }
}
