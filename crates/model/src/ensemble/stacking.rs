//! A method that learns from what others say.

use serde::{Deserialize, Serialize};

use super::out_of_fold::{FoldsBy, deal, out_of_fold};
use super::{Member, Question, check_members, check_parts, matrices, nested, parts_space, width};
use crate::estimator::{IsolationForest, LogisticRegression, Mahalanobis, RandomForest, range};
use crate::learn::{Lesson, learn};
use crate::space::{Dimension, Range, space, within};
use crate::{Classes, Encoder, Error, Matrix, Method, Model, Probabilities};

/// Stacking (Wolpert 1992): a last method learns from the scores that several parts give to rows that they did not learn
/// from; with the columns beside them, an anomaly score is one more column of a classifier. Of more than two classes a
/// part that tells them apart gives the probability of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stacking {
    /// The methods whose scores are learned from. Default a random forest, an isolation forest and a Mahalanobis
    /// distance.
    #[serde(alias = "estimators", deserialize_with = "nested")]
    pub parts: Vec<Method>,
    /// The classifier that learns from them, no ensemble itself. Default a logistic regression.
    #[serde(alias = "final-estimator", deserialize_with = "nested")]
    pub last: Box<Method>,
    /// Whether it sees the columns too, by its own recipe. Default no.
    pub columns: bool,
    /// The number of folds by which rows are scored. Default 5.
    #[serde(alias = "cv")]
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
        let (mut encoder, mut members) = (None::<Encoder>, Vec::new());
        for (place, part) in self.parts.iter().enumerate() {
            let (own, model) = learn(part, &lesson.part(place))?;
            let by_class = model.classes().len() > 2;
            members.push(Member::new(&own, model, by_class));
            encoder = Some(match encoder {
                Some(encoder) => encoder.beside(own)?,
                None => own,
            });
        }
        let mut encoder = encoder.ok_or(Error::Empty("parts"))?;
        let dataset = lesson.dataset;
        let by_class = members.iter().any(|member| matches!(member.question(), Question::Classes(_)));
        let folds_by = if by_class { FoldsBy::Rows } else { self.folds_by };
        let folds = deal(dataset, self.folds, folds_by, lesson.seed);
        let mut answers = Vec::new();
        for (place, (part, member)) in self.parts.iter().zip(&members).enumerate() {
            let question = member.question();
            answers.push((question.width(), out_of_fold(part, &lesson.part(place), &folds, question)?));
        }
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
        let last = self.last.fit(&beside(&answers, columns.as_ref(), dataset.rows()), Some(&truth), lesson.seed)?;
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
        width(&self.members) + self.last.width() - self.answers()
    }

    /// How many numbers the parts tell of a row.
    fn answers(&self) -> usize {
        self.members.iter().map(|member| member.question().width()).sum()
    }

    /// The fitted parts.
    pub fn members(&self) -> impl Iterator<Item = &Model> {
        self.members.iter().map(|member| &member.model)
    }

    /// What judges by what they tell: of a row of its matrix the first values are the logarithms of the odds by each part.
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
        let answer = |(member, matrix): (&Member, Matrix)| {
            let question = member.question();
            Ok((question.width(), question.ask(&member.model, &matrix)?))
        };
        let answers: Result<Vec<_>, Error> = matrices(&self.members, matrix).map(answer).collect();
        let columns = width(&self.members)..matrix.width();
        let columns = (!columns.is_empty()).then(|| matrix.columns(columns));
        Ok(beside(&answers?, columns.as_ref(), matrix.rows()))
    }

    pub(crate) fn check(&self, width: usize) -> Result<(), Error> {
        check_members(&self.members)?;
        let last = self.last.width();
        if last < self.answers() || self.width() != width {
            return Err(Error::Damaged("a stack that does not fit the columns".into()));
        }
        self.last.check(last)
    }
}

/// The logarithms of the odds that these answers give to each row, so many a row, and the columns behind them.
fn beside(answers: &[(usize, Vec<f32>)], columns: Option<&Matrix>, rows: usize) -> Matrix {
    let width = answers.iter().map(|answer| answer.0).sum::<usize>() + columns.map_or(0, Matrix::width);
    let mut values = Vec::with_capacity(width * rows);
    for row in 0..rows {
        let told = answers.iter().flat_map(|(width, told)| &told[row * width..][..*width]);
        values.extend(told.map(|&share| odds(share)));
        values.extend(columns.map_or(&[][..], |columns| columns.row(row)));
    }
    Matrix::encoded(width, values, columns.is_some_and(Matrix::has_missing))
}

/// The logarithm of the odds, kept within what one row in a million could tell.
fn odds(score: f32) -> f32 {
    let score = f64::from(score).clamp(1e-6, 1.0 - 1e-6);
    (score / (1.0 - score)).ln() as f32
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;
    use crate::estimator::NaiveBayes;
    use crate::{Dataset, Detector, Grouping, Plan};

    /// Four kinds in the corners of a square.
    fn dataset() -> Dataset {
        let wave = |row: usize, step: f32| (row as f32 * step).sin();
        let x = (0..400).map(|row| (row % 2) as f32 * 5.0 + wave(row, 0.7)).collect();
        let y = (0..400).map(|row| (row / 2 % 2) as f32 * 5.0 + wave(row, 1.3)).collect();
        let table = Table::new(vec![Column::numbers("x", x), Column::numbers("y", y)]).unwrap();
        let kinds = ["normal", "neptune", "smurf", "satan"];
        Dataset::labelled(table, &(0..400).map(|row| Label::new(kinds[row % 4])).collect::<Vec<Label>>()).unwrap()
    }

    fn train(folds_by: FoldsBy) -> Detector {
        let parts = vec![Method::NaiveBayes(NaiveBayes::default()), Method::Mahalanobis(Mahalanobis::default())];
        let method = Method::Stacking(Stacking { parts, folds_by, ..Stacking::default() });
        let plan = Plan { method, grouping: Grouping::Kinds, ..Plan::default() };
        Detector::train(&dataset(), &plan).unwrap()
    }

    #[test]
    fn several_classes_are_told_apart_by_what_the_parts_say_of_each() {
        for folds_by in [FoldsBy::Rows, FoldsBy::Kinds] {
            let detector = train(folds_by);
            let told = detector.probabilities(dataset().table()).unwrap().unwrap().likeliest();
            let truth = Classes::of(&dataset(), Grouping::Kinds).unwrap();
            let right = told.iter().zip(truth.codes()).filter(|(told, is)| told == is).count();
            assert!(right >= 395, "{folds_by:?} {right}");
            let Model::Stacking(stack) = detector.model() else { panic!() };
            // One for each of four classes, and one anomaly score.
            assert_eq!(stack.last().width(), 5);
        }
    }

    #[test]
    fn a_stack_of_several_classes_comes_back_from_a_file() {
        let detector = train(FoldsBy::Rows);
        let loaded = Detector::from_bytes(&detector.to_bytes().unwrap()).unwrap();
        assert_eq!(loaded.probabilities(dataset().table()), detector.probabilities(dataset().table()));
    }

    #[test]
    fn a_part_that_knows_no_classes_cannot_be_asked_for_them() {
        let matrix = Matrix::new(1, vec![0.0, 1.0, 2.0]).unwrap();
        let model = Method::Mahalanobis(Mahalanobis::default()).fit(&matrix, None, 1).unwrap();
        let member = |by_class| {
            vec![Member { width: 1 | if by_class { super::super::BY_CLASS } else { 0 }, model: model.clone() }]
        };
        assert!(check_members(&member(false)).is_ok() && check_members(&member(true)).is_err());
    }
}
