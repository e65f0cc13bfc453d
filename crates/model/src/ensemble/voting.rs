//! Parts that vote.

use serde::{Deserialize, Serialize};

use super::out_of_fold::{FoldsBy, deal, out_of_fold};
use super::{Member, Question, check_members, check_parts, matrices, nested, parts_space, width};
use crate::estimator::tail::{Tail, score};
use crate::estimator::{Mahalanobis, RandomForest, range};
use crate::learn::{Lesson, learn};
use crate::space::{Dimension, Range, space, within};
use crate::{Encoder, Error, Matrix, Method, Model, Probabilities};

/// Several methods, each with its own view of the columns, whose scores are put together by a fixed rule.
///
/// By default a classifier, which knows the attacks that it was shown, beside an anomaly model, which knows what is
/// normal: either may raise the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Voting {
    /// The methods. Default a random forest and a Mahalanobis distance.
    #[serde(alias = "estimators", deserialize_with = "nested")]
    pub parts: Vec<Method>,
    /// What each part's word weighs. Default empty: all the same.
    pub weights: Vec<f64>,
    /// How the scores are put together. Default any.
    pub vote: Vote,
    /// The folds by which the tails of the parts' scores are learned, where the vote needs them. Default 5.
    pub folds: u32,
}

/// How the scores of several parts become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vote {
    /// Their mean.
    Mean,
    /// Any of them (noisy or): the product of what each leaves to 1, as a level, which tells sure rows apart where 1 less
    /// it would not. Sure where one part is, and surer where several suspect. A classifier speaks by its probability,
    /// whatever became of the traffic since.
    #[default]
    Any,
    /// The largest.
    Largest,
    /// The sum of their levels: minus the logarithm of the share of benign training rows, scored out of fold, that score
    /// as high. Finds what is a little unusual to all; asks that benign traffic stay what it was.
    Tails,
    /// The largest of their levels.
    LargestTail,
}

impl Default for Voting {
    fn default() -> Voting {
        Voting {
            parts: vec![Method::RandomForest(RandomForest::default()), Method::Mahalanobis(Mahalanobis::default())],
            weights: Vec::new(),
            vote: Vote::Any,
            folds: 5,
        }
    }
}

impl Voting {
    /// What a search tries: the parts, what each one's word weighs, and how they are put together.
    pub(crate) fn space(&self) -> Vec<Dimension> {
        let mut all = parts_space(&self.parts);
        for place in 0..self.parts.len() {
            all.extend(within("weights", space([(&place.to_string(), Range::Magnitude(0.1, 10.0))])));
        }
        all.extend(space([("vote", Range::words(&["mean", "any", "largest", "tails", "largest-tail"]))]));
        all
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check_parts(&self.parts)?;
        range("folds", self.folds, 2, 100)?;
        if !self.weights.is_empty() {
            range("number of weights", self.weights.len(), self.parts.len(), self.parts.len())?;
        }
        self.weights.iter().try_for_each(|&weight| range("weights", weight, 1e-6, 1e6))
    }

    pub(crate) fn learn(&self, lesson: &Lesson) -> Result<(Encoder, Votes), Error> {
        let mut encoder: Option<Encoder> = None;
        let mut votes =
            Votes { members: Vec::new(), weights: self.weights.clone(), vote: self.vote, tails: Vec::new() };
        votes.weights.resize(self.parts.len(), 1.0);
        for (place, part) in self.parts.iter().enumerate() {
            let lesson = lesson.part(place);
            let (own, model) = learn(part, &lesson)?;
            votes.members.push(Member::new(&own, model, false));
            if self.vote.needs_tails() {
                let folds = deal(lesson.dataset, self.folds, FoldsBy::Rows, lesson.seed);
                let scores = out_of_fold(part, &lesson, &folds, Question::Score)?;
                let benign = lesson.dataset.benign_rows();
                votes.tails.push(Tail::of(benign.into_iter().map(|row| f64::from(scores[row]))));
            }
            encoder = Some(match encoder {
                Some(encoder) => encoder.beside(own)?,
                None => own,
            });
        }
        Ok((encoder.ok_or(Error::Empty("parts"))?, votes))
    }
}

impl Vote {
    fn needs_tails(self) -> bool {
        matches!(self, Vote::Tails | Vote::LargestTail)
    }
}

/// Fitted parts, and how they vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Votes {
    members: Vec<Member>,
    /// One a member.
    weights: Vec<f64>,
    vote: Vote,
    /// One a member, where the vote needs them.
    tails: Vec<Tail>,
}

impl Votes {
    pub(crate) fn width(&self) -> usize {
        width(&self.members)
    }

    /// The fitted parts.
    pub fn members(&self) -> impl Iterator<Item = &Model> {
        self.members.iter().map(|member| &member.model)
    }

    /// The classes that it tells apart: those of its classifiers, where they agree.
    pub fn classes(&self) -> &[String] {
        let mut all = self.members().map(Model::classes).filter(|classes| !classes.is_empty());
        let classes = all.next().unwrap_or_default();
        if all.all(|other| other == classes) { classes } else { &[] }
    }

    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f32>, Error> {
        let scores = matrices(&self.members, matrix).map(|(member, matrix)| member.model.scores(&matrix));
        Ok(self.put_together(&scores.collect::<Result<Vec<_>, Error>>()?, matrix.rows()))
    }

    /// The scores, and how likely each class is: the vote decides how likely a row is an attack, and the classifiers, by
    /// the mean of what they say, of which class it is then. An anomaly that none of them knows has the name of what it is
    /// most like.
    pub(crate) fn judge(&self, matrix: &Matrix) -> Result<(Vec<f32>, Option<Probabilities>), Error> {
        let classes = self.classes().len();
        if classes == 0 {
            return Ok((self.scores(matrix)?, None));
        }
        let (mut scores, mut sums) = (Vec::new(), vec![0.0; matrix.rows() * classes]);
        for ((member, matrix), weight) in matrices(&self.members, matrix).zip(&self.weights) {
            let (own, probabilities) = member.model.judge(&matrix)?;
            scores.push(own);
            let told = probabilities.iter().flat_map(Probabilities::values);
            sums.iter_mut().zip(told).for_each(|(sum, one)| *sum += weight * f64::from(*one));
        }
        let scores = self.put_together(&scores, matrix.rows());
        for (sums, &score) in sums.chunks_exact_mut(classes).zip(&scores) {
            let Some((benign, attacks)) = sums.split_first_mut() else { continue };
            // Where no classifier thinks of an attack, all classes are as likely.
            attacks.iter_mut().for_each(|sum| *sum += f64::MIN_POSITIVE);
            let all: f64 = attacks.iter().sum();
            attacks.iter_mut().for_each(|sum| *sum *= f64::from(score) / all);
            *benign = 1.0 - f64::from(score);
        }
        let probabilities = Probabilities::new(classes, sums.into_iter().map(|sum| sum as f32).collect());
        Ok((scores, Some(probabilities)))
    }

    /// One score a row from those of each part.
    fn put_together(&self, scores: &[Vec<f32>], rows: usize) -> Vec<f32> {
        let mut sums = vec![if self.vote == Vote::Any { 1.0 } else { 0.0 }; rows];
        let all: f64 = self.weights.iter().sum();
        for (place, (scores, weight)) in scores.iter().zip(&self.weights).enumerate() {
            for (sum, &one) in sums.iter_mut().zip(scores) {
                let one = f64::from(one);
                match self.vote {
                    Vote::Mean => *sum += weight / all * one,
                    Vote::Any => *sum *= (1.0 - one).max(LEAST_DOUBT).powf(*weight),
                    Vote::Largest => *sum = f64::max(*sum, one),
                    Vote::Tails => *sum += weight * self.tails[place].level(one),
                    Vote::LargestTail => *sum = f64::max(*sum, weight * self.tails[place].level(one)),
                }
            }
        }
        let finish = |sum: f64| match self.vote {
            Vote::Mean | Vote::Largest => sum.clamp(0.0, 1.0) as f32,
            Vote::Any => score(-sum.clamp(f64::MIN_POSITIVE, 1.0).log10()),
            Vote::Tails | Vote::LargestTail => score(sum),
        };
        sums.into_iter().map(finish).collect()
    }

    pub(crate) fn check(&self, width: usize) -> Result<(), Error> {
        check_members(&self.members)?;
        let weights =
            self.weights.len() == self.members.len() && self.weights.iter().all(|weight| (1e-6..=1e6).contains(weight));
        let tails = self.tails.len() == if self.vote.needs_tails() { self.members.len() } else { 0 };
        if self.width() != width || !weights || !tails {
            return Err(Error::Damaged("votes that do not fit the columns".into()));
        }
        self.tails.iter().try_for_each(Tail::check)
    }
}

/// No part is so sure that the others are not heard.
const LEAST_DOUBT: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Two parts that pass on what they get: a rule of shares 0, 0.1 .. 1.
    fn votes(vote: Vote) -> Votes {
        let attacks: Vec<bool> = (0..100).map(|row| row % 10 < row / 10).collect();
        let matrix = Matrix::new(1, (0..100).map(|row| (row / 10) as f32).collect()).unwrap();
        let truth = crate::Classes::binary(&attacks);
        let model =
            Method::NearestNeighbours(crate::estimator::NearestNeighbours { neighbours: 10, ..Default::default() });
        let model = model.fit(&matrix, Some(&truth), 1).unwrap();
        let members = vec![Member { width: 1, model: model.clone() }, Member { width: 1, model }];
        let tail = Tail::of((0..1000).map(|row| f64::from(row) / 1000.0));
        let tails = if vote.needs_tails() { vec![tail.clone(), tail] } else { Vec::new() };
        Votes { members, weights: vec![1.0, 1.0], vote, tails }
    }

    fn told(vote: Vote, one: f32, other: f32) -> f32 {
        votes(vote).scores(&Matrix::new(2, vec![one, other]).unwrap()).unwrap()[0]
    }

    #[test]
    fn votes_are_put_together_as_they_say() {
        // The shares are 0.2 and 0.9.
        assert!((told(Vote::Mean, 2.0, 9.0) - 0.55).abs() < 1e-6);
        assert!((told(Vote::Largest, 2.0, 9.0) - 0.9).abs() < 1e-6);
        let level = |score: f32| score / (1.0 - score);
        assert!((level(told(Vote::Any, 2.0, 9.0)) - -(0.8f32 * 0.1).log10()).abs() < 1e-4);
        assert!((level(told(Vote::LargestTail, 2.0, 9.0)) - 1.0).abs() < 0.02);
        assert!((level(told(Vote::Tails, 2.0, 9.0)) - (1.0 - 0.8f32.log10())).abs() < 0.02);
    }

    #[test]
    fn the_vote_says_whether_and_the_classifiers_say_what() {
        // Three classes by one column, and an anomaly model that knows only its normal place.
        let values: Vec<f32> = (0..300).map(|row| (row % 3) as f32 * 10.0 + (row % 7) as f32 * 0.1).collect();
        let codes = (0..300).map(|row| row % 3).collect();
        let truth = crate::Classes::new(codes, ["benign", "dos", "probe"].map(String::from).to_vec()).unwrap();
        let matrix = Matrix::new(1, values).unwrap();
        let classifier = Method::NearestNeighbours(Default::default()).fit(&matrix, Some(&truth), 1).unwrap();
        let normal = Matrix::new(1, (0..200).map(|row| (row % 7) as f32 * 0.1).collect()).unwrap();
        let anomaly = Method::Mahalanobis(Mahalanobis::default()).fit(&normal, None, 1).unwrap();
        let members = [classifier, anomaly].map(|model| Member { width: 1, model }).to_vec();
        let votes = Votes { members, weights: vec![1.0; 2], vote: Vote::Any, tails: Vec::new() };
        assert_eq!(votes.classes(), ["benign", "dos", "probe"]);
        // The classifier holds the first for benign and the anomaly model does not.
        let rows = Matrix::new(2, vec![0.3, 40.0, 0.3, 0.3, 10.0, 0.3, 20.0, 20.0]).unwrap();
        let scores = votes.scores(&rows).unwrap();
        let told = votes.judge(&rows).unwrap().1.unwrap();
        for (row, score) in scores.iter().enumerate() {
            assert!(
                (1.0 - told.row(row)[0] - score).abs() < 1e-6 && (told.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-6
            );
        }
        assert_eq!((told.row(0)[1], scores[0] > scores[1]), (told.row(0)[2], true));
        assert!(told.row(2)[1] > 0.5 && told.row(3)[2] > 0.5, "{told:?}");
    }

    #[test]
    fn a_part_that_is_sure_does_not_silence_the_others() {
        assert!(told(Vote::Any, 9.0, 9.0) > told(Vote::Any, 9.0, 2.0));
        let mean = votes(Vote::Mean).judge(&Matrix::new(2, vec![2.0, 9.0]).unwrap()).unwrap().1.unwrap();
        assert!((mean.row(0)[1] - 0.55).abs() < 1e-6 && votes(Vote::Mean).classes() == ["benign", "attack"]);
    }
}
