//! How good a detector is, without fooling its reader.
//!
//! Splits decide what is learned from and what is tested on ([`split`]), thresholds come from validation rows only
//! ([`threshold`]), figures never show recall without false positives ([`metrics`]), and the [`audit`] says what makes
//! figures look better than they are.

pub mod audit;
pub mod metrics;
pub mod split;
mod suspect;
pub mod threshold;

pub use audit::{Finding, Severity};
pub use metrics::{Confusion, Figures, KindFigures};
pub use split::Split;
pub use suspect::{Role, suspects};
pub use threshold::Rule;
