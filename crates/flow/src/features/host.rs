//! What a host did lately: fan-out, failures, newcomers, regularity and habits, in bounded memory.
//!
//! A single flow of a scan, a flood or a guessing run looks normal; what its host did in the last seconds and minutes
//! does not. Hosts and pairs of hosts are remembered in a budget of bytes, each in constant memory, and those seen longest
//! ago are forgotten first. Ages count from when this memory began, or began anew.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use super::contacts::{Contacts, SKETCH_BYTES, WINDOWS};
use super::kdd::Windows;
use super::recent::Recent;
use super::rhythm::{Regularity, Rhythm};
use super::{Feature, Past, Value, ratio};
use crate::{Duration, Flow, Time};

pub(super) const FEATURES: &[Feature] = &[
    context("peers_10s", "count", "Distinct responders that the originator called in 10 s.", |c| c.peers[0]),
    context("peers_1m", "count", "Distinct responders that the originator called in 1 min.", |c| c.peers[1]),
    context("peers_10m", "count", "Distinct responders that the originator called in 10 min.", |c| c.peers[2]),
    context("ports_10s", "count", "Distinct services (responder and port) that the originator called in 10 s.", |c| {
        c.ports[0]
    }),
    context("ports_1m", "count", "Distinct services (responder and port) that the originator called in 1 min.", |c| {
        c.ports[1]
    }),
    context(
        "ports_10m",
        "count",
        "Distinct services (responder and port) that the originator called in 10 min.",
        |c| c.ports[2],
    ),
    context("flows_10s", "count", "Flows that the originator opened in 10 s.", |c| c.flows[0]),
    context("flows_1m", "count", "Flows that the originator opened in 1 min.", |c| c.flows[1]),
    context("flows_10m", "count", "Flows that the originator opened in 10 min.", |c| c.flows[2]),
    context(
        "failed_share_10s",
        "share",
        "Share of the originator's flows in 10 s that got no or a refusing answer.",
        |c| c.failed_share[0],
    ),
    context(
        "failed_share_1m",
        "share",
        "Share of the originator's flows in 1 min that got no or a refusing answer.",
        |c| c.failed_share[1],
    ),
    context(
        "failed_share_10m",
        "share",
        "Share of the originator's flows in 10 min that got no or a refusing answer.",
        |c| c.failed_share[2],
    ),
    context(
        "new_peer",
        "share",
        "1 where the originator had not called this responder in the last 10 min, else 0.",
        |c| c.new_peer,
    ),
    context(
        "new_peer_share_10m",
        "share",
        "Share of the originator's flows in 10 min that went to a new responder.",
        |c| c.new_peer_share,
    ),
    context("callers_10s", "count", "Distinct originators that called the responder in 10 s.", |c| c.callers[0]),
    context("callers_1m", "count", "Distinct originators that called the responder in 1 min.", |c| c.callers[1]),
    context("callers_10m", "count", "Distinct originators that called the responder in 10 min.", |c| c.callers[2]),
    context("calls_10s", "count", "Flows that reached the responder in 10 s, from anyone.", |c| c.calls[0]),
    context(
        "responder_prevalence_10m",
        "share",
        "Share of the hosts that opened a flow in 10 min which called the responder in that time.",
        |c| c.prevalence,
    ),
    context(
        "contact_interval_median",
        "s",
        "Median of the last 16 intervals at which the originator called the responder; missing of fewer than four.",
        |c| c.regularity.map_or(f32::NAN, |regularity| regularity.median),
    ),
    context(
        "contact_interval_deviation",
        "s",
        "Median distance of these intervals from their median: small where a program calls home.",
        |c| c.regularity.map_or(f32::NAN, |regularity| regularity.deviation),
    ),
    context("contact_interval_skewness", "ratio", "Bowley skewness of these intervals: -1 to 1.", |c| {
        c.regularity.map_or(f32::NAN, |regularity| regularity.skewness)
    }),
    context(
        "originator_bytes_excess",
        "deviations",
        "Logarithm of the originator's bytes over the mean of its own flows so far; missing of fewer than eight.",
        |c| c.bytes_excess,
    ),
    context("originator_age", "s", "Time since the originator was first seen; missing at the first time.", |c| {
        c.ages[0]
    }),
    context("responder_age", "s", "Time since the responder was first seen; missing at the first time.", |c| c.ages[1]),
    context("pair_age", "s", "Time since the originator first called the responder; missing at the first time.", |c| {
        c.ages[2]
    }),
];

/// What the two hosts of one flow did up to and including it: each array over 10 s, 1 min and 10 min.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    peers: [f32; 3],
    ports: [f32; 3],
    flows: [f32; 3],
    failed_share: [f32; 3],
    new_peer: f32,
    new_peer_share: f32,
    callers: [f32; 3],
    calls: [f32; 3],
    prevalence: f32,
    regularity: Option<Regularity>,
    bytes_excess: f32,
    /// Seconds since the originator, the responder and the pair were first seen.
    ages: [f32; 3],
}

/// The memory of what each host did lately, within a budget of bytes.
#[derive(Clone, Debug)]
pub struct Hosts {
    budget: usize,
    hosts: Recent<IpAddr, Box<Host>>,
    /// By originator and responder.
    pairs: Recent<(IpAddr, IpAddr), Pair>,
    /// Hosts that opened a flow.
    originators: Contacts,
    latest: Option<Time>,
    epoch: Option<Time>,
    forgotten: u64,
    /// The connections that KDD's columns count.
    pub(super) windows: Windows,
    /// What came before the flows of the last table; kept for its memory, because so large a piece is dear to ask for.
    pub(super) past: Past,
}

impl Hosts {
    /// The bytes that the memory may take where nothing else is asked for: of the gibibyte that flows and hosts share, a
    /// quarter. It holds some 25,000 hosts and 180,000 pairs.
    pub const BUDGET_BYTES: usize = 256 << 20;

    /// A memory of at most so many bytes.
    pub fn with_budget(bytes: usize) -> Hosts {
        Hosts {
            budget: bytes,
            hosts: Recent::new(bytes / 4 * 3 / HOST_BYTES),
            pairs: Recent::new(bytes / 4 / PAIR_BYTES),
            originators: Contacts::default(),
            latest: None,
            epoch: None,
            forgotten: 0,
            windows: Windows::default(),
            past: Past::default(),
        }
    }

    /// Takes in one more flow and tells what its hosts did lately. Windows end at the latest end of any flow so far,
    /// because flows arrive in the order in which they ended, give or take the idle timeout. A flow that ended an hour or
    /// more before begins the memory anew.
    pub fn observe(&mut self, flow: &Flow) -> Context {
        // The clock was set back, or one record was dated far ahead: the windows would not move until time caught up.
        if self.latest.is_some_and(|latest| latest.since(flow.end) >= CLOCK_STEP) {
            let forgotten = self.forgotten() + self.hosts.len() as u64;
            *self = Hosts { forgotten, windows: std::mem::take(&mut self.windows), ..Hosts::with_budget(self.budget) };
        }
        let now = self.latest.map_or(flow.end, |latest| latest.max(flow.end));
        self.latest = Some(now);
        let epoch = *self.epoch.get_or_insert(now);
        // A clock of 100 ms ticks from the first flow on: 13 years, and 0 stands for never.
        let now = (now.since(epoch).as_millis() / 100).min(u128::from(u32::MAX) - 1) as u32 + 1;
        let [originator, responder] = [flow.key.originator, flow.key.responder];
        let hasher = foldhash::fast::FixedState::with_seed(0);
        let originator_hash = hash(&hasher, &originator.address);
        self.originators.hit(originator_hash, now);

        let pair = self.pairs.touch((originator.address, responder.address));
        let (pair_age, new_peer) = (seconds_since(pair.first, now), pair.last == 0 || is_old(pair.last, now));
        let regularity = pair.contact(flow.start, now);

        let host = self.hosts.touch(originator.address);
        let originator_age = host.see(now);
        host.peers.hit(hash(&hasher, &responder.address), now);
        host.ports.hit(hash(&hasher, &(responder, flow.key.protocol)), now);
        host.flows.add(now, 1);
        host.failures.add(now, u32::from(flow.failed()));
        host.newcomers.add(now, u32::from(new_peer));
        let flows = host.flows.within(now);
        let failures = host.failures.within(now);
        let mut context = Context {
            peers: host.peers.within(now),
            ports: host.ports.within(now),
            flows,
            failed_share: std::array::from_fn(|w| ratio(failures[w].into(), flows[w].into())),
            new_peer: f32::from(u8::from(new_peer)),
            new_peer_share: ratio(host.newcomers.within(now)[2].into(), flows[2].into()),
            callers: [0.0; 3],
            calls: [0.0; 3],
            prevalence: f32::NAN,
            regularity,
            bytes_excess: flow.originator.bytes.map_or(f32::NAN, |bytes| host.habit.observe(bytes)),
            ages: [originator_age, f32::NAN, pair_age],
        };

        let host = self.hosts.touch(responder.address);
        context.ages[1] = host.see(now);
        host.callers.hit(originator_hash, now);
        host.calls.add(now, 1);
        context.callers = host.callers.within(now);
        context.calls = host.calls.within(now);
        context.prevalence = (context.callers[2] / self.originators.within(now)[2]).min(1.0);
        context
    }

    /// How many hosts were forgotten for want of room, or because the clock was set back.
    pub fn forgotten(&self) -> u64 {
        self.forgotten + self.hosts.forgotten()
    }
}

impl Default for Hosts {
    fn default() -> Hosts {
        Hosts::with_budget(Hosts::BUDGET_BYTES)
    }
}

/// What is remembered of one host.
#[derive(Clone, Debug, Default)]
struct Host {
    /// The tick at which it was first seen; 0 for never.
    first: u32,
    peers: Contacts,
    ports: Contacts,
    callers: Contacts,
    flows: Count,
    failures: Count,
    newcomers: Count,
    calls: Count,
    habit: Habit,
}

impl Host {
    /// Notes that it was seen; seconds since the first time.
    fn see(&mut self, now: u32) -> f32 {
        let age = seconds_since(self.first, now);
        if self.first == 0 {
            self.first = now;
        }
        age
    }
}

/// What is remembered of an originator and a responder.
#[derive(Clone, Debug, Default)]
struct Pair {
    /// The ticks of the first and the latest contact; 0 for never.
    first: u32,
    last: u32,
    start: Time,
    /// From the second contact on.
    rhythm: Option<Box<Rhythm>>,
}

impl Pair {
    /// Notes a contact that began at `start`, and tells how regular the contacts are.
    fn contact(&mut self, start: Time, now: u32) -> Option<Regularity> {
        let before = std::mem::replace(&mut self.start, start);
        self.last = now;
        if self.first == 0 {
            self.first = now;
            return None;
        }
        let rhythm = self.rhythm.get_or_insert_default();
        // A long flow ends after a later short one; the distance between their starts is what counts.
        rhythm.add(start.since(before).max(before.since(start)));
        rhythm.regularity()
    }
}

/// The mean and the variance of the logarithm of a host's bytes, in which the last flows weigh most.
#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    count: u32,
    mean: f64,
    variance: f64,
}

impl Habit {
    /// How far the bytes of one more flow lie above the mean of those before, in deviations.
    fn observe(&mut self, bytes: u64) -> f32 {
        let logarithm = (bytes as f64).ln_1p();
        let distance = logarithm - self.mean;
        let excess = if self.count < LEAST_HABIT {
            f32::NAN
        } else {
            (distance / self.variance.sqrt().max(LEAST_DEVIATION)) as f32
        };
        self.count = self.count.saturating_add(1);
        let weight = (1.0 / f64::from(self.count)).max(LEAST_WEIGHT);
        self.mean += weight * distance;
        self.variance = (1.0 - weight) * (self.variance + weight * distance * distance);
        excess
    }
}

/// How many events fell into each window: a ring of ten buckets a window.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    buckets: [[u32; 10]; 3],
    latest: [u32; 3],
}

impl Count {
    fn add(&mut self, tick: u32, events: u32) {
        self.turn(tick);
        for (window, buckets) in WINDOWS.iter().zip(&mut self.buckets) {
            let bucket = &mut buckets[(tick / (window / 10) % 10) as usize];
            *bucket = bucket.saturating_add(events);
        }
    }

    fn within(&mut self, now: u32) -> [f32; 3] {
        self.turn(now);
        self.buckets.map(|buckets| buckets.iter().map(|&count| count as f32).sum())
    }

    /// Clears the buckets that time has passed over.
    fn turn(&mut self, tick: u32) {
        for ((window, buckets), latest) in WINDOWS.iter().zip(&mut self.buckets).zip(&mut self.latest) {
            let bucket = tick / (window / 10);
            for passed in (*latest + 1..=bucket).rev().take(10) {
                buckets[(passed % 10) as usize] = 0;
            }
            *latest = bucket.max(*latest);
        }
    }
}

/// Whether a visit lies so long back that the next one is a newcomer's.
fn is_old(visit: u32, now: u32) -> bool {
    now.saturating_sub(visit) >= WINDOWS[2]
}

fn hash(hasher: &foldhash::fast::FixedState, value: &impl Hash) -> u64 {
    hasher.hash_one(value)
}

/// Seconds since a tick; missing where it is 0, which is never.
fn seconds_since(tick: u32, now: u32) -> f32 {
    if tick == 0 { f32::NAN } else { now.saturating_sub(tick) as f32 / 10.0 }
}

const fn context(name: &'static str, unit: &'static str, meaning: &'static str, value: fn(&Context) -> f32) -> Feature {
    Feature { name, unit, meaning, value: Value::Context(value) }
}

/// What a host takes at the most.
const HOST_BYTES: usize = Recent::<IpAddr, Box<Host>>::ENTRY_BYTES + size_of::<Host>() + 16 + 3 * SKETCH_BYTES;
/// What a pair takes at the most.
const PAIR_BYTES: usize = Recent::<(IpAddr, IpAddr), Pair>::ENTRY_BYTES + size_of::<Rhythm>() + 16;
/// Fewer flows are no habit.
const LEAST_HABIT: u32 = 8;
/// Later flows weigh no less: what a host did more than a few hundred flows ago counts little.
const LEAST_WEIGHT: f64 = 1.0 / 128.0;
/// Of logarithms: a host whose flows are all alike does not deviate by a few bytes more.
const LEAST_DEVIATION: f64 = 0.1;
/// Longer than any flow waits for its turn.
const CLOCK_STEP: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{Endpoint, Key, Protocol};

    /// A flow of one instant to a service of its own.
    fn flow(seconds: i64, port: u16) -> Flow {
        let time = Time::from_nanoseconds(seconds * 1_000_000_000);
        let endpoint = |host, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, host).into(), port);
        Flow::between(
            Key { originator: endpoint(1, 40_000), responder: endpoint(2, port), protocol: Protocol::Tcp },
            time,
            time,
        )
    }

    #[test]
    fn a_flow_dated_far_ahead_does_not_stop_the_windows() {
        let mut hosts = Hosts::default();
        hosts.observe(&flow(9_000_000_000, 1));
        for minute in 0..5 {
            assert_eq!(hosts.observe(&flow(minute * 60, 2)).flows[0], 1.0);
        }
        assert_eq!(hosts.observe(&flow(241, 3)).flows[0], 2.0);
    }

    fn call(hosts: &mut Hosts, seconds: i64, from: u8, to: u8, bytes: u64) -> Context {
        let mut flow = flow(seconds, 80);
        let address = |last| Ipv4Addr::new(10, 0, 0, last).into();
        (flow.key.originator.address, flow.key.responder.address) = (address(from), address(to));
        flow.originator.bytes = Some(bytes);
        hosts.observe(&flow)
    }

    #[test]
    fn ages_are_missing_at_first_and_count_from_then_on() {
        let mut hosts = Hosts::default();
        assert!(call(&mut hosts, 0, 1, 2, 100).ages.iter().all(|age| age.is_nan()));
        assert_eq!(call(&mut hosts, 60, 1, 2, 100).ages, [60.0, 60.0, 60.0]);
        let [originator, responder, pair] = call(&mut hosts, 70, 2, 3, 100).ages;
        assert!(originator == 70.0 && responder.is_nan() && pair.is_nan());
    }

    #[test]
    fn a_call_home_each_minute_does_not_deviate_from_its_interval() {
        let mut hosts = Hosts::default();
        let contexts: Vec<_> = (0..10).map(|minute| call(&mut hosts, minute * 60, 1, 2, 100)).collect();
        assert_eq!(contexts[3].regularity, None);
        let regular = Regularity { median: 60.0, deviation: 0.0, skewness: 0.0 };
        assert_eq!((contexts[4].regularity, contexts[9].regularity), (Some(regular), Some(regular)));
    }

    #[test]
    fn more_bytes_than_ever_lie_far_above_the_habit() {
        let mut hosts = Hosts::default();
        let excesses: Vec<_> =
            (0..20).map(|flow| call(&mut hosts, flow, 1, 2, 1000 + 50 * (flow as u64 % 3)).bytes_excess).collect();
        assert!(excesses[7].is_nan() && excesses[8..].iter().all(|excess| excess.abs() < 2.0), "{excesses:?}");
        assert!(call(&mut hosts, 20, 1, 2, 10_000_000).bytes_excess > 20.0);
    }

    #[test]
    fn the_prevalence_of_a_responder_is_the_share_of_the_callers() {
        let mut hosts = Hosts::default();
        for host in 1..=10 {
            call(&mut hosts, 0, host, 100, 1);
        }
        assert_eq!(call(&mut hosts, 1, 1, 100, 1).prevalence, 1.0);
        assert_eq!(call(&mut hosts, 1, 1, 101, 1).prevalence, 0.1);
        // Ten minutes later all but one have called nobody.
        assert_eq!(call(&mut hosts, 700, 1, 100, 1).prevalence, 1.0);
    }

    #[test]
    fn a_flood_of_hosts_stays_within_the_budget_and_forgets_the_oldest() {
        let mut hosts = Hosts::with_budget(1 << 20);
        for host in 0..10_000u32 {
            let mut flow = flow(i64::from(host), 80);
            flow.key.originator.address = Ipv4Addr::from_bits(host).into();
            hosts.observe(&flow);
        }
        let capacity = (1 << 20) / 4 * 3 / HOST_BYTES;
        assert_eq!((hosts.hosts.len(), hosts.forgotten()), (capacity, (10_001 - capacity) as u64));
        // The responder, called by all, was never the oldest.
        assert_eq!(call(&mut hosts, 10_000, 7, 2, 1).ages[1], 10_000.0);
    }

    #[test]
    fn events_leave_their_window() {
        let mut count = Count::default();
        count.add(5, 2);
        count.add(95, 1);
        assert_eq!(count.within(95), [3.0, 3.0, 3.0]);
        assert_eq!(count.within(110), [1.0, 3.0, 3.0]);
        assert_eq!(count.within(100_000), [0.0; 3]);
    }
}
