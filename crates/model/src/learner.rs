//! Models that go on learning.

use crate::{Classes, Error, Matrix, Method, Model};

/// A model that goes on learning from data that never end; every moment's state is a [`Model`] that can be kept.
///
/// A model itself never changes, so that what is saved, shared between threads or compared stays what it was. A learner
/// owns one and replaces it. Only methods that take one row after the other have learners
/// ([`Method::is_online`](crate::Method::is_online)); their memory does not grow with the rows.
///
/// ```
/// use model::{Learner, Matrix, Method};
/// let first = Matrix::new(1, (0..500).map(|row| (row % 10) as f32).collect()).unwrap();
/// let model = Method::HalfSpaceTrees(Default::default()).fit(&first, None, 1).unwrap();
///
/// let mut learner = Learner::of(model.clone()).unwrap();
/// learner.learn(&Matrix::new(1, vec![4.2; 500]).unwrap(), None).unwrap();
/// let row = Matrix::new(1, vec![4.2]).unwrap();
/// assert!(learner.model().scores(&row).unwrap() < model.scores(&row).unwrap());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Learner {
    model: Model,
}

impl Learner {
    /// Goes on from this model; refused where its method fits a table as a whole.
    pub fn of(model: Model) -> Result<Learner, Error> {
        match model {
            Model::HalfSpaceTrees(_) | Model::RandomCutForest(_) | Model::OnlineLogistic(_) => Ok(Learner { model }),
            _ => Err(whole()),
        }
    }

    /// Takes more rows, in the order of time, encoded as those that were fitted on. A method that learns from labels
    /// needs their classes, named as those that were fitted on; any other learns from all rows, so leave attacks out.
    /// After an error nothing has been learned.
    pub fn learn(&mut self, matrix: &Matrix, truth: Option<&Classes>) -> Result<(), Error> {
        self.model.accepts(matrix)?;
        match &mut self.model {
            Model::HalfSpaceTrees(spaces) => spaces.learn(matrix),
            Model::RandomCutForest(cuts) => cuts.learn(matrix),
            Model::OnlineLogistic(proximal) => {
                let truth = truth.ok_or(Error::Unlabelled("online-logistic"))?;
                if truth.rows() != matrix.rows() {
                    return Err(Error::Length { what: "labels", expected: matrix.rows(), found: truth.rows() });
                }
                if truth.names() != proximal.classes() {
                    return Err(Error::OtherClasses { expected: proximal.classes().join(", ") });
                }
                proximal.learn(matrix, truth);
            }
            _ => return Err(whole()),
        }
        Ok(())
    }

    /// What it has learned so far.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What it has learned, when no more comes.
    pub fn into_model(self) -> Model {
        self.model
    }
}

fn whole() -> Error {
    let online = Method::all().into_iter().filter(Method::is_online);
    Error::Whole(online.map(|method| method.name()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: usize) -> (Matrix, Classes) {
        let values = (0..rows * 2).map(|place| ((place * 13) % 17) as f32);
        let attacks: Vec<bool> = (0..rows).map(|row| row % 4 == 0).collect();
        (Matrix::new(2, values.collect()).unwrap(), Classes::binary(&attacks))
    }

    #[test]
    fn exactly_the_online_methods_have_learners() {
        let (matrix, truth) = rows(40);
        for method in Method::all() {
            let Ok(model) = method.fit(&matrix, Some(&truth), 1) else {
                assert!(!method.is_online(), "{}", method.name());
                continue;
            };
            assert_eq!(Learner::of(model).is_ok(), method.is_online(), "{}", method.name());
        }
    }

    #[test]
    fn a_learner_of_a_saved_model_goes_on_as_if_it_had_never_been_saved() {
        let ((first, truth), (more, later)) = (rows(300), rows(90));
        for method in Method::all().into_iter().filter(Method::is_online) {
            let model = method.fit(&first, Some(&truth), 1).unwrap();
            let saved = postcard::to_stdvec(&model).unwrap();
            let mut learners = [model, postcard::from_bytes(&saved).unwrap()].map(|model| Learner::of(model).unwrap());
            learners.iter_mut().for_each(|learner| learner.learn(&more, Some(&later)).unwrap());
            assert_eq!(learners[0], learners[1], "{}", method.name());
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_rows() {
        let ((first, truth), (more, later)) = (rows(3000), rows(30_000));
        for method in Method::all().into_iter().filter(Method::is_online) {
            let mut learner = Learner::of(method.fit(&first, Some(&truth), 1).unwrap()).unwrap();
            let size = |learner: &Learner| postcard::to_stdvec(learner.model()).unwrap().len();
            let before = size(&learner);
            learner.learn(&more, Some(&later)).unwrap();
            assert!(size(&learner) <= before * 11 / 10, "{} {before} {}", method.name(), size(&learner));
        }
    }

    #[test]
    fn other_widths_and_classes_are_refused_and_change_nothing() {
        let (matrix, truth) = rows(300);
        let other = Classes::new(vec![0; 300], vec!["benign".into(), "scan".into()]).unwrap();
        for method in Method::all().into_iter().filter(Method::is_online) {
            let mut learner = Learner::of(method.fit(&matrix, Some(&truth), 1).unwrap()).unwrap();
            let before = learner.clone();
            assert!(learner.learn(&Matrix::new(1, vec![0.0]).unwrap(), Some(&truth)).is_err(), "{}", method.name());
            if method.is_supervised() {
                assert!(matches!(learner.learn(&matrix, Some(&other)), Err(Error::OtherClasses { .. })));
                assert!(matches!(learner.learn(&matrix, None), Err(Error::Unlabelled(_))));
            }
            assert_eq!(learner, before, "{}", method.name());
        }
    }
}
