//! What never was: a port of an inside host that answers for the first time, a server that talks with an outside network
//! for the first time.
//!
//! Test: how likely as many new things in an hour are under a Poisson null model, p below 0.01. Of services its rate is the
//! network's: those that came after a day of watching their host, for each hour that hosts were watched beyond that day.
//! Of outside networks (/16 of IPv4, /32 of IPv6) it is the server's own. Both are told as info, a service for logging in as
//! low: by the null model one host and hour in 100 at most tells of something by itself. Ports that are handed out for one
//! use (32768 and up, and unlisted ones from 10000 up) and hosts with more than 20 services are left out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flow::features::ports;
use flow::{Duration, Flow, Protocol, Time};

use super::contacts::Outcome;
use super::scale::poisson_tail;
use super::tracks::{Tracks, Weigh};
use super::words::{hosts, port_words, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Example, Fact, Facts, Home, Role, Severity};

/// Watches what services and outside networks inside hosts have.
pub(super) struct Novelties {
    home: Home,
    /// Kept in the long run.
    known: Tracks<IpAddr, Known>,
    /// The latest time seen: what is new is told for a while only.
    latest: Option<Time>,
    /// What was dropped by `forget` is not told again.
    told_before: Option<Time>,
}

/// What is known of one inside host.
#[derive(Default)]
struct Known {
    times: Option<(Time, Time)>,
    services: BTreeMap<(Protocol, u16), First>,
    networks: BTreeMap<u128, First>,
    /// It has too many of either to be told of one.
    is_open: bool,
    is_roaming: bool,
}

/// The first flow of something.
struct First {
    time: Time,
    example: Example,
}

impl Weigh for Known {
    fn weight(&self) -> usize {
        2 + 3 * (self.services.len() + self.networks.len())
    }
}

impl Watch for Novelties {
    fn observe(&mut self, flow: &Flow) {
        self.latest = Some(self.latest.map_or(flow.end, |latest| latest.max(flow.end)));
        let (caller, callee) = (flow.key.originator.address, flow.key.responder);
        for host in [caller, callee.address] {
            if self.home.contains(host) && !flow.key.to_group() {
                let known = self.known.touch(host, flow.end);
                let (first, last) = known.times.unwrap_or((flow.start, flow.end));
                known.times = Some((first.min(flow.start), last.max(flow.end)));
            }
        }
        let is_used = matches!(flow.key.protocol, Protocol::Tcp | Protocol::Udp)
            && !flow.key.to_group()
            && Outcome::of(flow) == Some(Outcome::Used);
        if !is_used {
            return;
        }
        if self.home.contains(callee.address) && is_service(callee.port, flow.key.originator.port) {
            let known = self.known.touch(callee.address, flow.end);
            known.is_open |= note(&mut known.services, (flow.key.protocol, callee.port), flow, MAX_SERVICES);
        }
        if self.home.is_outward(caller, callee.address) {
            let known = self.known.touch(caller, flow.end);
            known.is_roaming |= note(&mut known.networks, network(callee.address), flow, MAX_NETWORKS);
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let known = self.known.sorted();
        let settled = known.iter().filter(|(_, host)| !host.is_open);
        let (mut new, mut hours) = (0, 0.0);
        for (_, host) in settled {
            new += host.services.values().filter(|first| host.is_settled(first.time)).count();
            hours += (host.hours() - hours_of(LEARNING)).max(0.0);
        }
        let rate = new as f64 / f64::max(hours, 1.0);
        let services = known.iter().flat_map(|&(address, host)| self.services(address, host, rate));
        let networks = known.iter().filter_map(|&(address, host)| self.networks(address, host));
        services.chain(networks).collect()
    }

    fn forget(&mut self, before: Time) {
        self.told_before = self.told_before.max(Some(before));
    }
}

impl Novelties {
    /// In a network of these homes.
    pub(super) fn of(home: Home) -> Novelties {
        Novelties { home, known: Tracks::default(), latest: None, told_before: None }
    }

    /// Whether something is still to be told.
    fn is_recent(&self, time: Time) -> bool {
        self.told_before.is_none_or(|before| time >= before)
    }

    fn services(&self, address: IpAddr, host: &Known, rate: f64) -> Vec<Evidence> {
        if host.is_open || host.services.is_empty() {
            return Vec::new();
        }
        let new = host.services.iter().filter(|(_, first)| host.is_settled(first.time) && self.is_recent(first.time));
        let found = new.filter_map(|(&(_, port), first)| {
            let together = host.services.values().filter(|other| {
                first.time.since(other.time).max(other.time.since(first.time)) <= HOUR && host.is_settled(other.time)
            });
            let p_value = poisson_tail(together.count() as u64, rate);
            if p_value >= SIGNIFICANCE {
                return None;
            }
            let is_entrance =
                matches!(ports::service(port), Some("ssh" | "telnet" | "rdp" | "vnc" | "winrm" | "smb" | "ftp"));
            let watched = host.before(first.time);
            let caller = first.example.key.originator.address;
            Some(Evidence {
                summary: format!(
                    "{address} answered {caller} on port {}, which it had not done in the {} before",
                    port_words(port),
                    seconds(watched),
                ),
                severity: if is_entrance { Severity::Low } else { Severity::Info },
                ..describe(Behaviour::NewService, (address, caller), first, watched, p_value)
            })
        });
        found.collect()
    }

    fn networks(&self, address: IpAddr, host: &Known) -> Option<Evidence> {
        // Who serves nobody is a person's, and people go where they like.
        if host.is_roaming || host.services.is_empty() {
            return None;
        }
        let settled = |first: &&First| host.is_settled(first.time);
        let latest = host.networks.values().filter(settled).filter(|first| self.is_recent(first.time));
        let latest = latest.max_by_key(|first| (first.time, first.example.key.responder))?;
        let earlier = host.networks.values().filter(|first| first.time < latest.time);
        let watched = host.before(latest.time);
        let rate = (earlier.filter(settled).count() + 1) as f64 / (hours_of(watched) - hours_of(LEARNING)).max(1.0);
        let p_value = poisson_tail(1, rate);
        let peer = latest.example.key.responder.address;
        (p_value < SIGNIFICANCE).then(|| Evidence {
            summary: format!(
                "{address}, a server, called {peer}, of a network that it had not called in the {} before",
                seconds(watched)
            ),
            ..describe(Behaviour::NewPeer, (address, peer), latest, watched, p_value)
        })
    }
}

impl Known {
    fn hours(&self) -> f64 {
        self.times.map_or(0.0, |(first, last)| hours_of(last.since(first)))
    }

    /// How long it had been watched at that time.
    fn before(&self, time: Time) -> Duration {
        self.times.map_or(Duration::ZERO, |(first, _)| time.since(first))
    }

    fn is_settled(&self, time: Time) -> bool {
        self.before(time) >= LEARNING
    }
}

/// Notes the first flow of something; `true` where there are too many.
fn note<K: Ord>(known: &mut BTreeMap<K, First>, key: K, flow: &Flow, most: usize) -> bool {
    if let Some(first) = known.get_mut(&key) {
        if flow.start < first.time {
            *first = First { time: flow.start, example: Example::of(flow) };
        }
        return false;
    }
    if known.len() >= most {
        return true;
    }
    known.insert(key, First { time: flow.start, example: Example::of(flow) });
    false
}

fn describe(
    behaviour: Behaviour,
    (subject, peer): (IpAddr, IpAddr),
    first: &First,
    watched: Duration,
    p_value: f64,
) -> Evidence {
    Evidence {
        behaviour,
        subject,
        hosts: hosts((subject, Role::Peer), [peer], Role::Peer),
        start: first.time,
        end: first.time,
        severity: Severity::Info,
        score: (0.5 * (1.0 - p_value.sqrt())).clamp(0.0, 1.0),
        technique: None,
        flows: 1,
        summary: String::new(),
        facts: Facts::from([("watched_hours", Fact::Number(hours_of(watched))), ("p_value", Fact::Number(p_value))]),
        examples: vec![first.example],
    }
}

/// Whether a port may be a service's: data of FTP, remote procedure calls and peers take what is free.
fn is_service(port: u16, caller_port: u16) -> bool {
    let is_handed_out = port >= 32_768 || port >= 10_000 && ports::service(port).is_none();
    !is_handed_out && port != 0 && caller_port != 20 && port != 20 && port != 68
}

/// The outside network of an address: of its first 16 bits, or 32 of IPv6.
fn network(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address) >> 16),
        IpAddr::V6(address) => 1 << 64 | u128::from(address) >> 96,
    }
}

fn hours_of(duration: Duration) -> f64 {
    duration.as_secs_f64() / HOUR.as_secs_f64()
}

const HOUR: Duration = Duration::from_secs(3600);
/// Before that a host's habits are not known.
const LEARNING: Duration = Duration::from_secs(86_400);
const SIGNIFICANCE: f64 = 0.01;
/// More services or networks are those of somebody who has new ones all the time.
const MAX_SERVICES: usize = 20;
const MAX_NETWORKS: usize = 32;

#[cfg(test)]
mod tests {
    use flow::{Endpoint, Key, Side, State};

    use super::*;

    fn call(hour: u64, from: [u8; 4], to: [u8; 4], port: u16) -> Flow {
        let key = Key {
            originator: Endpoint::new(from.into(), 50_000),
            responder: Endpoint::new(to.into(), port),
            protocol: Protocol::Tcp,
        };
        let start = Time::from_nanoseconds(0) + Duration::from_secs(hour * 3600);
        let side = Side { packets: Some(9), payload_bytes: Some(900), ..Side::default() };
        let (originator, responder) = (side.clone(), side);
        Flow { originator, responder, state: Some(State::SF), ..Flow::between(key, start, start) }
    }

    const SERVER: [u8; 4] = [10, 0, 0, 2];
    const CLIENT: [u8; 4] = [10, 0, 0, 9];

    /// Two weeks in which one host calls a server every hour, and the server fetches its updates.
    fn weeks() -> Vec<Flow> {
        let hour = |hour| [call(hour, CLIENT, SERVER, 80), call(hour, SERVER, [198, 51, 100, 1], 443)];
        (0..336).flat_map(hour).collect()
    }

    fn found(more: &[Flow]) -> Vec<(Behaviour, Severity)> {
        let mut watch = Novelties::of(Home::default());
        weeks().iter().chain(more).for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.behaviour, one.severity)).collect()
    }

    #[test]
    fn a_service_is_new_once_its_host_was_watched_for_a_day() {
        assert_eq!(found(&[call(300, CLIENT, SERVER, 22)]), [(Behaviour::NewService, Severity::Low)]);
        assert_eq!(found(&[call(20, CLIENT, SERVER, 22), call(300, CLIENT, SERVER, 22)]), []);
        assert_eq!(found(&[call(300, CLIENT, SERVER, 50_000), call(301, CLIENT, SERVER, 20_001)]), []);
    }

    #[test]
    fn a_server_that_calls_another_network_has_a_new_peer_and_a_person_has_none() {
        let elsewhere = [203, 0, 113, 9];
        assert_eq!(found(&[call(300, SERVER, elsewhere, 443)]), [(Behaviour::NewPeer, Severity::Info)]);
        assert_eq!(found(&[call(300, CLIENT, elsewhere, 443)]), []);
    }
}
