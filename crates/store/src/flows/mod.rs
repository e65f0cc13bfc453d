//! Flows by the hour in which they came, in files of Parquet.
//!
//! What comes is written as a small file of its own, and listed in the database when that file is on the disk: from then on
//! it is kept. When an hour is over, its files become one. Flows are numbered in the order in which they came, so a file
//! may take the place of several while somebody reads.

mod columns;
mod file;
pub(crate) mod files;
mod notices;
mod read;
mod retention;
mod sheet;
mod write;

pub use read::{Replay, Span};
pub use retention::{Retention, Tidied};

/// The folder of the flows.
pub(crate) const FLOWS: &str = "flows";
/// The folder of the flows that analysts confirmed.
pub(crate) const LABELS: &str = "labels";
const HOUR: i64 = 3_600_000_000_000;
