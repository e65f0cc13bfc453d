//! How much each column varies.

use crate::evaluation::statistics::moments;
use crate::{Dataset, Encoder, Error, Recipe};

/// The variance of each column once encoded: of the values that it becomes together, each missing value counting as one
/// more way to vary.
pub(super) fn of_columns(dataset: &Dataset, recipe: Recipe) -> Result<Vec<f64>, Error> {
    let encoder = Encoder::fit(dataset.table(), dataset.attacks(), recipe)?;
    let matrix = encoder.encode(dataset.table())?;
    let (width, mut variances) = (matrix.width(), vec![0.0; dataset.table().columns().len()]);
    for (place, column) in encoder.sources().into_iter().enumerate() {
        let values = matrix.values().iter().skip(place).step_by(width);
        let present: Vec<f64> = values.filter(|value| !value.is_nan()).map(|&value| f64::from(value)).collect();
        let there = present.len() as f64 / matrix.rows() as f64;
        let spread = moments(&present).map_or(0.0, |moments| moments.deviation.powi(2));
        variances[column] += spread + there * (1.0 - there);
    }
    Ok(variances)
}
