//! From a data set to an encoder and a model.

use crate::{Classes, Dataset, Encoder, Error, Feature, Grouping, Method, Model, Recipe, Schema};

/// What a method learns from, and how.
#[derive(Clone, Copy)]
pub(crate) struct Lesson<'a> {
    pub(crate) dataset: &'a Dataset,
    /// The columns, with the names of all rows that are known, of which the data set may be a part.
    pub(crate) schema: &'a Schema,
    pub(crate) grouping: Grouping,
    /// How columns are encoded, where not as the method wants; the parts of an ensemble have each their own way.
    pub(crate) recipe: Option<Recipe>,
    pub(crate) seed: u64,
}

impl Lesson<'_> {
    /// The same lesson for the part of an ensemble at this place, with random numbers of its own.
    pub(crate) fn part(&self, place: usize) -> Self {
        let seed = self.seed.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Lesson { seed, recipe: None, ..*self }
    }
}

/// An encoder and a model, fitted on the rows that the method learns from: one that learns from labels on all of them,
/// any other on the benign ones, or on all where the truth is unknown.
pub(crate) fn learn(method: &Method, lesson: &Lesson) -> Result<(Encoder, Model), Error> {
    method.check()?;
    let normal;
    let dataset = match (method.is_supervised(), lesson.dataset.attacks()) {
        (true, None) => return Err(Error::Unlabelled(method.name())),
        (false, Some(_)) => {
            normal = lesson.dataset.select(&lesson.dataset.benign_rows());
            &normal
        }
        _ => lesson.dataset,
    };
    if dataset.rows() == 0 {
        return Err(Error::Empty("benign rows"));
    }
    let lesson = &Lesson { dataset, ..*lesson };
    match method {
        Method::Voting(voting) => {
            let (encoder, votes) = voting.learn(lesson)?;
            Ok((encoder, Model::Voting(votes)))
        }
        Method::Stacking(stacking) => {
            let (encoder, stack) = stacking.learn(lesson)?;
            Ok((encoder, Model::Stacking(stack)))
        }
        _ => {
            let (table, attacks) = (dataset.table(), dataset.attacks());
            let recipe = lesson.recipe.unwrap_or(method.recipe());
            let encoder = Encoder::fit_under(lesson.schema.clone(), table, attacks, recipe)?;
            let matrix = encoder.encode_training(table, attacks, lesson.seed)?.with_features(features(&encoder))?;
            let truth = if method.is_supervised() { Classes::of(dataset, lesson.grouping) } else { None };
            let model = method.fit(&matrix, truth.as_ref(), lesson.seed)?;
            Ok((encoder, model))
        }
    }
}

/// What the values of an encoded row are.
fn features(encoder: &Encoder) -> Vec<Feature> {
    encoder.names().into_iter().zip(encoder.codes()).map(|(name, is_code)| Feature { name, is_code }).collect()
}
