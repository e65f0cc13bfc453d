//! What is simulated.

use flow::Time;

use crate::attack::Attack;

/// What is simulated: the same settings give the same packets on every machine.
///
/// The office itself depends on `hosts` alone. Two seeds are two days in it, so that a detector can learn the one
/// without attacks and be tried on the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Fixes every random choice; 1 by default.
    pub seed: u64,
    /// Machines in the office, servers and printers among them, from 16 to 500; 40 by default, a small office.
    pub hosts: usize,
    /// How long the capture is; 1 by default, enough for every attack and yet quickly read.
    pub hours: f64,
    /// When the capture begins, which decides how busy the office is; by default a Tuesday at 09:00 UTC, when it is.
    pub start: Time,
    /// When the office changes, in hours after the start, without any attack: half as many workstations more, in a
    /// network of their own, a program that all poll every minute, and one more backup at night. Never by default.
    pub shift_at: Option<f64>,
    /// How many bytes of each packet are kept, as `tcpdump -s` does; all by default. Checksums and lengths are those of
    /// the whole packet.
    pub snap: Option<usize>,
    /// What is planted, one after the other and each as often as it is named; every attack by default.
    pub attacks: Vec<Attack>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            hosts: 40,
            hours: 1.0,
            // 2025-03-04T09:00:00Z
            start: Time::from_nanoseconds(1_741_078_800_000_000_000),
            shift_at: None,
            snap: None,
            attacks: Attack::ALL.to_vec(),
        }
    }
}

/// Less would cut the headers.
pub(crate) const LEAST_SNAP: usize = 64;

/// A month: more would take days to read.
pub(crate) const MOST_HOURS: f64 = 744.0;
