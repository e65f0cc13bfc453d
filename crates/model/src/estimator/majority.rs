//! The majority class.

use serde::{Deserialize, Serialize};

use crate::space::Dimension;
use crate::{Classes, Error, Matrix, Probabilities};

/// Answers every row with the shares of the classes among the training rows: what any classifier must beat. Has no
/// settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Majority {}

impl Majority {
    /// Nothing: it has no settings.
    pub(super) fn space(&self) -> Vec<Dimension> {
        Vec::new()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) fn fit(&self, matrix: &Matrix, truth: &Classes) -> Shares {
        let rows = truth.rows() as f64;
        let shares = truth.sizes().into_iter().map(|size| (size as f64 / rows) as f32).collect();
        Shares { shares, classes: truth.names().to_vec(), width: matrix.width() as u32 }
    }
}

/// The share of each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    shares: Vec<f32>,
    classes: Vec<String>,
    width: u32,
}

impl Shares {
    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn probabilities(&self, matrix: &Matrix) -> Probabilities {
        Probabilities::new(self.shares.len(), self.shares.repeat(matrix.rows()))
    }

    pub(super) fn check(&self, width: usize) -> Result<(), Error> {
        let shares = self.shares.iter().all(|share| (0.0..=1.0).contains(share));
        if self.width() != width || self.shares.len() != self.classes.len() || self.classes.len() < 2 || !shares {
            return Err(Error::Damaged("shares of unknown classes".into()));
        }
        Ok(())
    }
}
