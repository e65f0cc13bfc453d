//! How urgent an alert is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How urgent an alert is, from what may be looked at some day to what must be looked at now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; no action expected.
    Info,
    /// Unusual; look when there is time.
    Low,
    /// Likely hostile or broken; look today.
    Medium,
    /// Hostile and under way; look now.
    High,
    /// Hostile and probably successful; act now.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        })
    }
}
