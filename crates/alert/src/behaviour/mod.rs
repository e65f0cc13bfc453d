//! What hosts do over time, told by stated statistical tests and without any training.
//!
//! Each behaviour is a [`Watch`]: it takes flows, in any order, and says at any time what it has seen. Its tests name
//! the hypothesis that they reject, the windows they look through (seconds, minutes, the whole input) and the least
//! count worth a person's time.

mod brute_force;
mod contacts;
mod flood;
mod http_flood;
pub(crate) mod load;
mod reflection;
mod scale;
mod scan;
mod spraying;
mod sweep;
mod timeline;
pub(crate) mod tracks;
pub(crate) mod words;

use flow::{Flow, Time};
use serde::{Deserialize, Serialize};

use crate::{Evidence, Home};

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// One host tries many ports or protocols of another.
    PortScan,
    /// One host tries many hosts.
    HostSweep,
    /// One host asks for many addresses of its own network.
    ArpScan,
    /// More half-open TCP connections than a service can want.
    SynFlood,
    /// TCP packets outside any conversation, more than strays.
    TcpFlood,
    /// More UDP than anyone answers.
    UdpFlood,
    /// More ICMP than anyone needs.
    IcmpFlood,
    /// More web requests than people make.
    HttpFlood,
    /// Answers that nobody asked for, from many hosts.
    Reflection,
    /// Log-ins tried again and again.
    PasswordGuessing,
    /// What another detector said.
    Reported,
    /// Unlike what the network usually does.
    Anomaly,
    /// Like attacks that a detector was taught.
    Recognised,
}

impl Behaviour {
    /// Every behaviour.
    pub const ALL: [Behaviour; 13] = [
        Behaviour::PortScan,
        Behaviour::HostSweep,
        Behaviour::ArpScan,
        Behaviour::SynFlood,
        Behaviour::TcpFlood,
        Behaviour::UdpFlood,
        Behaviour::IcmpFlood,
        Behaviour::HttpFlood,
        Behaviour::Reflection,
        Behaviour::PasswordGuessing,
        Behaviour::Reported,
        Behaviour::Anomaly,
        Behaviour::Recognised,
    ];

    /// Whether a detector that learned says so.
    pub const fn is_learned(self) -> bool {
        matches!(self, Behaviour::Anomaly | Behaviour::Recognised)
    }

    /// Its name in alerts.
    pub const fn name(self) -> &'static str {
        match self {
            Behaviour::PortScan => "port-scan",
            Behaviour::HostSweep => "host-sweep",
            Behaviour::ArpScan => "arp-scan",
            Behaviour::SynFlood => "syn-flood",
            Behaviour::TcpFlood => "tcp-flood",
            Behaviour::UdpFlood => "udp-flood",
            Behaviour::IcmpFlood => "icmp-flood",
            Behaviour::HttpFlood => "http-flood",
            Behaviour::Reflection => "reflection",
            Behaviour::PasswordGuessing => "password-guessing",
            Behaviour::Reported => "reported",
            Behaviour::Anomaly => "anomaly",
            Behaviour::Recognised => "recognised",
        }
    }
}

/// Watches flows for one behaviour.
pub trait Watch: Send {
    /// Takes in one more flow.
    fn observe(&mut self, flow: &Flow);

    /// What was seen so far, in an order that hangs on nothing but the flows.
    fn evidence(&self) -> Vec<Evidence>;

    /// Drops what it kept of those who did nothing since that time. What it knows of a network in the long run stays.
    fn forget(&mut self, before: Time);
}

/// One watch for each behaviour that needs no training, in a network of these homes.
pub fn watches(_home: &Home) -> Vec<Box<dyn Watch>> {
    vec![
        Box::<scan::Scans>::default(),
        Box::<sweep::Sweeps>::default(),
        Box::<flood::Floods>::default(),
        Box::<http_flood::HttpFloods>::default(),
        Box::<reflection::Reflections>::default(),
        Box::<brute_force::Guesses>::default(),
        Box::<spraying::Sprays>::default(),
    ]
}
