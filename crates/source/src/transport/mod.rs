//! Where the bytes come from.

pub mod file;
pub mod filter;
pub mod folder;
#[cfg(target_os = "linux")]
mod lane;
#[cfg(target_os = "linux")]
pub mod live;
#[cfg(target_os = "linux")]
pub mod ring;
pub mod tail;
pub mod udp;
