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
use crate::{Error, Matrix, Method, Model};

/// A fitted part, which scores its own columns of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    width: u32,
    #[serde(deserialize_with = "nested")]
    model: Model,
}

/// Each member with its matrix, whose columns are those behind the columns of the one before.
fn matrices<'a>(members: &'a [Member], matrix: &'a Matrix) -> impl Iterator<Item = (&'a Member, Matrix)> {
    let mut start = 0;
    members.iter().map(move |member| {
        let columns = start..start + member.width as usize;
        start = columns.end;
        (member, matrix.columns(columns))
    })
}

/// How many columns they have together.
fn width(members: &[Member]) -> usize {
    members.iter().map(|member| member.width as usize).sum()
}

/// Refuses members that no fit can have made: bytes from outside.
fn check_members(members: &[Member]) -> Result<(), Error> {
    if !(1..=MOST_PARTS).contains(&members.len()) || members.iter().any(|member| member.width == 0) {
        return Err(Error::Damaged(format!("an ensemble of {} parts", members.len())));
    }
    members.iter().try_for_each(|member| member.model.check(member.width as usize))
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
