//! Methods made of others: each part learns from the table by its own recipe, and they are put together by their scores.

mod nested;
mod out_of_fold;
mod stacking;
mod voting;

use nested::nested;
use serde::{Deserialize, Serialize};

pub use out_of_fold::FoldsBy;
pub use stacking::{Stack, Stacking};
pub use voting::{Vote, Votes, Voting};

use crate::space::{Dimension, Range, space, within};
use crate::{Encoder, Error, Matrix, Method, Model};

/// A fitted part, which looks at its own columns of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    /// How many columns are its own, and [`BY_CLASS`] where it tells how likely each class is, not one score: files of
    /// before that have no room for it elsewhere.
    width: u32,
    #[serde(deserialize_with = "nested")]
    model: Model,
}

impl Member {
    fn new(encoder: &Encoder, model: Model, by_class: bool) -> Member {
        Member { width: encoder.width() as u32 | if by_class { BY_CLASS } else { 0 }, model }
    }

    fn width(&self) -> usize {
        (self.width & !BY_CLASS) as usize
    }

    /// What it is asked about each row.
    fn question(&self) -> Question<'_> {
        if self.width & BY_CLASS == 0 { Question::Score } else { Question::Classes(self.model.classes()) }
    }
}

/// What a part is asked about each row.
#[derive(Clone, Copy)]
enum Question<'a> {
    /// Its score.
    Score,
    /// How likely each of these classes is.
    Classes(&'a [String]),
}

impl Question<'_> {
    /// The numbers that answer it for one row.
    fn width(self) -> usize {
        match self {
            Question::Score => 1,
            Question::Classes(names) => names.len(),
        }
    }

    /// What a model answers, row by row; a class that it does not know is never likely.
    fn ask(self, model: &Model, matrix: &Matrix) -> Result<Vec<f32>, Error> {
        let Question::Classes(names) = self else { return model.scores(matrix) };
        let Some(probabilities) = model.probabilities(matrix)? else {
            return Err(Error::Damaged("a part that tells no classes apart".into()));
        };
        if model.classes() == names {
            return Ok(probabilities.values().to_vec());
        }
        let place = |name: &String| model.classes().iter().position(|known| known == name);
        let places: Vec<Option<usize>> = names.iter().map(place).collect();
        let told = |row: usize| {
            let shares = probabilities.row(row);
            places.iter().map(|place| place.map_or(0.0, |place| shares[place])).collect::<Vec<f32>>()
        };
        Ok((0..probabilities.rows()).flat_map(told).collect())
    }
}

/// Each member with its matrix, whose columns are those behind the columns of the one before.
fn matrices<'a>(members: &'a [Member], matrix: &'a Matrix) -> impl Iterator<Item = (&'a Member, Matrix)> {
    let mut start = 0;
    members.iter().map(move |member| {
        let columns = start..start + member.width();
        start = columns.end;
        (member, matrix.columns(columns))
    })
}

/// How many columns they have together.
fn width(members: &[Member]) -> usize {
    members.iter().map(Member::width).sum()
}

/// Refuses members that no fit can have made: bytes from outside.
fn check_members(members: &[Member]) -> Result<(), Error> {
    let empty = |member: &Member| member.width() == 0 || member.question().width() == 0;
    if !(1..=MOST_PARTS).contains(&members.len()) || members.iter().any(empty) {
        return Err(Error::Damaged(format!("an ensemble of {} parts", members.len())));
    }
    members.iter().try_for_each(|member| member.model.check(member.width()))
}

/// What a search tries of the parts: whether each takes part, where there are several, and its settings.
fn parts_space(parts: &[Method]) -> Vec<Dimension> {
    let switch =
        |place: usize| (parts.len() > 1).then(|| within("parts", space([(&place.to_string(), Range::switch())])));
    let part = |(place, part): (usize, &Method)| {
        switch(place).into_iter().flatten().chain(within(&format!("parts.{place}"), part.space())).collect::<Vec<_>>()
    };
    parts.iter().enumerate().flat_map(part).collect()
}

/// Refuses parts that are too few, too many, or out of their range themselves.
fn check_parts(parts: &[Method]) -> Result<(), Error> {
    crate::estimator::range("number of parts", parts.len(), 1, MOST_PARTS)?;
    parts.iter().try_for_each(Method::check)
}

const MOST_PARTS: usize = 32;
/// No row is as wide.
const BY_CLASS: u32 = 1 << 31;
