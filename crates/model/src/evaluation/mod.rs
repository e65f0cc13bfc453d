//! How good a detector is, without fooling its reader.
//!
//! Splits decide what is learned from and what is tested on ([`split`]), thresholds come from validation rows only
//! ([`Rule`]), figures never show recall without false positives ([`Figures`]), [`bootstrap`] says how far the luck of the
//! test rows goes, [`mcnemar`] and [`delong`] whether one detector is better than another, and the [`audit`] says what
//! makes figures look better than they are.

pub mod audit;
mod compare;
mod comparison;
mod confusion;
mod curve;
mod interval;
mod latency;
mod metrics;
mod multiclass;
mod outcome;
mod profile;
mod refusals;
mod reliability;
pub mod split;
pub mod statistics;
mod threshold;
pub mod tune;

pub use audit::{Drift, Finding, Overruled, Role, Severity, suspects};
pub use compare::{DeLong, McNemar, delong, mcnemar};
pub use comparison::{Comparison, Contender, Entry, Pair};
pub use confusion::Confusion;
pub use curve::Curve;
pub use interval::{Interval, bootstrap};
pub use latency::Latency;
pub use metrics::{Figures, KindFigures};
pub use multiclass::{ClassFigures, OneClass};
pub use outcome::{Outcome, Tested};
pub use profile::{Association, ColumnProfile, Difference, Numbers, Profile, Summary};
pub use refusals::{Refusals, Refused};
pub use reliability::{Bin, Calibrated, Reliability};
pub use split::Split;
pub use threshold::Rule;
