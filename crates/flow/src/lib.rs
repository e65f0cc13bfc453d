//! The vocabulary of Lapwing: what a flow is, how it is keyed and timed, which features it has, and the table that
//! models eat.
//!
//! Every other crate speaks these words. This one does no input or output, starts no threads, reads no clock, and
//! knows nothing of where flows come from or what judges them.

pub mod features;
mod flow;
mod key;
mod label;
mod table;
mod time;

pub use flow::{Detail, Ended, Flags, Flow, Moments, Side, State};
pub use key::{Endpoint, Key, Protocol};
pub use label::Label;
pub use table::{Category, Column, Table, TableError, Values};
pub use time::{Duration, Time};
