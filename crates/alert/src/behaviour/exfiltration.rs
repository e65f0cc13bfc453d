//! Exfiltration: an inside host sends one service outside far more than it gets, than it ever sent, and than others send.
//!
//! Two tests on the logarithm of the bytes, with median and median absolute deviation (MAD) in the place of mean and
//! standard deviation, so that the upload itself does not hide itself:
//!
//! * **Own past**: what the host uploaded in its busiest hour against its other hours, of which there must be 24.
//! * **Peers**: what the host uploaded to this service against the most that each other host uploaded to one, of which
//!   there must be 8.
//!
//! An upload is a conversation in which five times as much goes up as comes down, which leaves out calls with pictures;
//! uploads of less than 1 MB count as that.
//!
//! Null model: logarithms are normal with that median and 1.48 MAD, at least a factor of 1.8 for one standard deviation,
//! so that networks in which everyone does the same are not too sharp. Either test is at 1e-6, corrected for the hosts.
//! Beyond it: 5 MB or more, five times what comes back, to a service that fewer than three hosts send to and to which this host sent no such amount on an earlier day (which leaves out backups from
//! their second night on). Where there is neither past nor peers, 50 MB and twenty times what comes back are low.
//!
//! The subject is the host inside, as the attacker; the service is a peer. Technique: over a protocol in the clear
//! T1048.003, over another T1048.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flow::{Application, Duration, Flow, Time};
use statrs::distribution::{ContinuousCDF, Normal};

use super::destination::{self, Destination};
use super::load::Span;
use super::scale::SIGNIFICANCE;
use super::spread::Spread;
use super::tracks::{Map, Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Role, Severity, Technique};

/// Watches who sends how much outside.
pub(super) struct Uploads {
    home: Home,
    /// What each host uploaded in each hour: its past, which stays for [`MEMORY`].
    hosts: Tracks<IpAddr, Hours>,
    pairs: Tracks<(IpAddr, Destination), Pair>,
    senders: Tracks<Destination, Senders>,
}

/// Bytes by hour since 1970.
#[derive(Default)]
struct Hours(BTreeMap<i64, u64>);

/// What one host and one service sent each other.
#[derive(Default)]
struct Pair {
    up: u64,
    down: u64,
    /// Bytes up by day since 1970.
    days: BTreeMap<i64, u64>,
    flows: u64,
    is_clear: bool,
    name: Option<Box<str>>,
    span: Span,
}

/// Who sends a service more than it gets, as many as tell that it is popular.
#[derive(Default)]
struct Senders(Vec<IpAddr>);

impl Weigh for Hours {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl Weigh for Pair {
    fn weight(&self) -> usize {
        self.days.len() + 2
    }
}

impl Weigh for Senders {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl Uploads {
    pub(super) fn new(home: &Home) -> Uploads {
        Uploads { home: home.clone(), hosts: Tracks::default(), pairs: Tracks::default(), senders: Tracks::default() }
    }
}

impl Watch for Uploads {
    fn observe(&mut self, flow: &Flow) {
        // Whom nobody heard got nothing: that is a flood.
        let Some((host, service, up, down)) = sent(flow, &self.home).filter(|_| is_heard(flow)) else { return };
        let seconds = flow.end.nanoseconds().div_euclid(1_000_000_000);
        let hours = &mut self.hosts.touch(host, flow.end).0;
        let hour = hours.entry(seconds.div_euclid(3600)).or_default();
        *hour = hour.saturating_add(if up >= down.saturating_mul(ASYMMETRY) { up } else { 0 });
        if hours.len() > MAX_HOURS {
            hours.pop_first();
        }
        // Most conversations are too small to be remembered one by one.
        if up > down
            && let senders = self.senders.touch(service, flow.end)
            && senders.0.len() < POPULAR
            && !senders.0.contains(&host)
        {
            senders.0.push(host);
        }
        let pair = self.pairs.touch((host, service), flow.end);
        pair.up = pair.up.saturating_add(up);
        pair.down = pair.down.saturating_add(down);
        let day = pair.days.entry(seconds.div_euclid(86_400)).or_default();
        *day = day.saturating_add(up);
        if pair.days.len() > MAX_DAYS {
            pair.days.pop_first();
        }
        pair.flows += 1;
        pair.is_clear |= is_clear(flow, service);
        if let Some(name) = destination::name(flow)
            && pair.name.as_deref().is_none_or(|known| name < known)
        {
            pair.name = Some(name.into());
        }
        pair.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        let is_large = |pair: &Pair| pair.newest_day() >= LEAST && pair.up >= pair.down.saturating_mul(ASYMMETRY);
        let pairs: Vec<_> = self.pairs.sorted().into_iter().filter(|(_, pair)| is_large(pair)).collect();
        if pairs.is_empty() {
            return Vec::new();
        }
        let mut largest: Map<IpAddr, f64> = Map::default();
        for ((host, _), pair) in self.pairs.sorted() {
            let upload = if pair.up >= pair.down.saturating_mul(ASYMMETRY) { pair.newest_day() } else { 0 };
            let known = largest.entry(host).or_insert(logarithm(0));
            *known = known.max(logarithm(upload));
        }
        pairs.into_iter().filter_map(|((host, service), pair)| self.of(host, service, pair, &largest)).collect()
    }

    fn forget(&mut self, before: Time) {
        let long_ago = before - MEMORY;
        self.hosts.forget(long_ago);
        self.pairs.forget(long_ago);
        self.senders.forget(long_ago);
    }
}

impl Uploads {
    fn of(&self, host: IpAddr, service: Destination, pair: &Pair, largest: &Map<IpAddr, f64>) -> Option<Evidence> {
        let is_popular = self.senders.get(&service).is_some_and(|senders| senders.0.len() >= POPULAR);
        if is_popular || pair.is_usual() {
            return None;
        }
        let tested = largest.len() as f64;
        let amount = logarithm(pair.newest_day());
        let peers: Vec<f64> = largest.iter().filter(|(other, _)| **other != host).map(|(_, most)| *most).collect();
        let number = peers.len();
        let peers = (number >= LEAST_PEERS).then(|| Spread::of(peers));
        let by_peers = peers.map(|peers| peers.z(amount, LEAST_DEVIATION));
        let past = self.hosts.get(&host).and_then(Hours::past);
        let by_past = past.map(|(past, busiest)| past.z(busiest, LEAST_DEVIATION));
        let chance = |z: Option<f64>| z.map_or(1.0, |z| (tail(z) * tested).min(1.0));
        let (p_peers, p_past) = (chance(by_peers), chance(by_past));
        let severity = match (p_peers <= SIGNIFICANCE, p_past <= SIGNIFICANCE) {
            (true, true) => Severity::High,
            (true, false) if by_past.is_none() => Severity::Medium,
            (false, true) => Severity::Medium,
            (true, false) => Severity::Low,
            (false, false) => {
                let is_clear_cut = pair.up >= VERY_LARGE && pair.up >= pair.down.saturating_mul(VERY_ASYMMETRIC);
                (by_peers.is_none() && by_past.is_none() && is_clear_cut).then_some(Severity::Low)?
            }
        };
        let whom = service.words(pair.name.as_deref());
        let mut summary = format!(
            "{host} sent {} bytes to {whom} and got {} in {}",
            grouped(pair.up),
            grouped(pair.down),
            seconds(pair.span.end().since(pair.span.start())),
        );
        if let Some(peers) = peers {
            let middle = 10f64.powf(peers.median).round() as u64;
            summary.push_str(&format!("; half of {number} other hosts upload {} at most", grouped(middle)));
        }
        // Files go over a connection of their own, to a port that the server names (RFC 959 s.3.2).
        let orders = Destination { port: 21, ..service };
        let is_clear = pair.is_clear || self.pairs.get(&(host, orders)).is_some();
        let p = if severity == Severity::Low { p_peers.min(p_past) } else { (2.0 * p_peers.min(p_past)).min(1.0) };
        let mut facts = Facts::from([
            ("destination", Fact::Text(whom)),
            ("bytes_sent", Fact::Count(pair.up)),
            ("bytes_got", Fact::Count(pair.down)),
            ("peers", Fact::Count(number as u64)),
        ]);
        if let Some(z) = by_peers {
            facts.push("robust_z_against_peers", Fact::Number(z));
        }
        if let Some(z) = by_past {
            facts.push("robust_z_against_past", Fact::Number(z));
        }
        facts.push("p_value", Fact::Number(p));
        Some(Evidence {
            behaviour: Behaviour::Exfiltration,
            subject: host,
            hosts: hosts((host, Role::Attacker), [service.address], Role::Peer),
            start: pair.span.start(),
            end: pair.span.end(),
            severity,
            score: match severity {
                Severity::Low => 0.4,
                Severity::Medium => 0.7,
                _ => 0.9,
            },
            technique: (severity >= Severity::Medium).then_some(if is_clear {
                Technique::ExfiltrationOverUnencryptedProtocol
            } else {
                Technique::ExfiltrationOverAlternativeProtocol
            }),
            flows: pair.flows,
            summary,
            facts,
            examples: pair.span.examples.clone(),
        })
    }
}

impl Hours {
    /// The busiest hour and how the others are spread, where there are enough of them.
    fn past(&self) -> Option<(Spread, f64)> {
        let (busiest, _) = self.0.iter().max_by_key(|(hour, bytes)| (**bytes, **hour))?;
        let others: Vec<f64> =
            self.0.iter().filter(|(hour, _)| *hour != busiest).map(|(_, bytes)| logarithm(*bytes)).collect();
        (others.len() >= LEAST_HOURS).then(|| (Spread::of(others), logarithm(self.0[busiest])))
    }
}

impl Pair {
    fn newest_day(&self) -> u64 {
        // An upload over midnight is one.
        self.days.values().rev().take(2).copied().fold(0, u64::saturating_add)
    }

    /// Whether the host sent a quarter of that on an earlier day, too.
    fn is_usual(&self) -> bool {
        self.days.values().rev().skip(2).any(|bytes| bytes.saturating_mul(4) >= self.newest_day())
            || matches!(self.days.iter().rev().map(|(day, bytes)| (*day, *bytes)).collect::<Vec<_>>()[..],
                [(newest, up), (earlier, before)] if newest > earlier && before * 4 >= up && up * 4 >= before
                    && self.flows >= 2 && self.span.end().since(self.span.start()) >= Duration::from_secs(20 * 3600))
    }
}

/// Which host sent whom outside how much, and got how much.
fn sent(flow: &Flow, home: &Home) -> Option<(IpAddr, Destination, u64, u64)> {
    let bytes = |side: &flow::Side| side.payload_bytes.or(side.bytes);
    let (originator, responder) = (bytes(&flow.originator)?, bytes(&flow.responder)?);
    if let Some(service) = Destination::of(flow, home) {
        return Some((flow.key.originator.address, service, originator, responder));
    }
    // A server of FTP calls back for the data (RFC 959 s.3.2).
    let key = flow.key;
    let is_called_back =
        key.originator.port == 20 && !home.contains(key.originator.address) && home.contains(key.responder.address);
    let service = Destination { address: key.originator.address, port: 20, protocol: key.protocol };
    is_called_back.then_some((key.responder.address, service, responder, originator))
}

/// Whether both sides said something.
fn is_heard(flow: &Flow) -> bool {
    flow.originator.packets != Some(0) && flow.responder.packets.is_none_or(|packets| packets > 0)
}

/// Whether anyone on the way can read it.
fn is_clear(flow: &Flow, service: Destination) -> bool {
    match flow.application.as_deref() {
        Some(Application::Http(_) | Application::Dns(_)) => true,
        Some(Application::Other(name)) => matches!(&**name, "ftp" | "ftp-data" | "smtp" | "telnet" | "tftp" | "http"),
        Some(_) => false,
        None => matches!(service.service(), Some("http" | "ftp" | "ftp-data" | "tftp" | "telnet" | "dns")),
    }
}

fn logarithm(bytes: u64) -> f64 {
    (bytes.max(SMALL) as f64).log10()
}

/// The chance of a normal number to be so many standard deviations above the mean.
fn tail(z: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(1.0, |normal| normal.sf(z))
}

/// Bytes: smaller uploads are alike.
const SMALL: u64 = 1_000_000;
/// Bytes: less is worth no one's time.
const LEAST: u64 = 5_000_000;
const ASYMMETRY: u64 = 5;
/// What is told without anything to compare with.
const VERY_LARGE: u64 = 50_000_000;
const VERY_ASYMMETRIC: u64 = 20;
const LEAST_PEERS: usize = 8;
const LEAST_HOURS: usize = 24;
/// One standard deviation is at least a factor of 1.8.
const LEAST_DEVIATION: f64 = 0.25;
/// From so many senders on, a service is popular.
const POPULAR: usize = 3;
/// How long a host's past is kept.
const MEMORY: Duration = Duration::from_secs(14 * 86_400);
const MAX_HOURS: usize = 14 * 24;
const MAX_DAYS: usize = 14;
