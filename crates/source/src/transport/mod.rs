//! Where the bytes come from.

pub mod file;
pub mod udp;
