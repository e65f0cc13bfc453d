//! What an analyst says of an alert.

use std::fmt;
use std::str::FromStr;

use flow::{Time, Unreadable};
use serde::{Deserialize, Serialize};

/// What an analyst says of an alert. Every one is kept; the latest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The alert's identifier.
    pub alert: String,
    /// What it was.
    pub finding: Finding,
    /// Why, in the analyst's words; may be empty.
    pub note: String,
    /// Who says so.
    pub by: String,
    /// When it was said.
    pub time: Time,
}

/// What an alert turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// An attack, or what an attacker would have done.
    True,
    /// Nothing of the kind: the detector erred.
    False,
    /// It took place and is allowed: a scanner of our own, a backup.
    Benign,
}

impl Finding {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Finding::True => "true",
            Finding::False => "false",
            Finding::Benign => "benign",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Finding {
    type Err = Unreadable;

    fn from_str(name: &str) -> Result<Finding, Unreadable> {
        let all = [Finding::True, Finding::False, Finding::Benign];
        all.into_iter().find(|finding| finding.name() == name).ok_or(Unreadable("true, false or benign"))
    }
}
