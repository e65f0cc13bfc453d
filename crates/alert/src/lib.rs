//! Evidence becomes alerts.
//!
//! [`behaviour`] watches what hosts do over time and gives [`Evidence`] without any training; [`learned`] turns the
//! verdicts of a detector into evidence of the same kind, [`reported`] what other detectors said; [`triage`] makes the few alerts of it that a person must look
//! at: one for each host and behaviour, most urgent first.
//!
//! This crate reads no files, opens no sockets and keeps nothing on disk; [`sink`] writes alerts in the formats of other
//! systems, [`page`] a report for people; whoever sends or keeps them stands elsewhere.

mod alert;
mod attack;
pub mod behaviour;
mod evidence;
mod home;
pub mod learned;
pub mod page;
pub mod reported;
mod severity;
pub mod sink;
mod triage;

pub use alert::Alert;
pub use attack::{Tactic, Technique};
pub use behaviour::Behaviour;
pub use evidence::{Evidence, Example, Fact, Facts, Host, Role};
pub use home::Home;
pub use severity::Severity;
pub use triage::triage;
