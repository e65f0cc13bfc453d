//! A method that learns from what others say.

use serde::{Deserialize, Serialize};

use super::out_of_fold::{FoldsBy, deal, out_of_fold};
use super::{Member, check_members, check_parts, matrices, nested, parts_space, width};
use crate::estimator::{IsolationForest, LogisticRegression, Mahalanobis, RandomForest, range};
use crate::learn::{Lesson, learn};
use crate::space::{Dimension, Range, space, within};
use crate::{Classes, Encoder, Error, Matrix, Method, Model, Probabilities};

/// Stacking (Wolpert 1992): a last method learns from the scores that several parts give to rows that they did not learn
/// from; with the columns beside them, an anomaly score is one more column of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stacking {
    /// The methods whose scores are learned from. Default a random forest, an isolation forest and a Mahalanobis
    /// distance.
    #[serde(deserialize_with = "nested")]
    pub parts: Vec<Method>,
    /// The classifier that learns from them, no ensemble itself. Default a logistic regression.
    #[serde(deserialize_with = "nested")]
    pub last: Box<Method>,
    /// Whether it sees the columns too, by its own recipe. Default no.
    pub columns: bool,
    /// The number of folds by which rows are scored. Default 5.
    pub folds: u32,
    /// What a fold holds out. Default whole kinds of attack: how far each part is to be trusted on attacks that nobody
    /// has seen.
    pub folds_by: FoldsBy,
}

impl Default for Stacking {
    fn default() -> Stacking {
        Stacking {
            parts: vec![
                Method::RandomForest(RandomForest::default()),
                Method::IsolationForest(IsolationForest::default()),
                Method::Mahalanobis(Mahalanobis::default()),
            ],
            last: Box::new(Method::LogisticRegression(LogisticRegression::default())),
            columns: false,
            folds: 5,
            folds_by: FoldsBy::Kinds,
        }
    }
}

impl Stacking {
    /// What a search tries: the parts, the classifier that learns from them, and what it sees of the rows.
    pub(crate) fn space(&self) -> Vec<Dimension> {
        let mut all = parts_space(&self.parts);
        all.extend(within("last", self.last.space()));
        all.extend(space([("columns", Range::switch()), ("folds-by", Range::words(&["rows", "kinds"]))]));
        all
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check_parts(&self.parts)?;
        range("folds", self.folds, 2, 100)?;
        if self.last.is_ensemble() || !self.last.is_supervised() {
            let range = "a classifier that is no ensemble".into();
            return Err(Error::Setting { setting: "last", value: self.last.name().into(), range });
        }
        self.last.check()
    }

    pub(crate) fn learn(&self, lesson: &Lesson) -> Result<(Encoder, Stack), Error> {
        let folds = deal(lesson.dataset, self.folds, self.folds_by, lesson.seed);
        let (mut encoder, mut members, mut scores) = (None::<Encoder>, Vec::new(), Vec::new());
        for (place, part) in self.parts.iter().enumerate() {
            let lesson = lesson.part(place);
            scores.push(out_of_fold(part, &lesson, &folds)?);
            let (own, model) = learn(part, &lesson)?;
            members.push(Member { width: own.width() as u32, model });
            encoder = Some(match encoder {
                Some(encoder) => encoder.beside(own)?,
                None => own,
            });
        }
        let mut encoder = encoder.ok_or(Error::Empty("parts"))?;
        let dataset = lesson.dataset;
        let columns = if self.columns {
            let recipe = self.last.recipe();
            let own = Encoder::fit_under(lesson.schema.clone(), dataset.table(), dataset.attacks(), recipe)?;
            let columns = own.encode_training(dataset.table(), dataset.attacks(), lesson.seed)?;
            encoder = encoder.beside(own)?;
            Some(columns)
        } else {
            None
        };
        let truth = Classes::of(dataset, lesson.grouping).ok_or(Error::Unlabelled("stacking"))?;
        let last = self.last.fit(&beside(&scores, columns.as_ref()), Some(&truth), lesson.seed)?;
        Ok((encoder, Stack { members, last: Box::new(last) }))
    }
}

/// Fitted parts, and the model that judges by what they say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    members: Vec<Member>,
    #[serde(deserialize_with = "nested")]
    last: Box<Model>,
}

impl Stack {
    pub(crate) fn width(&self) -> usize {
        width(&self.members) + self.last.width() - self.members.len()
    }

    /// The fitted parts.
    pub fn members(&self) -> impl Iterator<Item = &Model> {
        self.members.iter().map(|member| &member.model)
    }

    /// What judges by their scores: of a row of its matrix the first values are the logarithms of the odds by each part.
    pub fn last(&self) -> &Model {
        &self.last
    }

    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f32>, Error> {
        self.last.scores(&self.told(matrix)?)
    }

    pub(crate) fn probabilities(&self, matrix: &Matrix) -> Result<Option<Probabilities>, Error> {
        self.last.probabilities(&self.told(matrix)?)
    }

    pub(crate) fn judge(&self, matrix: &Matrix) -> Result<(Vec<f32>, Option<Probabilities>), Error> {
        self.last.judge(&self.told(matrix)?)
    }

    /// What the last model sees of these rows.
    fn told(&self, matrix: &Matrix) -> Result<Matrix, Error> {
        let scores: Result<Vec<Vec<f32>>, Error> =
            matrices(&self.members, matrix).map(|(member, matrix)| member.model.scores(&matrix)).collect();
        let columns = width(&self.members)..matrix.width();
        let columns = (!columns.is_empty()).then(|| matrix.columns(columns));
        Ok(beside(&scores?, columns.as_ref()))
    }

    pub(crate) fn check(&self, width: usize) -> Result<(), Error> {
        check_members(&self.members)?;
        let last = self.last.width();
        if last < self.members.len() || self.width() != width {
            return Err(Error::Damaged("a stack that does not fit the columns".into()));
        }
        self.last.check(last)
    }
}

/// The logarithms of the odds that these scores give to each row, and the columns behind them.
fn beside(scores: &[Vec<f32>], columns: Option<&Matrix>) -> Matrix {
    let width = scores.len() + columns.map_or(0, Matrix::width);
    let rows = scores.first().map_or(0, Vec::len);
    let mut values = Vec::with_capacity(width * rows);
    for row in 0..rows {
        values.extend(scores.iter().map(|scores| odds(scores[row])));
        values.extend(columns.map_or(&[][..], |columns| columns.row(row)));
    }
    Matrix::encoded(width, values, columns.is_some_and(Matrix::has_missing))
}

/// The logarithm of the odds, kept within what one row in a million could tell.
fn odds(score: f32) -> f32 {
    let score = f64::from(score).clamp(1e-6, 1.0 - 1e-6);
    (score / (1.0 - score)).ln() as f32
}
