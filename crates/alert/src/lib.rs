//! Evidence becomes alerts.
//!
//! [`behaviour`] watches what hosts do over time and gives [`Evidence`] without any training; [`learned`] turns the
//! verdicts of a detector into evidence of the same kind, [`reported`] what other detectors said; [`triage`] makes the few
//! alerts of it that a person must look at: one for each host and behaviour, most urgent first; [`incidents`] puts those
//! together that are one story.
//!
//! This crate reads no files, opens no sockets and keeps nothing on disk; [`sink`] writes alerts in the formats of other
//! systems, [`page`] a report for people; whoever sends or keeps them stands elsewhere.

mod alert;
mod attack;
pub mod behaviour;
mod behind;
pub mod budget;
mod evidence;
mod home;
mod incident;
pub mod learned;
pub mod page;
pub mod reported;
mod risk;
mod severity;
pub mod sink;
mod suppression;
mod triage;
mod verdict;

pub use alert::Alert;
pub use attack::{Tactic, Technique};
pub use behaviour::Behaviour;
pub use evidence::{Evidence, Example, Fact, Facts, Host, Role};
pub use home::Home;
pub use incident::{Incident, incidents};
pub use risk::risks;
pub use severity::Severity;
pub use suppression::{Scope, Suppression};
pub use triage::{Triaged, episode, triage};
pub use verdict::{Finding, Verdict};
