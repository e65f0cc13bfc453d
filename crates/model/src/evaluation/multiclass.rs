//! Figures of a classifier of more than two classes.

use serde::{Deserialize, Serialize};

use super::confusion::share;
use super::curve::Curve;
use crate::Error;

/// How often each class was taken for which, and what follows from it.
///
/// ```
/// use model::evaluation::ClassFigures;
/// let names = ["benign", "dos", "probe"].map(String::from);
/// let figures = ClassFigures::of(&[0, 0, 1, 2], &[0, 1, 1, 1], None, &names).unwrap();
/// assert_eq!(figures.accuracy, Some(0.5));
/// assert_eq!(figures.classes[1].precision, Some(1.0 / 3.0));
/// assert_eq!(figures.counts[2], [0, 1, 0]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Each class by itself, in the order of their codes.
    pub classes: Vec<OneClass>,
    /// Row by row of the matrix: the rows of one class, by the class that they were taken for.
    pub counts: Vec<Vec<u64>>,
    /// The share of rows taken for what they are.
    pub accuracy: Option<f64>,
    /// The mean recall of the classes that have rows.
    pub balanced_accuracy: Option<f64>,
    /// The mean precision of the classes that have rows or were given; 0 for one that was never given.
    pub macro_precision: Option<f64>,
    /// The mean recall of the classes that have rows or were given; 0 for one without rows.
    pub macro_recall: Option<f64>,
    /// The mean F1 of the classes that have rows or were given: every class counts the same, however rare.
    pub macro_f1: Option<f64>,
    /// The F1 of the classes, weighted by their rows.
    pub weighted_f1: Option<f64>,
    /// The correlation between truth and answer (Gorodkin 2004); `None` where either is always the same.
    pub mcc: Option<f64>,
    /// The mean of the classes' areas under the curve, each against the rest; `None` without probabilities.
    pub macro_roc_auc: Option<f64>,
    /// The mean over the rows of the squared differences between probabilities and truth, summed over the classes, 0..=2
    /// (Brier 1950); `None` without probabilities.
    pub brier: Option<f64>,
}

/// One class against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneClass {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// The rows taken for it.
    pub given: u64,
    /// The share of the rows taken for it that are it; `None` where there were none.
    pub precision: Option<f64>,
    /// The share of its rows that were taken for it; `None` where it has none.
    pub recall: Option<f64>,
    /// The harmonic mean of both; `None` where it has no rows and was never given.
    pub f1: Option<f64>,
    /// The area under the receiver operating characteristic of its probability, against the rest.
    pub roc_auc: Option<f64>,
    /// The average precision of its probability, against the rest.
    pub pr_auc: Option<f64>,
}

impl ClassFigures {
    /// Figures of rows with a true class and a given class, both indices into `names`. `probabilities`, where there are
    /// any, are as many as there are names a row, row by row.
    pub fn of(
        truth: &[u32],
        given: &[u32],
        probabilities: Option<&[f32]>,
        names: &[String],
    ) -> Result<ClassFigures, Error> {
        let (rows, width) = (truth.len(), names.len());
        if given.len() != rows {
            return Err(Error::Length { what: "classes", expected: rows, found: given.len() });
        }
        if let Some(found) = probabilities.map(<[f32]>::len).filter(|found| *found != rows * width) {
            return Err(Error::Length { what: "probabilities", expected: rows * width, found });
        }
        let mut counts = vec![vec![0u64; width]; width];
        for (&truth, &given) in truth.iter().zip(given) {
            let cell = counts.get_mut(truth as usize).and_then(|counts| counts.get_mut(given as usize));
            let outside = || Error::Setting {
                setting: "class",
                value: truth.max(given).to_string(),
                range: format!("below {width}, the number of classes"),
            };
            *cell.ok_or_else(outside)? += 1;
        }
        let given_of = |class: usize| counts.iter().map(|counts| counts[class]).sum::<u64>();
        let classes: Vec<OneClass> = names
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let (right, own, given) = (counts[class][class], counts[class].iter().sum(), given_of(class));
                let curve = probabilities.map(|all| {
                    let scores = all.iter().skip(class).step_by(width.max(1)).copied();
                    let is_own: Vec<bool> = truth.iter().map(|truth| *truth as usize == class).collect();
                    Curve::of(scores, &is_own)
                });
                OneClass {
                    name: name.clone(),
                    rows: own,
                    given,
                    precision: share(right, given),
                    recall: share(right, own),
                    f1: share(2 * right, own + given),
                    roc_auc: curve.as_ref().and_then(Curve::roc_auc),
                    pr_auc: curve.as_ref().and_then(Curve::pr_auc),
                }
            })
            .collect();
        let right: u64 = (0..width).map(|class| counts[class][class]).sum();
        let present: Vec<&OneClass> = classes.iter().filter(|class| class.rows + class.given > 0).collect();
        let over = |of: fn(&OneClass) -> Option<f64>| mean(present.iter().map(|class| of(class).unwrap_or(0.0)));
        let weighted = classes.iter().map(|class| class.rows as f64 * class.f1.unwrap_or(0.0)).sum::<f64>();
        Ok(ClassFigures {
            accuracy: share(right, rows as u64),
            balanced_accuracy: mean(classes.iter().filter_map(|class| class.recall)),
            macro_precision: over(|class| class.precision),
            macro_recall: over(|class| class.recall),
            macro_f1: over(|class| class.f1),
            weighted_f1: (rows > 0).then(|| weighted / rows as f64),
            mcc: correlation(&classes, right, rows as u64),
            macro_roc_auc: mean(classes.iter().filter_map(|class| class.roc_auc)),
            brier: probabilities.filter(|_| rows > 0).map(|all| brier(truth, all, width)),
            classes,
            counts,
        })
    }
}

/// Matthews' correlation for any number of classes (Gorodkin 2004).
fn correlation(classes: &[OneClass], right: u64, rows: u64) -> Option<f64> {
    let (right, rows) = (right as f64, rows as f64);
    let sum = |of: fn(&OneClass) -> f64| classes.iter().map(of).sum::<f64>();
    let both = sum(|class| class.rows as f64 * class.given as f64);
    let own = rows * rows - sum(|class| (class.rows as f64).powi(2));
    let given = rows * rows - sum(|class| (class.given as f64).powi(2));
    (own > 0.0 && given > 0.0).then(|| (right * rows - both) / (own.sqrt() * given.sqrt()))
}

fn brier(truth: &[u32], probabilities: &[f32], width: usize) -> f64 {
    let rows = truth.iter().zip(probabilities.chunks_exact(width));
    let squares = rows.map(|(&truth, row)| {
        let gap =
            |(class, &share): (usize, &f32)| (f64::from(share) - f64::from(u8::from(class == truth as usize))).powi(2);
        row.iter().enumerate().map(gap).sum::<f64>()
    });
    squares.sum::<f64>() / truth.len() as f64
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: Option<f64>, expected: f64) {
        assert!(value.is_some_and(|value| (value - expected).abs() < 1e-6), "{value:?} {expected}");
    }

    #[test]
    fn classes_outside_the_names_are_refused() {
        let names = ["benign".to_owned()];
        assert!(ClassFigures::of(&[1], &[0], None, &names).is_err());
        assert!(ClassFigures::of(&[0], &[0, 0], None, &names).is_err());
        assert!(ClassFigures::of(&[0], &[0], Some(&[0.5, 0.5]), &names).is_err());
    }

    #[test]
    fn no_rows_have_no_figures() {
        let figures = ClassFigures::of(&[], &[], Some(&[]), &["benign".to_owned()]).unwrap();
        assert_eq!((figures.accuracy, figures.macro_f1, figures.mcc, figures.brier), (None, None, None, None));
    }

    /// The numbers are those of scikit-learn 1.9 on the same ten rows.
    #[test]
    fn figures_of_four_classes_agree_with_scikit_learn() {
        let (truth, given) = ([0, 0, 0, 0, 1, 1, 1, 2, 2, 3], [0, 0, 1, 0, 1, 1, 2, 2, 0, 0]);
        #[rustfmt::skip]
        let probabilities = [
            0.7, 0.1, 0.1, 0.1, 0.6, 0.2, 0.1, 0.1, 0.3, 0.4, 0.2, 0.1, 0.5, 0.2, 0.2, 0.1, 0.1, 0.8, 0.05, 0.05,
            0.2, 0.5, 0.2, 0.1, 0.1, 0.3, 0.4, 0.2, 0.2, 0.1, 0.6, 0.1, 0.4, 0.1, 0.3, 0.2, 0.5, 0.1, 0.1, 0.3,
        ];
        let names = ["normal", "dos", "probe", "u2r"].map(String::from);
        let figures = ClassFigures::of(&truth, &given, Some(&probabilities), &names).unwrap();
        near(figures.accuracy, 0.6);
        near(figures.balanced_accuracy, 0.479_166_666_666_666_63);
        near(figures.macro_precision, 0.441_666_666_666_666_65);
        near(figures.macro_recall, 0.479_166_666_666_666_63);
        near(figures.macro_f1, 0.458_333_333_333_333_3);
        near(figures.weighted_f1, 0.566_666_666_666_666_7);
        near(figures.mcc, 0.409_844_299_985_268_5);
        near(figures.macro_roc_auc, 0.946_428_571_428_571_4);
        near(figures.classes[1].pr_auc, 0.916_666_666_666_666_5);
        near(figures.brier, 0.415_499_992_713_332_4);
    }
}
