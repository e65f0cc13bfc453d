//! Lateral movement told by history: an inside host that suddenly opens administrative sessions (SMB, RDP, SSH, WinRM,
//! remote procedure calls) to inside hosts to which it never did.
//!
//! Test: new administrative peers of a host within an hour, against a Poisson null model whose rate is the host's own
//! before that hour or the network's mean an hour and host, whichever is higher; p below 1e-6 and at least three. A server
//! that four hosts or more call so is a file server, a directory, a jump host, and counts for nobody. Least history: a day
//! since the host was first seen; without it nothing is said. With 1,000 hosts over a year that is nine false alarms at
//! most, were peers as independent as the null model has them.

use std::net::IpAddr;

use flow::features::ports;
use flow::{Application, Duration, Flow, Protocol, Time};

use super::contacts::Outcome;
use super::load::Span;
use super::scale::{SIGNIFICANCE, poisson_tail};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, list, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Role, Severity, Technique};

/// Watches who administers whom inside.
pub(super) struct Administration {
    home: Home,
    /// In the long run: hosts, their peers, and how many administer each.
    watched: Tracks<IpAddr, Watched>,
    peers: Tracks<(IpAddr, IpAddr, Service), Peer>,
    callers: Tracks<(IpAddr, Service), Callers>,
    pairs: u64,
    /// New peers of late.
    recent: Tracks<IpAddr, Recent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Service {
    Smb,
    Rdp,
    Ssh,
    Winrm,
    Rpc,
}

/// Since when and until when a host was seen, and how many peers it has.
#[derive(Default)]
struct Watched {
    times: Option<(Time, Time)>,
    peers: u64,
}

#[derive(Default)]
struct Peer {
    is_known: bool,
}

#[derive(Default)]
struct Callers(u64);

#[derive(Default)]
struct Recent {
    new: Vec<(Time, IpAddr, Service)>,
    span: Span,
}

impl Weigh for Watched {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Peer {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Callers {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Recent {
    fn weight(&self) -> usize {
        4 + self.new.len()
    }
}

impl Watch for Administration {
    fn observe(&mut self, flow: &Flow) {
        let (caller, target) = (flow.key.originator.address, flow.key.responder.address);
        if !self.home.contains(caller) {
            return;
        }
        let watched = self.watched.touch(caller, flow.end);
        let (first, last) = watched.times.unwrap_or((flow.start, flow.end));
        watched.times = Some((first.min(flow.start), last.max(flow.end)));
        let is_session = caller != target && self.home.contains(target) && Outcome::of(flow) == Some(Outcome::Used);
        let Some(service) = Service::of(flow).filter(|_| is_session) else { return };
        let peer = self.peers.touch((caller, target, service), flow.end);
        if std::mem::replace(&mut peer.is_known, true) {
            return;
        }
        watched.peers += 1;
        self.pairs += 1;
        self.callers.touch((target, service), flow.end).0 += 1;
        let recent = self.recent.touch(caller, flow.end);
        if recent.new.len() < MAX_NEW {
            recent.new.push((flow.start, target, service));
            recent.span.add(flow);
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let candidates = self.recent.sorted().into_iter().filter_map(|(caller, recent)| {
            let burst = self.burst(caller, recent)?;
            Some((caller, recent, burst))
        });
        let candidates: Vec<_> = candidates.collect();
        if candidates.is_empty() {
            return Vec::new();
        }
        let hours: f64 = self.watched.sorted().iter().map(|(_, watched)| watched.hours()).sum();
        let network = (self.pairs + 1) as f64 / hours.max(1.0);
        candidates.iter().filter_map(|(caller, recent, burst)| self.describe(*caller, recent, burst, network)).collect()
    }

    fn forget(&mut self, before: Time) {
        self.recent.forget(before);
    }
}

/// The new peers of one hour.
type Burst = Vec<(Time, IpAddr, Service)>;

impl Administration {
    /// In a network of these homes.
    pub(super) fn of(home: Home) -> Administration {
        Administration {
            home,
            watched: Tracks::default(),
            peers: Tracks::default(),
            callers: Tracks::default(),
            pairs: 0,
            recent: Tracks::default(),
        }
    }

    /// The hour with most new peers, once the host had been watched for a day.
    fn burst(&self, caller: IpAddr, recent: &Recent) -> Option<Burst> {
        let (since, _) = self.watched.get(&caller)?.times?;
        let is_popular =
            |target, service| self.callers.get(&(target, service)).is_some_and(|callers| callers.0 >= POPULAR);
        let mut new: Burst = recent
            .new
            .iter()
            .filter(|(time, target, service)| time.since(since) >= LEAST_HISTORY && !is_popular(*target, *service))
            .copied()
            .collect();
        new.sort_unstable();
        let within = |first: usize| new[first..].partition_point(|one| one.0.since(new[first].0) <= HOUR);
        let first = (0..new.len()).max_by_key(|&first| (within(first), std::cmp::Reverse(first)))?;
        let burst = new[first..first + within(first)].to_vec();
        (burst.len() >= LEAST_PEERS).then_some(burst)
    }

    fn describe(&self, caller: IpAddr, recent: &Recent, burst: &Burst, network: f64) -> Option<Evidence> {
        let watched = self.watched.get(&caller)?;
        let (since, _) = watched.times?;
        let (start, end) = (burst.first()?.0, burst.last()?.0);
        let before = start.since(since);
        let known = watched.peers.saturating_sub(burst.len() as u64);
        let own = known as f64 / (before.as_secs_f64() / HOUR.as_secs_f64()).max(1.0);
        let rate = own.max(network);
        let p_value = poisson_tail(burst.len() as u64, rate);
        if p_value >= SIGNIFICANCE {
            return None;
        }
        let services = [Service::Smb, Service::Rdp, Service::Ssh, Service::Winrm, Service::Rpc];
        let count = |service: Service| burst.iter().filter(|one| one.2 == service).count();
        let commonest = services.into_iter().max_by_key(|&service| (count(service), std::cmp::Reverse(service)))?;
        let mut targets: Vec<IpAddr> = Vec::new();
        burst.iter().for_each(|one| {
            if !targets.contains(&one.1) {
                targets.push(one.1);
            }
        });
        let names: Vec<&str> = services.into_iter().filter(|&service| count(service) > 0).map(Service::name).collect();
        Some(Evidence {
            behaviour: Behaviour::LateralMovement,
            subject: caller,
            hosts: hosts((caller, Role::Attacker), targets.iter().copied(), Role::Victim),
            start,
            end: end.max(recent.span.end()),
            severity: if targets.len() >= MANY_PEERS { Severity::High } else { Severity::Medium },
            score: 1.0 - 0.5 * LEAST_PEERS as f64 / burst.len() as f64,
            technique: commonest.technique(),
            flows: burst.len() as u64,
            summary: format!(
                "{caller} opened administrative sessions ({}) within {} to {} inside hosts to which it never had any; in the {} before, it had {} in all",
                names.join(", "),
                seconds(end.since(start)),
                grouped(targets.len() as u64),
                seconds(before),
                grouped(known),
            ),
            facts: Facts::from([
                ("new_peers", Fact::Count(burst.len() as u64)),
                ("known_peers", Fact::Count(known)),
                ("targets", list(&targets)),
                ("expected_in_an_hour", Fact::Number(rate)),
                ("watched_hours", Fact::Number(before.as_secs_f64() / HOUR.as_secs_f64())),
                ("p_value", Fact::Number(p_value)),
            ]),
            examples: recent.span.examples.clone(),
        })
    }
}

impl Watched {
    fn hours(&self) -> f64 {
        self.times.map_or(0.0, |(first, last)| last.since(first).as_secs_f64() / HOUR.as_secs_f64())
    }
}

impl Service {
    /// Told by what is spoken, otherwise by the port.
    fn of(flow: &Flow) -> Option<Service> {
        if flow.key.protocol != Protocol::Tcp {
            return None;
        }
        let spoken = flow.application.as_deref().map(Application::name);
        Some(match (spoken, ports::service(flow.key.responder.port)) {
            (Some("smb"), _) | (None, Some("smb")) => Service::Smb,
            (Some("rdp"), _) | (_, Some("rdp")) => Service::Rdp,
            (Some("ssh"), _) | (None, Some("ssh")) => Service::Ssh,
            (_, Some("winrm")) => Service::Winrm,
            (Some("dce_rpc"), _) | (None, Some("msrpc")) => Service::Rpc,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Service::Smb => "SMB",
            Service::Rdp => "RDP",
            Service::Ssh => "SSH",
            Service::Winrm => "WinRM",
            Service::Rpc => "remote procedure calls",
        }
    }

    const fn technique(self) -> Option<Technique> {
        match self {
            Service::Smb => Some(Technique::WindowsAdminShares),
            Service::Rdp => Some(Technique::RemoteDesktop),
            Service::Ssh => Some(Technique::Ssh),
            Service::Winrm => Some(Technique::WindowsRemoteManagement),
            Service::Rpc => None,
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
/// Before that a host's habits are not known.
const LEAST_HISTORY: Duration = Duration::from_secs(86_400);
const LEAST_PEERS: usize = 3;
const MANY_PEERS: usize = 8;
/// Whoever so many call is a server of the network.
const POPULAR: u64 = 4;
/// New peers kept of one host.
const MAX_NEW: usize = 1024;

#[cfg(test)]
mod tests {
    use flow::{Endpoint, Key, Side, State};

    use super::*;

    fn session(hour: u64, from: u8, to: u8, port: u16) -> Flow {
        let end = |last, port| Endpoint::new([10, 0, 0, last].into(), port);
        let key = Key { originator: end(from, 50_000), responder: end(to, port), protocol: Protocol::Tcp };
        let start = Time::from_nanoseconds(0) + Duration::from_secs(hour * 3600 + u64::from(to));
        let side = Side { packets: Some(9), payload_bytes: Some(900), ..Side::default() };
        Flow {
            originator: side.clone(),
            responder: side,
            state: Some(State::SF),
            ..Flow::between(key, start, start + Duration::from_secs(5))
        }
    }

    fn found(flows: &[Flow]) -> Vec<(IpAddr, Option<Technique>)> {
        let mut watch = Administration::of(Home::default());
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.subject, one.technique)).collect()
    }

    /// A week in which 50 hosts each talk with the web server every hour.
    fn week() -> Vec<Flow> {
        (0..168).flat_map(|hour| (100..150).map(move |host| session(hour, host, 1, 80))).collect()
    }

    #[test]
    fn five_new_remote_desktops_in_an_hour_after_a_quiet_week_are_lateral_movement() {
        let hop = |hour| (10..15).map(move |to| session(hour, 100, to, 3389));
        let flows: Vec<Flow> = week().into_iter().chain(hop(160)).collect();
        assert_eq!(found(&flows), [([10, 0, 0, 100].into(), Some(Technique::RemoteDesktop))]);
        // On the first day nobody knows.
        assert_eq!(found(&week().into_iter().chain(hop(10)).collect::<Vec<_>>()), []);
    }

    #[test]
    fn who_always_administers_and_whom_all_call_are_left_out() {
        let admin = (0..168).flat_map(|hour| [session(hour, 100, 10 + (hour % 80) as u8, 22)]);
        let more = (200..203).map(|to| session(160, 100, to, 22));
        assert_eq!(found(&week().into_iter().chain(admin).chain(more).collect::<Vec<_>>()), []);
        let shares = (100..150).flat_map(|from| (10..15).map(move |to| session(160, from, to, 445)));
        assert_eq!(found(&week().into_iter().chain(shares).collect::<Vec<_>>()), []);
    }
}
