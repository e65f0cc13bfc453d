//! The office: who is there, under which address. The same for every seed, so that one day can be learned from another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::Duration;

use crate::protocol::dhcp::Lease;
use crate::random::{Random, hash};
use crate::wire::{Endpoint, Mac, System};

/// The machines of the office and the places outside that its people visit.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) gateway: Host,
    /// Directory, tickets, names, time and addresses.
    pub(crate) domain: Host,
    pub(crate) files: Host,
    pub(crate) mail: Host,
    /// The web server, which the outside may visit too.
    pub(crate) web: Host,
    pub(crate) backup: Host,
    pub(crate) monitor: Host,
    /// The developers' machine: secure shell and file transfer, open to the outside.
    pub(crate) shell: Host,
    /// The terminal server: remote desktops.
    pub(crate) terminal: Host,
    pub(crate) printers: Vec<Host>,
    pub(crate) workstations: Vec<Host>,
    pub(crate) sites: Vec<Site>,
}

/// A machine of the office.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) mac: Mac,
    pub(crate) v4: Ipv4Addr,
    /// Machines with two stacks have one.
    pub(crate) v6: Option<Ipv6Addr>,
    pub(crate) system: System,
    /// Ports on which something listens.
    pub(crate) open: &'static [u16],
}

/// A place on the Internet.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Option<Ipv6Addr>,
}

impl Network {
    /// The fewest machines that make an office.
    pub(crate) const FEWEST: usize = 16;
    /// As many machines as the addresses of the office hold.
    pub(crate) const MOST: usize = 500;

    /// An office of that many machines.
    pub(crate) fn new(hosts: usize) -> Network {
        let server =
            |name: &str, last: u8, system, open| Host::new(name, Ipv4Addr::new(10, 20, 0, last), system, open, true);
        let printers = (hosts / 15).clamp(1, 30);
        let workstations = hosts - SERVERS - printers;
        Network {
            gateway: server("gateway", 1, System::Linux, &[22, 53, 443]),
            domain: server("domain", 10, System::Windows, &[53, 88, 135, 139, 389, 445, 464, 636, 3_268]),
            files: server("files", 11, System::Windows, &[135, 139, 445, 5_985]),
            mail: server("mail", 12, System::Linux, &[22, 25, 143, 587, 993]),
            web: server("intranet", 13, System::Linux, &[22, 80, 443]),
            backup: server("backup", 14, System::Linux, &[22, 873]),
            monitor: server("monitor", 15, System::Linux, &[22, 443]),
            shell: server("develop", 16, System::Linux, &[21, 22, 80, 5_432, 8_080]),
            terminal: server("terminal", 17, System::Windows, &[135, 139, 445, 3_389]),
            printers: (0..printers as u8)
                .map(|index| {
                    let address = Ipv4Addr::new(10, 20, 1, 20 + index);
                    Host::new(&format!("printer-{index}"), address, System::Device, &[80, 515, 631, 9_100], false)
                })
                .collect(),
            workstations: (0..workstations as u16)
                .map(|index| {
                    let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 20, 2, 10).to_bits() + u32::from(index));
                    let (system, open): (_, &[u16]) = if index % 6 == 5 {
                        (System::Linux, &[22])
                    } else {
                        (System::Windows, &[135, 139, 445, 3_389])
                    };
                    Host::new(&format!("desk-{index}"), address, system, open, index % 2 == 0)
                })
                .collect(),
            sites: (0..SITES).map(Site::new).collect(),
        }
    }

    /// The workstations of a department that moves in later: half as many as there were.
    pub(crate) fn department(&self) -> Vec<Host> {
        (0..self.workstations.len().div_ceil(2) as u8)
            .map(|index| {
                let address = Ipv4Addr::new(10, 20, 8, 10 + index);
                Host::new(&format!("lab-{index}"), address, System::Windows, &[135, 139, 445, 3_389], index % 2 == 0)
            })
            .collect()
    }

    /// The server that comes with it.
    pub(crate) fn ledger(&self) -> Host {
        Host::new("ledger", Ipv4Addr::new(10, 20, 0, 30), System::Linux, &[22, LEDGER_PORT], true)
    }

    /// The servers, the gateway among them.
    pub(crate) fn servers(&self) -> [&Host; SERVERS] {
        [
            &self.gateway,
            &self.domain,
            &self.files,
            &self.mail,
            &self.web,
            &self.backup,
            &self.monitor,
            &self.shell,
            &self.terminal,
        ]
    }

    /// Every machine of the office.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.servers().into_iter().chain(&self.printers).chain(&self.workstations)
    }

    /// The lease of an address, as the domain gives it to whomever.
    pub(crate) fn lease(&self, client: Mac, address: Ipv4Addr, transaction: u32) -> Lease {
        let server = self.domain.v4;
        Lease { transaction, client, address, server, router: self.gateway.v4, names: server }
    }

    /// A machine of the office by its address.
    pub(crate) fn host(&self, address: Ipv4Addr) -> Option<&Host> {
        self.hosts().find(|host| host.v4 == address)
    }

    /// A workstation, for something that one of them does: other numbers give others as long as there are any.
    pub(crate) fn insider(&self, number: usize) -> &Host {
        &self.workstations[(number + 3) % self.workstations.len()]
    }

    /// A machine beyond the gateway: its distance depends on its address alone.
    pub(crate) fn outside(&self, address: IpAddr) -> Endpoint {
        let chance = match address {
            IpAddr::V4(v4) => hash(&v4.octets()),
            IpAddr::V6(v6) => hash(&v6.octets()),
        };
        let (hops, system) =
            (6 + (chance >> 20) as u8 % 12, if chance % 4 == 0 { System::Windows } else { System::Linux });
        // Mostly near, some far.
        let share = (chance >> 32) as f64 / f64::from(u32::MAX);
        let latency = Duration::from_micros(5_000 + (share * share * 130_000.0) as u64);
        Endpoint { mac: self.gateway.mac, address, hop_limit: initial_hop_limit(system) - hops, system, latency }
    }

    /// A machine in the network of the branch, two hops behind the gateway.
    pub(crate) fn branch(&self, last: u8) -> Endpoint {
        let address = IpAddr::from(Ipv4Addr::new(10, 30, 5, last));
        Endpoint {
            hop_limit: 126,
            system: System::Windows,
            latency: Duration::from_millis(14),
            ..self.outside(address)
        }
    }

    /// The two ends of a connection within the office: over IPv6 now and then, where both can.
    pub(crate) fn between(&self, from: &Host, to: &Host, random: &mut Random) -> (Endpoint, Endpoint) {
        match (from.endpoint6(), to.endpoint6()) {
            (Some(from), Some(to)) if random.chance(0.3) => (from, to),
            _ => (from.endpoint(), to.endpoint()),
        }
    }

    /// A place outside: some are visited much more than others.
    pub(crate) fn site(&self, random: &mut Random) -> &Site {
        let share = random.within(0.0..1.0);
        &self.sites[(share * share * self.sites.len() as f64) as usize]
    }

    /// The two ends of a connection from a machine to a place outside, over IPv6 where both can.
    pub(crate) fn visit(&self, host: &Host, site: &Site) -> (Endpoint, Endpoint) {
        match (host.endpoint6(), site.v6) {
            (Some(from), Some(to)) => (from, self.outside(to.into())),
            _ => (host.endpoint(), self.outside(site.v4.into())),
        }
    }
}

impl Host {
    fn new(name: &str, v4: Ipv4Addr, system: System, open: &'static [u16], dual: bool) -> Host {
        let [_, b, c, d] = v4.octets();
        let maker = match system {
            System::Windows => [0x3c, 0x52, 0x82],
            System::Linux => [0x00, 0x16, 0x3e],
            System::Device => [0x00, 0x1b, 0xa9],
        };
        let tail = hash(&v4.octets()).to_be_bytes();
        let mac = [maker[0], maker[1], maker[2], tail[5], tail[6], d];
        let v6 = dual.then(|| Ipv6Addr::new(0x2001, 0xdb8, 0x20, b.into(), 0, 0, c.into(), d.into()));
        Host { name: name.to_owned(), mac, v4, v6, system, open }
    }

    /// The machine under its IPv4 address.
    pub(crate) fn endpoint(&self) -> Endpoint {
        // Printers think; the others answer as fast as a switch lets them.
        let microseconds = if self.system == System::Device { 900 } else { 140 + hash(&self.mac) % 250 };
        Endpoint {
            mac: self.mac,
            address: self.v4.into(),
            hop_limit: initial_hop_limit(self.system),
            system: self.system,
            latency: Duration::from_micros(microseconds),
        }
    }

    /// The machine under its IPv6 address, if it has one.
    pub(crate) fn endpoint6(&self) -> Option<Endpoint> {
        self.v6.map(|v6| self.endpoint().with_address(v6.into()))
    }

    /// The name of the person who sits there, or of the service.
    pub(crate) fn user(&self) -> String {
        self.name.replace("desk-", "user").replace("lab-", "labuser")
    }
}

impl Site {
    fn new(index: usize) -> Site {
        let [first, second] = [FIRST[index % FIRST.len()], SECOND[index / FIRST.len() % SECOND.len()]];
        let bits = hash(&index.to_be_bytes()) as u32;
        // 198.18.0.0/15 and 2001:db8::/32 are nobody's (RFC 2544, RFC 3849), so that no real place is spoken of.
        let v4 = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() | bits & 0x1_ffff);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0x8000, (bits >> 16) as u16, 0, 0, 0, bits as u16);
        Site { name: format!("{first}{second}.example"), v4, v6: (!index.is_multiple_of(3)).then_some(v6) }
    }
}

/// The hop limit with which a system sends.
pub(crate) fn initial_hop_limit(system: System) -> u8 {
    if system == System::Windows { 128 } else { 64 }
}

/// Where the ledger listens, on a port that the office did not know before.
pub(crate) const LEDGER_PORT: u16 = 7_443;

const SERVERS: usize = 9;
const SITES: usize = 180;

const FIRST: [&str; 15] = [
    "news", "shop", "travel", "weather", "static", "video", "music", "forum", "bank", "maps", "code", "search",
    "photo", "cloud", "metrics",
];
const SECOND: [&str; 12] = [
    "heron",
    "plover",
    "curlew",
    "avocet",
    "dunlin",
    "knot",
    "ruff",
    "snipe",
    "godwit",
    "stint",
    "turnstone",
    "whimbrel",
];
