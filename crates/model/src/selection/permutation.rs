//! How much worse rows are judged when a column is shuffled.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

use crate::evaluation::statistics::moments;
use crate::evaluation::{Curve, split};
use crate::learn::{Lesson, learn};
use crate::{Classes, Dataset, Error, Grouping, Matrix, Method, Model};

/// By how much the error rises when a column is shuffled.
pub(super) struct Rise {
    /// The mean over the repeats.
    pub(super) mean: f64,
    /// The standard error of that mean.
    standard_error: f64,
}

impl Rise {
    /// Whether it is more than the luck of shuffling.
    pub(super) fn is_beyond_chance(&self) -> bool {
        self.mean > 2.0 * self.standard_error
    }
}

/// The rise of each column: the method learns from three quarters of the rows, and the others are judged with the column
/// shuffled. All values that a column becomes are shuffled together.
pub(super) fn of_columns(method: &Method, lesson: &Lesson) -> Result<Vec<Rise>, Error> {
    let dataset = lesson.dataset;
    dataset.attacks().ok_or(Error::Unlabelled("selection by permutation"))?;
    let share = HELD_BACK.min(MOST_ROWS / dataset.rows().max(1) as f64);
    let part = split::stratified(dataset, share, lesson.seed)?;
    let (learned, held) = (dataset.select(&part.train), dataset.select(&part.test));
    let (encoder, model) = learn(method, &Lesson { dataset: &learned, ..*lesson })?;
    let matrix = encoder.encode(held.table())?;
    let judge = Judge::of(&held, lesson.grouping, &model)?;
    let (whole, sources) = (judge.error(&model, &matrix)?, encoder.sources());
    let rise = |column: usize| -> Result<Rise, Error> {
        let places: Vec<usize> = (0..sources.len()).filter(|&place| sources[place] == column).collect();
        let mut rises = Vec::with_capacity(REPEATS);
        for repeat in 0..REPEATS {
            let stream = (column * REPEATS + repeat) as u64;
            let mut random =
                Pcg64Mcg::seed_from_u64(lesson.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(stream));
            rises.push(judge.error(&model, &shuffled(&matrix, &places, &mut random))? - whole);
        }
        let (mean, deviation) = moments(&rises).map_or((0.0, 0.0), |moments| (moments.mean, moments.deviation));
        Ok(Rise { mean, standard_error: deviation / (REPEATS as f64).sqrt() })
    };
    (0..dataset.table().columns().len()).into_par_iter().map(rise).collect()
}

/// The matrix with the values at these places of the rows dealt anew among the rows.
fn shuffled(matrix: &Matrix, places: &[usize], random: &mut Pcg64Mcg) -> Matrix {
    let (width, mut values) = (matrix.width(), matrix.values().to_vec());
    let mut order: Vec<usize> = (0..matrix.rows()).collect();
    order.shuffle(random);
    for (row, from) in values.chunks_exact_mut(width).zip(order) {
        places.iter().for_each(|&place| row[place] = matrix.row(from)[place]);
    }
    Matrix::encoded(width, values, matrix.has_missing())
}

/// The truth of some rows, to judge a model by.
pub(super) struct Judge<'a> {
    attacks: &'a [bool],
    /// The class of each row by its place in the model's classes; `None` of one that it does not know.
    classes: Vec<Option<usize>>,
    /// The rows of each of these.
    sizes: Vec<usize>,
}

impl<'a> Judge<'a> {
    /// Refuses rows of one side only, of which no model can be said to be better than another.
    pub(super) fn of(rows: &'a Dataset, grouping: Grouping, model: &Model) -> Result<Judge<'a>, Error> {
        let attacks = rows.attacks().ok_or(Error::Unlabelled("selection"))?;
        match (attacks.contains(&true), attacks.contains(&false)) {
            (true, true) => {}
            (true, false) => return Err(Error::OneClass("an attack")),
            _ => return Err(Error::OneClass("benign")),
        }
        let truth = Classes::of(rows, grouping).ok_or(Error::Unlabelled("selection"))?;
        let place = |name: &String| model.classes().iter().position(|class| class == name);
        let places: Vec<Option<usize>> = truth.names().iter().map(place).collect();
        let classes: Vec<Option<usize>> = truth.codes().iter().map(|&code| places[code as usize]).collect();
        let mut sizes = vec![0; model.classes().len()];
        classes.iter().flatten().for_each(|&class| sizes[class] += 1);
        Ok(Judge { attacks, classes, sizes })
    }

    /// How wrong a model is: of one that tells classes apart the mean squared distance of its probabilities from the truth,
    /// every class weighing the same (Brier 1950); of any other 1 less the area under the receiver operating
    /// characteristic.
    pub(super) fn error(&self, model: &Model, matrix: &Matrix) -> Result<f64, Error> {
        let Some(probabilities) = model.probabilities(matrix)? else {
            let curve = Curve::of(model.scores(matrix)?, self.attacks);
            return Ok(1.0 - curve.roc_auc().unwrap_or(0.5));
        };
        let mut sums = vec![0.0; self.sizes.len()];
        for (row, class) in self.classes.iter().enumerate() {
            let Some(own) = *class else { continue };
            let gap = |(class, &share): (usize, &f32)| (f64::from(share) - f64::from(u8::from(class == own))).powi(2);
            sums[own] += probabilities.row(row).iter().enumerate().map(gap).sum::<f64>();
        }
        let used = self.sizes.iter().filter(|rows| **rows > 0).count().max(1) as f64;
        let means = sums.iter().zip(&self.sizes).filter(|(_, rows)| **rows > 0).map(|(sum, &rows)| sum / rows as f64);
        Ok(means.sum::<f64>() / used)
    }
}

/// The share of the rows that are held back to be judged.
const HELD_BACK: f64 = 0.25;
/// No more rows are judged: more change no order.
const MOST_ROWS: f64 = 20_000.0;
/// How often each column is shuffled.
const REPEATS: usize = 5;
