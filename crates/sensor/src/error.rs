//! What stops a scan or a training.

/// Why a scan or a training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A detector cannot be trained or does not fit the table.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Tables do not fit together.
    #[error(transparent)]
    Table(#[from] flow::TableError),
    /// The baseline holds too little to learn from.
    #[error("the baseline holds {flows} flows; at least {least} are needed to learn what is normal")]
    Baseline {
        /// Flows in the baseline.
        flows: usize,
        /// Flows needed.
        least: usize,
    },
}
