//! Everything that Lapwing can read becomes flows or a table.
//!
//! A transport says where the bytes come from ([`transport`]), a format what they mean ([`mod@format`]). [`Input`] puts the
//! two together for files: it looks at the first bytes, not at the name, and gives batches of flows. What cannot be read
//! is skipped and counted by reason; only what stops the reading is an [`Error`], which names the file and what to do.
//!
//! This crate judges nothing and knows nothing of models.

mod batch;
mod captures;
mod error;
mod follow;
pub mod format;
mod input;
mod merge;
mod opening;
pub mod transport;

pub use batch::{Batch, Report, Source};
pub use captures::Captures;
pub use error::Error;
pub use follow::Follow;
pub use input::{EXPORTED, Input};
pub use opening::Settings;
