//! Why a simulation cannot go on.

use crate::attack::Attack;
use crate::network::Network;

/// Why there is no simulation, or no capture of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An office has a least and a most number of machines.
    #[error("an office of {hosts} hosts: choose from {fewest} to {most}", fewest = Network::FEWEST, most = Network::MOST)]
    Hosts {
        /// The number asked for.
        hosts: usize,
    },
    /// The time to simulate must be a positive number, and a month at most.
    #[error("{hours} hours: choose more than 0 and at most {most}", most = crate::settings::MOST_HOURS)]
    Hours {
        /// The number asked for.
        hours: f64,
    },
    /// A shift takes place within the time that is simulated.
    #[error("a shift after {at} hours: choose from 0 to less than the {hours} hours of the simulation")]
    Shift {
        /// When it was asked for.
        at: f64,
        /// How long the simulation is.
        hours: f64,
    },
    /// Of each packet the headers must be kept.
    #[error("{snap} bytes of each packet: keep at least {least}", least = crate::settings::LEAST_SNAP)]
    Snap {
        /// The number asked for.
        snap: usize,
    },
    /// No attack has this name.
    #[error("no attack is called {name:?}; there are {}", Attack::ALL.map(Attack::name).join(", "))]
    UnknownAttack {
        /// The name asked for.
        name: String,
    },
    /// The capture could not be written.
    #[error("cannot write the capture")]
    Capture(#[from] pcap_file::PcapError),
    /// The labels could not be written.
    #[error("cannot write the labels")]
    Labels(#[from] csv::Error),
    /// What was written could not be handed on.
    #[error("cannot write to the end")]
    Flush(#[from] std::io::Error),
}
