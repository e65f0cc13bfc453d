//! What stops a scan or a training.

/// Why a scan or a training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A detector cannot be trained or does not fit the table.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Tables do not fit together.
    #[error(transparent)]
    Table(#[from] flow::TableError),
    /// No row of a table could be used.
    #[error("{path}: none of its {rows} rows can be used; most of all: {reason}", path = .path.display())]
    NoRows {
        /// The file.
        path: std::path::PathBuf,
        /// The rows read.
        rows: u64,
        /// The reason that most of them were skipped for.
        reason: String,
    },
    /// A budget without a baseline.
    #[error(
        "a budget of alerts a day needs a baseline (--baseline): captures or flow logs of a week or more of this network"
    )]
    NoBaseline,
    /// A baseline is too short for a budget.
    #[error(
        "a budget needs a baseline of {least:.0} days at least, this one is {days:.1}: some days to learn from, the rest to see how many alerts a day a line makes"
    )]
    BudgetBaseline {
        /// How long it is, in days.
        days: f64,
        /// How long it should be.
        least: f64,
    },
    /// The configuration is not understood.
    #[error("configuration: {0}")]
    Config(String),
    /// A column was asked for that the tables do not have, or none could be found by itself.
    #[error("{0}")]
    Column(String),
    /// A detector that the audit forbids to run.
    #[error("the audit forbids to run this detector: {}; train it without the column (--drop COLUMN), or overrule the error by the name in brackets: --allow NAME --reason WHY", .0.join("; "))]
    Audit(Vec<String>),
    /// There is nothing to go back to.
    #[error("no detector is active, so there is none to go back from; `lapwing activate DETECTOR` makes one")]
    NoneActive,
    /// The folder of the active detector cannot be used.
    #[error("{}: {reason}", path.display())]
    State {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// What was found out cannot be written.
    #[error("cannot write")]
    Write(#[from] std::io::Error),
    /// The baseline holds too little to learn from.
    #[error("the baseline holds {flows} flows; at least {least} are needed to learn what is normal")]
    Baseline {
        /// Flows in the baseline.
        flows: usize,
        /// Flows needed.
        least: usize,
    },
}
