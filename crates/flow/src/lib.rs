//! The vocabulary of Lapwing: what a flow is, how it is keyed and timed, which features it has, and the table that
//! models eat.
//!
//! Every other crate speaks these words. This one does no input or output, starts no threads, reads no clock, and
//! knows nothing of where flows come from or what judges them.

mod act;
mod application;
mod claim;
mod community_id;
mod content;
mod country;
mod distinct;
mod domain;
pub mod features;
mod flow;
mod history;
mod key;
mod label;
mod notice;
mod printable;
mod table;
mod text;
mod time;
mod tunnel;

pub use act::{Act, Acts};
pub use application::{Application, Dns, Echo, Http, Tls, entropy};
pub use claim::{Arp, Claim, Dhcp, Lessor};
pub use community_id::community_id;
pub use content::Content;
pub use country::Country;
pub use distinct::{Distinct, fingerprint};
pub use domain::registered_domain;
pub use flow::{Detail, Ended, Flags, Flow, Moments, Side, State};
pub use history::History;
pub use key::{Endpoint, Key, Protocol};
pub use label::Label;
pub use notice::Notice;
pub use printable::{is_plain, plain, printable};
pub use table::{Category, Column, Table, TableError, Values};
pub use text::Unreadable;
pub use time::{Duration, Time};
pub use tunnel::{Tunnel, TunnelKind};
