//! Packets become flows. Pure: time and bytes in, flows out; no files, threads or clock.
//!
//! [`Meter`] decodes each packet ([`decode`]), puts late ones back into their place, and keeps one record a conversation
//! in a bounded table. A packet inside a tunnel is in a flow of its own, beside the packet around it. What the meter
//! cannot use it skips and counts by reason: the packets given and those found inside them equal the packets in flows
//! plus the packets skipped.
//!
//! What the first payload of a conversation tells without decryption (names asked for, TLS and QUIC hellos, request
//! heads) is read when its packet arrives. Payload is not kept, and streams are not reassembled beyond that. It reads no
//! files.

mod application;
mod chunks;
mod cic;
mod conversation;
pub mod decode;
mod flows;
mod fragments;
mod history;
mod meter;
mod order;
mod parties;
mod tcp;

pub use decode::{Link, Skip};
pub use meter::{Counts, Meter, Packets, Settings, Vlans};
pub use parties::{Parties, is_wanted};
