//! The running pipeline: flows in, alerts out, and the training of detectors.
//!
//! [`run::scan`] is the one path from flows to alerts; [`anomaly`] is the voice that learns the network's own traffic, or
//! a detector in its place. [`train`] makes detectors of tables, [`search`] finds settings for them, [`onward`] lets them
//! learn on, and [`activation`] keeps the one that a site uses. [`keep`] has the store keep what a run reads and finds,
//! [`replay`] gives its flows out again, [`delivery`] brings alerts to other systems. Captures and logs are opened by the
//! caller; nothing here prints.

pub mod activation;
pub mod anomaly;
mod clock;
pub mod comparison;
pub mod config;
pub mod delivery;
mod error;
pub mod keep;
mod ledger;
pub mod onward;
pub mod partition;
mod reasons;
pub mod replay;
pub mod run;
pub mod search;
pub mod tables;
pub mod train;

pub use error::Error;
