//! An office network and the attacks on it, as packets.
//!
//! Detectors need captures of which it is known what is in them, and a project cannot carry anyone's real traffic. This
//! crate makes both: an office of workstations, servers and printers on a working day, and labelled attacks done as the
//! common tools do them. The packets are whole (checksums, sequence numbers, handshakes, answers), come in the order of
//! time and are the same bytes on every machine for the same [`Settings`].
//!
//! ```
//! use simulator::{Attack, Settings, simulate};
//!
//! let settings = Settings { hours: 0.02, attacks: vec![Attack::ArpScan], ..Settings::default() };
//! let mut capture = Vec::new();
//! let report = simulate(&settings, &mut capture)?;
//! assert_eq!(report.planted[0].behaviour, "arp-scan");
//! assert!(report.packets > report.planted[0].packets);
//! # Ok::<(), simulator::Error>(())
//! ```
//!
//! It does not model queues, congestion or radio, and what is encrypted is noise. It is there to see that a detector
//! works, not to say how well it does on a network of the world: for that, use captures of that network.
//!
//! The program's verb `simulate` and the tests of the rooms that read packets share it, which is why it is a crate.

mod activity;
mod attack;
mod benign;
mod capture;
mod content;
mod error;
mod network;
mod protocol;
mod random;
mod scene;
mod settings;
mod simulation;
mod tcp;
mod wire;

pub use attack::Attack;
pub use capture::{Report, simulate, write_capture, write_labels};
pub use error::Error;
pub use settings::Settings;
pub use simulation::{Packet, Planted, Simulation};
