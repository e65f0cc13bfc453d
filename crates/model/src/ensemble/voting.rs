//! Parts that vote.

use serde::{Deserialize, Serialize};

use super::out_of_fold::{FoldsBy, deal, out_of_fold};
use super::{Member, check_members, check_parts, matrices, nested, parts_space, width};
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
    #[serde(deserialize_with = "nested")]
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
    /// Their mean; of classifiers that tell the same classes apart the mean of their probabilities.
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
            votes.members.push(Member { width: own.width() as u32, model });
            if self.vote.needs_tails() {
                let folds = deal(lesson.dataset, self.folds, FoldsBy::Rows, lesson.seed);
                let scores = out_of_fold(part, &lesson, &folds)?;
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

    /// The classes that it tells apart: those of its parts, where they agree and their probabilities are averaged.
    pub fn classes(&self) -> &[String] {
        let classes = self.members.first().map_or(&[][..], |member| member.model.classes());
        let agree = self.vote == Vote::Mean && self.members().all(|model| model.classes() == classes);
        if agree { classes } else { &[] }
    }

    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f32>, Error> {
        let mut sums = vec![if self.vote == Vote::Any { 1.0 } else { 0.0 }; matrix.rows()];
        let all: f64 = self.weights.iter().sum();
        for (place, (member, matrix)) in matrices(&self.members, matrix).enumerate() {
            let weight = self.weights[place];
            for (sum, one) in sums.iter_mut().zip(member.model.scores(&matrix)?) {
                let one = f64::from(one);
                match self.vote {
                    Vote::Mean => *sum += weight / all * one,
                    Vote::Any => *sum *= (1.0 - one).max(LEAST_DOUBT).powf(weight),
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
        Ok(sums.into_iter().map(finish).collect())
    }

    pub(crate) fn probabilities(&self, matrix: &Matrix) -> Result<Option<Probabilities>, Error> {
        let classes = self.classes().len();
        if classes == 0 {
            return Ok(None);
        }
        let mut sums = vec![0.0; matrix.rows() * classes];
        let all: f64 = self.weights.iter().sum();
        for ((member, matrix), weight) in matrices(&self.members, matrix).zip(&self.weights) {
            let Some(probabilities) = member.model.probabilities(&matrix)? else { return Ok(None) };
            for (sum, one) in sums.iter_mut().zip(probabilities.values()) {
                *sum += weight / all * f64::from(*one);
            }
        }
        Ok(Some(Probabilities::new(classes, sums.into_iter().map(|sum| sum as f32).collect())))
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
    fn a_part_that_is_sure_does_not_silence_the_others() {
        assert!(told(Vote::Any, 9.0, 9.0) > told(Vote::Any, 9.0, 2.0));
        assert!(votes(Vote::Any).probabilities(&Matrix::new(2, vec![1.0, 1.0]).unwrap()).unwrap().is_none());
        let mean = votes(Vote::Mean).probabilities(&Matrix::new(2, vec![2.0, 9.0]).unwrap()).unwrap().unwrap();
        assert!((mean.row(0)[1] - 0.55).abs() < 1e-6 && votes(Vote::Mean).classes() == ["benign", "attack"]);
    }
}
