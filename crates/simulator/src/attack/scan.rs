//! One host, many ports or protocols.

use std::collections::HashSet;

use flow::{Duration, Time};

use super::probe::{Port, Probe};
use super::{Attack, Occasion, Plot, hurried, stranger};
use crate::activity::{Activity, Plan};
use crate::network::Host;
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Opening, Side};
use crate::wire::{self, ACK, Endpoint, FIN, PSH, SYN, System, URG};

/// A scan of one host.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let insider = network.insider(attack as usize).endpoint();
    let outsider = network.outside(stranger(attack, 0));
    let (from, target) = match attack {
        Attack::SynScan => (outsider, &network.web),
        Attack::NullScan => (outsider, &network.mail),
        Attack::AckScan => (outsider, &network.shell),
        Attack::SlowScan => (outsider, &network.monitor),
        Attack::FinScan => (insider, &network.shell),
        Attack::XmasScan => (insider, &network.web),
        Attack::WindowScan => (insider, &network.mail),
        Attack::UdpScan => (insider, &network.gateway),
        Attack::ProtocolScan => (insider, &network.monitor),
        _ => (insider, &network.backup),
    };
    let scan = Scan { ends: (from, target.endpoint()), target: target.clone(), occasion };
    let activity = match attack {
        Attack::ConnectScan => scan.whole_connections(),
        Attack::UdpScan => scan.datagrams(),
        Attack::ProtocolScan => scan.protocols(),
        Attack::SlowScan => scan.slow(),
        Attack::FinScan => scan.segments(FIN),
        Attack::NullScan => scan.segments(0),
        Attack::XmasScan => scan.segments(FIN | PSH | URG),
        Attack::MaimonScan => scan.segments(FIN | ACK),
        Attack::AckScan | Attack::WindowScan => scan.segments(ACK),
        _ => scan.segments(SYN),
    };
    Plot::whole(attack, vec![from.address], vec![target.v4.into()], activity)
}

pub(super) struct Scan {
    pub(super) ends: (Endpoint, Endpoint),
    pub(super) target: Host,
    pub(super) occasion: Occasion,
}

impl Scan {
    /// Raw segments with these flags: one source port, one sequence number, as nmap does; silence is asked again.
    pub(super) fn segments(mut self, flags: u8) -> Activity {
        let ports = popular_ports(&mut self.occasion.random, 1_000);
        let (source, sequence) = (self.occasion.random.within(33_000..65_000), self.occasion.random.word());
        let usual = Duration::from_millis(if self.ends.0.latency > Duration::from_millis(2) { 11 } else { 4 });
        let again = Duration::from_millis(1_100).min(self.occasion.room);
        self.occasion.steps(ports.len() as u64, usual, 0.6, move |random, time, index| {
            let port = self.target.port(ports[index as usize]);
            // nmap invents the hop limit of each raw probe.
            let from = self.ends.0.with_hop_limit(random.within(37..60));
            let ends = (from, self.ends.1);
            let probe = Probe { ends, ports: (source, ports[index as usize]), flags, sequence, window: 1_024 };
            let silent = port == Port::Filtered || (port == Port::Open && flags & (SYN | ACK) == 0);
            let mut plan = Plan::default();
            plan.start(time, probe.activity(random, time, port));
            if silent {
                let second = Probe { ports: (source + 1, probe.ports.1), ..probe };
                plan.start(time + again, second.activity(random, time + again, port));
            }
            plan.activity()
        })
    }

    /// Connections by the system's own calls, dropped as soon as they stand.
    fn whole_connections(mut self) -> Activity {
        let ports = popular_ports(&mut self.occasion.random, 1_000);
        let first = self.occasion.random.within(33_000..60_000);
        self.occasion.steps(ports.len() as u64, Duration::from_millis(3), 0.6, move |random, time, index| {
            let port = ports[index as usize];
            connection(&self.target, self.ends, (first + index as u16, port), time).activity(random.fork())
        })
    }

    /// A connection every half minute to a minute, for as long as there is.
    fn slow(mut self) -> Activity {
        let count = (self.occasion.room.as_secs_f64() / 45.0).max(3.0) as u64;
        let ports = popular_ports(&mut self.occasion.random, count.min(60_000) as usize);
        self.occasion.steps(ports.len() as u64, Duration::from_secs(45), 0.33, move |random, time, index| {
            let ports = (random.within(33_000..60_000), ports[index as usize]);
            connection(&self.target, self.ends, ports, time).activity(random.fork())
        })
    }

    /// Empty datagrams; of the ICMP errors that they ask for, Linux sends a few at once and then one a second.
    fn datagrams(mut self) -> Activity {
        let ports = popular_ports(&mut self.occasion.random, 500);
        let gap = hurried(ports.len() as u64, Duration::from_millis(60), self.occasion.room);
        let source = self.occasion.random.within(33_000..65_000);
        let mut errors = RateLimit::new(self.occasion.start);
        self.occasion.steps(ports.len() as u64, Duration::from_millis(60), 0.5, move |random, time, index| {
            let (from, to) = self.ends;
            let port = ports[index as usize];
            let probe = wire::udp(from, to, (source, port), &[]);
            let mut plan = Plan::default();
            if port != 53 && errors.allows(time) {
                plan.packet(time + to.latency, wire::unreachable(to, from, 3, &probe));
            } else {
                let again = time + random.near(gap, 0.5) * 3;
                plan.packet(again, wire::udp(from, to, (source + 1, port), &[]));
            }
            plan.packet(time, probe);
            plan.activity()
        })
    }

    /// A bare header of each protocol; what the target does not speak, it says.
    fn protocols(mut self) -> Activity {
        let mut protocols: Vec<u8> = (0..=255).collect();
        self.occasion.random.shuffle(&mut protocols);
        let mut errors = RateLimit::new(self.occasion.start);
        self.occasion.steps(256, Duration::from_millis(120), 0.5, move |random, time, index| {
            let (from, to) = (self.ends.0.with_hop_limit(random.within(37..60)), self.ends.1);
            let protocol = protocols[index as usize];
            let mut plan = Plan::default();
            let answered = time + to.latency;
            match protocol {
                wire::ICMP => {
                    let id = random.id();
                    plan.packet(time, wire::echo(from, to, wire::Echo::Request, id, 0, &[]));
                    plan.packet(answered, wire::echo(to, from, wire::Echo::Reply, id, 0, &[]));
                }
                wire::TCP => {
                    let ports = (random.port(), 80);
                    let probe = Probe { ends: (from, to), ports, flags: ACK, sequence: random.word(), window: 1_024 };
                    return probe.activity(random, time, Port::Closed);
                }
                wire::UDP => {
                    let probe = wire::udp(from, to, (random.port(), 40_125), &[]);
                    plan.packet(answered, wire::unreachable(to, from, 3, &probe));
                    plan.packet(time, probe);
                }
                _ => {
                    let probe = wire::ip(from, to, protocol, random.id(), &[]);
                    if errors.allows(time) {
                        plan.packet(answered, wire::unreachable(to, from, 2, &probe));
                    }
                    plan.packet(time, probe);
                }
            }
            plan.activity()
        })
    }
}

impl Host {
    /// What a probe finds there: Windows comes with a firewall.
    fn port(&self, port: u16) -> Port {
        match self.system {
            _ if self.open.contains(&port) => Port::Open,
            System::Windows => Port::Filtered,
            System::Linux | System::Device => Port::Closed,
        }
    }
}

/// How often a host sends ICMP errors: six at once, then one a second (Linux, net.ipv4.icmp_ratelimit).
pub(super) struct RateLimit {
    credit: f64,
    since: Time,
}

impl RateLimit {
    pub(super) fn new(start: Time) -> RateLimit {
        RateLimit { credit: 6.0, since: start }
    }

    pub(super) fn allows(&mut self, now: Time) -> bool {
        self.credit = (self.credit + now.since(self.since).as_secs_f64()).min(6.0);
        self.since = now;
        let allowed = self.credit >= 1.0;
        self.credit -= if allowed { 1.0 } else { 0.0 };
        allowed
    }
}

fn connection(target: &Host, ends: (Endpoint, Endpoint), ports: (u16, u16), time: Time) -> Connection {
    let opening = match target.port(ports.1) {
        Port::Open => Opening::Accepted,
        Port::Closed => Opening::Refused,
        Port::Filtered => Opening::Unanswered,
    };
    let ending = Ending::Reset(Side::Originator);
    Connection { opening, ending, ..Connection::new(ends, ports, time, Vec::new()) }
}

/// Ports in random order: the ones that everyone tries, then others.
fn popular_ports(random: &mut Random, count: usize) -> Vec<u16> {
    let mut ports = POPULAR[..POPULAR.len().min(count)].to_vec();
    let mut seen: HashSet<u16> = ports.iter().copied().collect();
    while ports.len() < count {
        let port = if random.chance(0.7) { random.within(1..10_000) } else { random.within(10_000..65_000) };
        if seen.insert(port) {
            ports.push(port);
        }
    }
    random.shuffle(&mut ports);
    ports
}

const POPULAR: [u16; 60] = [
    80, 23, 443, 21, 22, 25, 3_389, 110, 445, 139, 143, 53, 135, 3_306, 8_080, 1_723, 111, 995, 993, 5_900, 1_025, 587,
    8_888, 199, 1_720, 465, 548, 113, 81, 6_001, 10_000, 514, 5_060, 179, 1_026, 2_000, 8_443, 8_000, 32_768, 554, 26,
    1_433, 49_152, 2_001, 515, 8_008, 49_154, 1_027, 5_666, 646, 5_000, 5_631, 631, 49_153, 8_081, 2_049, 88, 79,
    5_800, 106,
];
