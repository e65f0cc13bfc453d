//! What hosts do over time, told by stated statistical tests and without any training.
//!
//! Each behaviour is a [`Watch`]: it takes flows, in any order, and says at any time what it has seen. Its tests name
//! the hypothesis that they reject, the windows they look through (seconds, minutes, the whole input) and the least
//! count worth a person's time.

mod arp_poisoning;
mod beacon;
mod brute_force;
mod call_home;
mod callback;
mod contacts;
mod destination;
mod dhcp;
mod dns_tunnel;
mod exfiltration;
mod flood;
mod http_flood;
mod icmp_tunnel;
mod lateral;
mod lateral_history;
pub(crate) mod load;
mod long_connection;
mod mining;
mod non_standard_port;
mod novelty;
mod one_way;
mod reflection;
mod scale;
mod scan;
mod slow_denial;
mod spoofing;
mod spraying;
mod spread;
mod sweep;
mod timeline;
pub(crate) mod tracks;
mod usual;
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
    /// Connections of a service held open, more than it can spare, with next to nothing said over them.
    SlowDenial,
    /// Administrative sessions from one inside host to another that has none such of it.
    LateralMovement,
    /// A server calls out as soon as it was called, in a way that it never does.
    Callback,
    /// A port answers that never did.
    NewService,
    /// A server talks with an outside network that it never talked with.
    NewPeer,
    /// A host answers for addresses that are another's.
    ArpPoisoning,
    /// Sources that cannot be who they say.
    AddressSpoofing,
    /// More clients ask for an address than there are hosts.
    DhcpStarvation,
    /// A second server gives out addresses, with another way out.
    RogueDhcp,
    /// Regular calls of one service outside.
    Beacon,
    /// Data in names that are asked for.
    DnsTunnel,
    /// Data in pings.
    IcmpTunnel,
    /// Work for a mining pool.
    CryptoMining,
    /// Web conversations of a program with somebody who goes by no name.
    CallHome,
    /// More bytes out than ever, or than anyone else sends.
    Exfiltration,
    /// A protocol on a port that is another's.
    NonStandardPort,
    /// A conversation that stays open for hours.
    LongConnection,
    /// A host that is heard by others and never by the sensor.
    OneWay,
    /// What another detector said.
    Reported,
    /// Unlike what the network usually does.
    Anomaly,
    /// Like attacks that a detector was taught.
    Recognised,
}

impl Behaviour {
    /// Every behaviour.
    pub const ALL: [Behaviour; 31] = [
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
        Behaviour::SlowDenial,
        Behaviour::LateralMovement,
        Behaviour::Callback,
        Behaviour::NewService,
        Behaviour::NewPeer,
        Behaviour::ArpPoisoning,
        Behaviour::AddressSpoofing,
        Behaviour::DhcpStarvation,
        Behaviour::RogueDhcp,
        Behaviour::Beacon,
        Behaviour::DnsTunnel,
        Behaviour::IcmpTunnel,
        Behaviour::CryptoMining,
        Behaviour::CallHome,
        Behaviour::Exfiltration,
        Behaviour::NonStandardPort,
        Behaviour::LongConnection,
        Behaviour::OneWay,
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
            Behaviour::SlowDenial => "slow-denial",
            Behaviour::LateralMovement => "lateral-movement",
            Behaviour::Callback => "callback",
            Behaviour::NewService => "new-service",
            Behaviour::NewPeer => "new-peer",
            Behaviour::ArpPoisoning => "arp-poisoning",
            Behaviour::AddressSpoofing => "address-spoofing",
            Behaviour::DhcpStarvation => "dhcp-starvation",
            Behaviour::RogueDhcp => "rogue-dhcp",
            Behaviour::Beacon => "beacon",
            Behaviour::DnsTunnel => "dns-tunnel",
            Behaviour::IcmpTunnel => "icmp-tunnel",
            Behaviour::CryptoMining => "crypto-mining",
            Behaviour::CallHome => "call-home",
            Behaviour::Exfiltration => "exfiltration",
            Behaviour::NonStandardPort => "non-standard-port",
            Behaviour::LongConnection => "long-connection",
            Behaviour::OneWay => "one-way",
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
pub fn watches(home: &Home) -> Vec<Box<dyn Watch>> {
    vec![
        Box::<scan::Scans>::default(),
        Box::<sweep::Sweeps>::default(),
        Box::<flood::Floods>::default(),
        Box::<http_flood::HttpFloods>::default(),
        Box::<reflection::Reflections>::default(),
        Box::<brute_force::Guesses>::default(),
        Box::<spraying::Sprays>::default(),
        Box::<slow_denial::HeldServices>::default(),
        Box::<lateral::RemoteActs>::default(),
        Box::new(lateral_history::Administration::of(home.clone())),
        Box::new(callback::Callbacks::of(home.clone())),
        Box::new(novelty::Novelties::of(home.clone())),
        Box::<arp_poisoning::Claimants>::default(),
        Box::new(spoofing::Spoofs::of(home.clone())),
        Box::<dhcp::Leases>::default(),
        Box::new(beacon::Beacons::new(home)),
        Box::<dns_tunnel::DnsTunnels>::default(),
        Box::<icmp_tunnel::IcmpTunnels>::default(),
        Box::new(mining::Miners::new(home)),
        Box::new(call_home::HomeCalls::new(home)),
        Box::new(exfiltration::Uploads::new(home)),
        Box::new(non_standard_port::OddPorts::new(home)),
        Box::new(long_connection::LongConnections::new(home)),
        Box::<one_way::OneWays>::default(),
    ]
}
