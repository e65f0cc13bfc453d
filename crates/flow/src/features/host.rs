//! What a host did lately: fan-out, failures and newcomers over sliding windows, in bounded memory.
//!
//! A single flow of a scan, a flood or a guessing run looks normal; what its host did in the last seconds and minutes
//! does not. Distinct contacts are counted exactly while they are few, then by a timestamp vector (Kim and O'Hallaron,
//! "Counting network flows in real time", 2003): linear counting over slots that remember when they were last hit, so
//! that one array answers for every window.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use super::kdd::Windows;
use super::{Feature, Value, ratio};
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
}

/// The memory of what each host did lately, of at most [`Hosts::CAPACITY`] hosts; beyond it the half seen longest ago
/// is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    // Keyed at random against addresses chosen to collide; nothing that comes out depends on it.
    hosts: HashMap<IpAddr, Host, foldhash::fast::RandomState>,
    latest: Option<Time>,
    epoch: Option<Time>,
    forgotten: u64,
    /// The connections that KDD's columns count.
    pub(super) windows: Windows,
}

impl Hosts {
    /// The most hosts remembered: with at most some 5 KiB each, 80 MiB at the worst.
    pub const CAPACITY: usize = 16_384;

    /// Takes in one more flow and tells what its hosts did lately. Windows end at the latest end of any flow so far,
    /// because flows arrive in the order in which they ended, give or take the idle timeout. A flow that ended an hour or
    /// more before begins the memory anew.
    pub fn observe(&mut self, flow: &Flow) -> Context {
        // The clock was set back, or one record was dated far ahead: the windows would not move until time caught up.
        if self.latest.is_some_and(|latest| latest.since(flow.end) >= CLOCK_STEP) {
            *self = Hosts { forgotten: self.forgotten + self.hosts.len() as u64, ..Hosts::default() };
        }
        let now = self.latest.map_or(flow.end, |latest| latest.max(flow.end));
        self.latest = Some(now);
        let epoch = *self.epoch.get_or_insert(now);
        // A clock of 100 ms ticks from the first flow on: 13 years, and 0 stands for never.
        let now_ticks = (now.since(epoch).as_millis() / 100).min(u128::from(u32::MAX) - 1) as u32 + 1;
        let ticks = now_ticks;
        let [originator, responder] = [flow.key.originator, flow.key.responder];

        let host = self.hosts.entry(originator.address).or_default();
        host.last = now_ticks;
        let hasher = foldhash::fast::FixedState::with_seed(0);
        let new_peer = host.peers.hit(hash(&hasher, &responder.address), ticks);
        host.ports.hit(hash(&hasher, &(responder, flow.key.protocol)), ticks);
        host.flows.add(ticks, 1);
        host.failures.add(ticks, u32::from(flow.failed()));
        host.newcomers.add(ticks, u32::from(new_peer));
        let flows = host.flows.within(now_ticks);
        let failures = host.failures.within(now_ticks);
        let mut context = Context {
            peers: host.peers.within(now_ticks),
            ports: host.ports.within(now_ticks),
            flows,
            failed_share: std::array::from_fn(|w| ratio(failures[w].into(), flows[w].into())),
            new_peer: f32::from(u8::from(new_peer)),
            new_peer_share: ratio(host.newcomers.within(now_ticks)[2].into(), flows[2].into()),
            callers: [0.0; 3],
            calls: [0.0; 3],
        };

        let host = self.hosts.entry(responder.address).or_default();
        host.last = now_ticks;
        host.callers.hit(hash(&hasher, &originator.address), ticks);
        host.calls.add(ticks, 1);
        context.callers = host.callers.within(now_ticks);
        context.calls = host.calls.within(now_ticks);
        if self.hosts.len() > Self::CAPACITY {
            self.forget_half();
        }
        context
    }

    /// How many hosts were forgotten for want of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget_half(&mut self) {
        let mut ages: Vec<(u32, IpAddr)> = self.hosts.iter().map(|(address, host)| (host.last, *address)).collect();
        let middle = ages.len() / 2;
        // The address breaks ties, so that which hosts are forgotten does not hang on the order of the map.
        let (older, _, _) = ages.select_nth_unstable(middle);
        for (_, address) in older {
            self.hosts.remove(address);
        }
        self.forgotten += middle as u64;
    }
}

/// What is remembered of one host.
#[derive(Clone, Debug, Default)]
struct Host {
    last: u32,
    peers: Contacts,
    ports: Contacts,
    callers: Contacts,
    flows: Count,
    failures: Count,
    newcomers: Count,
    calls: Count,
}

/// Distinct contacts, each with the tick of its latest visit.
#[derive(Clone, Debug)]
enum Contacts {
    /// Hash and tick of each contact.
    Few(Vec<(u64, u32)>),
    /// The tick at which each slot was last hit; 0 for never.
    Many(Box<[u32; SLOTS]>),
}

impl Contacts {
    /// Notes a visit; true where the contact is new within memory.
    fn hit(&mut self, hash: u64, tick: u32) -> bool {
        match self {
            Contacts::Few(contacts) => {
                if let Some(contact) = contacts.iter_mut().find(|contact| contact.0 == hash) {
                    let new = is_old(contact.1, tick);
                    contact.1 = contact.1.max(tick);
                    return new;
                }
                if contacts.len() < FEW {
                    contacts.push((hash, tick));
                    return true;
                }
                let mut slots = Box::new([0; SLOTS]);
                for &(hash, tick) in contacts.iter() {
                    let slot = &mut slots[slot_of(hash)];
                    *slot = tick.max(*slot);
                }
                *self = Contacts::Many(slots);
                self.hit(hash, tick)
            }
            Contacts::Many(slots) => {
                let slot = &mut slots[slot_of(hash)];
                let new = *slot == 0 || is_old(*slot, tick);
                *slot = tick.max(*slot);
                new
            }
        }
    }

    /// Distinct contacts in each window up to `now`.
    fn within(&self, now: u32) -> [f32; 3] {
        WINDOWS.map(|window| {
            let since = now.saturating_sub(window) + 1;
            match self {
                Contacts::Few(contacts) => contacts.iter().filter(|contact| contact.1 >= since).count() as f32,
                Contacts::Many(slots) => {
                    let empty = slots.iter().map(|&tick| u32::from(tick < since)).sum::<u32>().max(1);
                    SLOTS as f32 * (SLOTS as f32 / empty as f32).ln()
                }
            }
        })
    }
}

impl Default for Contacts {
    fn default() -> Contacts {
        Contacts::Few(Vec::new())
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

fn slot_of(hash: u64) -> usize {
    // The high bits of a multiplication mix better than the low bits of the hash.
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize
}

const fn context(name: &'static str, unit: &'static str, meaning: &'static str, value: fn(&Context) -> f32) -> Feature {
    Feature { name, unit, meaning, value: Value::Context(value) }
}

/// The windows, in ticks of 100 ms: 10 s, 1 min, 10 min.
const WINDOWS: [u32; 3] = [100, 600, 6000];
/// Up to so many contacts are counted exactly.
const FEW: usize = 16;
/// Slots of the timestamp vector; counts saturate at `SLOTS * ln(SLOTS)`, some 1,400.
const SLOTS: usize = 256;
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

    #[test]
    fn few_contacts_are_counted_exactly_and_leave_their_window() {
        let mut contacts = Contacts::default();
        assert!(contacts.hit(7, 1));
        assert!(!contacts.hit(7, 50));
        assert!(contacts.hit(8, 120));
        assert_eq!(contacts.within(120), [2.0, 2.0, 2.0]);
        assert_eq!(contacts.within(200), [1.0, 2.0, 2.0]);
    }

    #[test]
    fn many_contacts_are_estimated_within_a_tenth() {
        let mut contacts = Contacts::default();
        let hasher = foldhash::fast::FixedState::with_seed(0);
        for contact in 0..300u32 {
            contacts.hit(hash(&hasher, &contact), 10);
        }
        let [estimate, ..] = contacts.within(10);
        assert!((270.0..330.0).contains(&estimate), "{estimate}");
        assert_eq!(contacts.within(10_000)[0], 0.0);
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
