//! Many hosts, one question.

use std::net::{IpAddr, Ipv4Addr};

use flow::Duration;

use super::probe::{Port, Probe};
use super::{Attack, Occasion, Plot, hurried};
use crate::activity::{Activity, Plan, series};
use crate::network::{Host, Network};
use crate::random::{Random, hash};
use crate::scene::Scene;
use crate::tcp::{Connection, Ending, Opening, Side};
use crate::wire::{self, Arp, Echo, SYN};

/// A sweep through a network.
pub(super) fn plots(attack: Attack, scene: &Scene, occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let attacker = match attack {
        Attack::TelnetSweep => &network.printers[0],
        _ => network.insider(attack as usize),
    };
    let victims = match attack {
        // Nobody in particular.
        Attack::TelnetSweep => Vec::new(),
        Attack::ArpScan => {
            network.hosts().map(|host| host.v4).filter(|&v4| v4 != attacker.v4).map(IpAddr::from).collect()
        }
        _ => branch(network),
    };
    let attackers = vec![attacker.v4.into()];
    let sweep = Sweep { scene: scene.clone(), attacker: attacker.clone(), occasion };
    let activity = match attack {
        Attack::IcmpSweep => sweep.echoes(),
        Attack::TcpSweep => sweep.shares(),
        Attack::TelnetSweep => sweep.devices(),
        _ => sweep.neighbours(),
    };
    Plot::whole(attack, attackers, victims, activity)
}

pub(super) struct Sweep {
    pub(super) scene: Scene,
    pub(super) attacker: Host,
    pub(super) occasion: Occasion,
}

impl Sweep {
    /// An echo request to each address of the branch, a second one where nothing comes back.
    fn echoes(mut self) -> Activity {
        let targets = self.targets();
        let again = Duration::from_millis(800).min(self.occasion.room);
        self.occasion.steps(254, Duration::from_millis(12), 0.5, move |random, time, index| {
            let last = targets[index as usize];
            let (from, to) = (self.attacker.endpoint(), self.scene.network.branch(last));
            let id = random.id();
            let mut plan = Plan::default();
            plan.packet(time, wire::echo(from, to, Echo::Request, id, 0, &[]));
            if lives(last) {
                plan.packet(time + random.near(to.latency, 0.2), wire::echo(to, from, Echo::Reply, id, 0, &[]));
            } else {
                plan.packet(time + again, wire::echo(from, to, Echo::Request, random.id(), 0, &[]));
            }
            plan.activity()
        })
    }

    /// A connection to the file sharing port of each address of the branch, by the system's own calls.
    pub(super) fn shares(mut self) -> Activity {
        let targets = self.targets();
        let first = self.occasion.random.within(49_152..60_000);
        self.occasion.steps(254, Duration::from_millis(60), 0.5, move |random, time, index| {
            let last = targets[index as usize];
            let ends = (self.attacker.endpoint(), self.scene.network.branch(last));
            let opening = match lives(last) {
                true if last.is_multiple_of(4) => Opening::Accepted,
                true => Opening::Refused,
                false => Opening::Unanswered,
            };
            let ending = Ending::Reset(Side::Originator);
            let connection = Connection::new(ends, (first + index as u16, 445), time, Vec::new());
            Connection { opening, ending, ..connection }.activity(random.fork())
        })
    }

    /// Half-open connections to Telnet anywhere; the sequence number is the address, as Mirai remembers whom it asked.
    fn devices(self) -> Activity {
        let count = 3_000;
        let gap = hurried(count, Duration::from_millis(15), self.occasion.room);
        series(
            count,
            self.occasion.start,
            self.occasion.random,
            move |random| random.wait(gap).min(gap * 3),
            move |random, time, index| {
                let to = anywhere(random);
                let flags = SYN;
                let port = match random.within(0..100) {
                    0 => Port::Open,
                    1..4 => Port::Closed,
                    _ => Port::Filtered,
                };
                let telnet = if index % 10 == 0 { 2_323 } else { 23 };
                let ends = (self.attacker.endpoint(), self.scene.network.outside(to.into()));
                let ports = (random.within(1_024..65_535), telnet);
                let probe = Probe { ends, ports, flags, sequence: to.to_bits(), window: random.id() };
                probe.activity(random, time, port)
            },
        )
    }

    /// Who has each address of the office; the silent ones are asked once more.
    fn neighbours(self) -> Activity {
        let count = 1_022;
        let again = Duration::from_millis(500).min(self.occasion.room);
        self.occasion.steps(count, Duration::from_micros(1_900), 0.2, move |random, time, index| {
            let asker = (self.attacker.mac, self.attacker.v4);
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 20, 0, 0).to_bits() + 1 + index as u32);
            let request = || wire::arp(Arp::Request, asker, (wire::BROADCAST, address));
            let mut plan = Plan::default();
            plan.packet(time, request());
            match self.scene.network.host(address) {
                Some(host) if host.v4 != self.attacker.v4 => {
                    let answered = time + random.near(host.endpoint().latency, 0.3);
                    plan.packet(answered, wire::arp(Arp::Reply, (host.mac, host.v4), asker));
                }
                _ => plan.packet(time + again, request()),
            }
            plan.activity()
        })
    }

    /// The addresses of the branch in random order, by their last byte.
    fn targets(&mut self) -> Vec<u8> {
        let mut targets: Vec<u8> = (1..255).collect();
        self.occasion.random.shuffle(&mut targets);
        targets
    }
}

/// Every machine of the branch.
pub(super) fn branch(network: &Network) -> Vec<IpAddr> {
    (1..255).filter(|&last| lives(last)).map(|last| network.branch(last).address).collect()
}

/// Whether there is a machine at that address of the branch: at a third of them.
fn lives(last: u8) -> bool {
    hash(&[10, 30, 5, last]).is_multiple_of(3)
}

/// An address of the Internet, as someone who does not care invents it.
pub(super) fn anywhere(random: &mut Random) -> Ipv4Addr {
    let first = [random.within(11..100), random.within(128..169), random.within(173..192), random.within(193..198)];
    let [_, b, c, d] = random.word().to_be_bytes();
    Ipv4Addr::new(*random.pick(&first), b, c, d)
}
