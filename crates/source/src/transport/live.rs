//! Live capture: packets of interfaces become flows while they come.
//!
//! Each thread has a ring on every interface, a meter, and the conversations that the kernel's hash gives it, whichever
//! interface their packets come in by. Flows come out as they end. Time passes on a quiet link, too: the kernel's clock,
//! which stamps the packets, is told to the meter when none come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use flow::{Duration, Ended, Flow, Key, Time};
use meter::{Counts, Meter};

use super::filter::Instruction;
use super::lane::{Lane, Output};
use super::ring::{self, Ring, Setup, Share, Statistics};
use crate::format::pcapng::Writer;
use crate::{Batch, Error, Report, Source};

/// What is captured, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interfaces' names; `any` is all there are.
    pub interfaces: Vec<String>,
    /// Which packets are taken, and how much of each, as [`super::filter`] makes it; `None` takes all, up to 2048 bytes.
    pub filter: Option<Vec<Instruction>>,
    /// Threads that share the conversations. 1: it suffices for most links, and only then flows come in the order in
    /// which a capture file would give them.
    pub threads: NonZeroUsize,
    /// Memory of each ring, one for each interface and thread, in bytes. 64 MiB: half a second of a 1 Gbit/s link.
    pub ring_bytes: usize,
    /// Whether packets for other hosts are taken. True: a mirror port carries no others.
    pub promiscuous: bool,
    /// How long to capture; `None` is until it is stopped.
    pub duration: Option<Duration>,
    /// How many packets to capture; `None` is no limit.
    pub packets: Option<u64>,
    /// A pcapng file for the captured packets, as they were metered. Needs a single thread.
    pub write: Option<PathBuf>,
    /// Whether the process gives up its privileges once the rings are open. True: nothing needs them any more.
    pub drop_privileges: bool,
    /// When flows end and how many may be open.
    pub meter: meter::Settings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interfaces: Vec::new(),
            filter: None,
            threads: NonZeroUsize::MIN,
            ring_bytes: 64 << 20,
            promiscuous: true,
            duration: None,
            packets: None,
            write: None,
            drop_privileges: true,
            meter: meter::Settings::default(),
        }
    }
}

/// Interfaces as a source of flows. Ends when it is told to stop, or at the limits of its settings.
pub struct Live {
    deliveries: Receiver<Delivery>,
    order: Order,
    interfaces: Vec<String>,
    /// Of each thread, as it told last.
    counts: Vec<Counts>,
    /// Of each interface.
    statistics: Vec<Statistics>,
    damage: Vec<String>,
    finished: bool,
}

/// What a thread tells.
pub(super) struct Delivery {
    pub(super) thread: usize,
    pub(super) flows: Vec<Flow>,
    /// The time that its meter has come to.
    pub(super) time: Time,
    pub(super) counts: Counts,
    /// Of interfaces, by their place in the settings, since the last time.
    pub(super) statistics: Vec<(usize, Statistics)>,
    /// What went wrong, and what that means.
    pub(super) damage: Option<String>,
}

/// What all threads look at.
pub(super) struct Shared {
    stop: Arc<AtomicBool>,
    /// When to stop.
    end: Option<Time>,
    /// Packets that may still be taken.
    packets: Option<AtomicU64>,
}

impl Live {
    /// Opens the interfaces and starts to capture. `stop`, once set, ends it in good order.
    pub fn open(settings: &Settings, stop: Arc<AtomicBool>) -> Result<Live, Error> {
        let threads = settings.threads.get();
        if settings.write.is_some() && threads > 1 {
            return Err(Error::Capture {
                reason: "packets of several threads cannot be written in their order; write with one thread".to_owned(),
            });
        }
        let mut rings: Vec<Vec<Ring>> = (0..threads).map(|_| Vec::new()).collect();
        for name in &settings.interfaces {
            open_interface(name, settings, &mut rings)?;
        }
        let mut output = match &settings.write {
            Some(path) => Some(create(path)?),
            None => None,
        };
        if settings.drop_privileges {
            drop_privileges().map_err(|reason| Error::Capture {
                reason: format!("cannot give up the privileges that are not needed any more: {reason}"),
            })?;
        }
        let shared = Arc::new(Shared {
            stop,
            end: settings.duration.map(|duration| clock() + duration),
            packets: settings.packets.map(AtomicU64::new),
        });
        let (sender, deliveries) = sync_channel(DELIVERIES);
        for (thread, rings) in rings.into_iter().enumerate() {
            let meter = Meter::new(settings.meter.clone());
            let lane = Lane::new(thread, rings, &settings.interfaces, meter, output.take());
            start(lane, Arc::clone(&shared), sender.clone())?;
        }
        Ok(Live {
            deliveries,
            order: Order::new(&settings.meter, threads),
            interfaces: settings.interfaces.clone(),
            counts: vec![Counts::default(); threads],
            statistics: vec![Statistics::default(); settings.interfaces.len()],
            damage: Vec::new(),
            finished: false,
        })
    }

    /// What the kernel did with the packets of each interface so far.
    pub fn statistics(&self) -> impl Iterator<Item = (&str, Statistics)> {
        self.interfaces.iter().map(String::as_str).zip(self.statistics.iter().copied())
    }

    /// What was read so far.
    pub fn report(&self) -> Report {
        let mut report = Report { damage: self.damage.clone(), ..Report::default() };
        self.counts.iter().for_each(|counts| report.add_packets(counts));
        let dropped = self.statistics.iter().map(|statistics| statistics.dropped).sum();
        report.add_note("packets dropped by the kernel because a ring was full", dropped);
        report
    }
}

impl Source for Live {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        let Ok(delivery) = self.deliveries.recv() else {
            // All threads have ended.
            self.finished = true;
            self.order.finish(&mut batch.flows);
            return Ok(false);
        };
        self.counts[delivery.thread] = delivery.counts;
        for (interface, more) in delivery.statistics {
            self.statistics[interface].packets += more.packets;
            self.statistics[interface].dropped += more.dropped;
            self.statistics[interface].repeated += more.repeated;
        }
        self.damage.extend(delivery.damage);
        self.order.push(delivery.thread, delivery.time, delivery.flows, &mut batch.flows);
        Ok(true)
    }

    fn is_current(&self) -> bool {
        true
    }
}

impl Shared {
    /// Whether it is time to stop.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.stop.load(Ordering::Relaxed) || self.end.is_some_and(|end| now >= end)
    }

    /// Takes one packet off the limit, the last of which stops all threads; `false` where none is left.
    pub(super) fn may_take(&self) -> bool {
        let Some(packets) = &self.packets else { return true };
        let left = packets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok_and(|left| left == 1) {
            self.stop.store(true, Ordering::Relaxed);
        }
        left.is_ok()
    }
}

/// Puts the flows of several threads into one order, which hangs only on the flows: by the time at which the last one
/// alike must have been told, then by who talks with whom.
struct Order {
    idle: Duration,
    linger: Duration,
    /// The time that each thread has come to.
    times: Vec<Time>,
    waiting: BinaryHeap<Reverse<Due>>,
}

struct Due {
    place: (Time, Time, Key),
    flow: Flow,
}

impl Order {
    fn new(settings: &meter::Settings, threads: usize) -> Order {
        let (idle, linger) = (settings.idle, settings.linger);
        Order { idle, linger, times: vec![Time::MIN; threads], waiting: BinaryHeap::new() }
    }

    fn push(&mut self, thread: usize, time: Time, mut flows: Vec<Flow>, out: &mut Vec<Flow>) {
        if self.times.len() == 1 {
            out.append(&mut flows);
            return;
        }
        self.times[thread] = self.times[thread].max(time);
        for flow in flows {
            let wait = if flow.ended == Ended::Closed { self.linger } else { self.idle };
            self.waiting.push(Reverse(Due { place: (flow.end + wait, flow.start, flow.key), flow }));
        }
        let past = self.times.iter().min().copied().unwrap_or(Time::MIN);
        while self.waiting.peek().is_some_and(|Reverse(due)| due.place.0 < past) {
            out.extend(self.waiting.pop().map(|Reverse(due)| due.flow));
        }
        // A flood ends flows faster than time passes; then their order is worth less than the memory.
        while self.waiting.len() > MOST_WAITING {
            out.extend(self.waiting.pop().map(|Reverse(due)| due.flow));
        }
    }

    fn finish(&mut self, out: &mut Vec<Flow>) {
        while let Some(Reverse(due)) = self.waiting.pop() {
            out.push(due.flow);
        }
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.place == other.place
    }
}

impl Eq for Due {}

/// Opens a ring of each thread on the interface.
fn open_interface(name: &str, settings: &Settings, rings: &mut [Vec<Ring>]) -> Result<(), Error> {
    let failed = |source: io::Error| Error::interface(name, source);
    let number = if name == "any" { Some(0) } else { ring::number(name) };
    let Some(number) = number else {
        let names: Vec<String> = ring::interfaces().map_err(failed)?.into_iter().map(|(name, _)| name).collect();
        return Err(Error::NoInterface { name: name.to_owned(), names: names.join(", ") });
    };
    let take_all = || vec![Instruction::accept(SNAP_BYTES)];
    let mut setup = Setup {
        bytes: settings.ring_bytes,
        patience_milliseconds: PATIENCE_MILLISECONDS,
        promiscuous: settings.promiscuous,
        filter: settings.filter.clone().unwrap_or_else(take_all),
        share: if rings.len() == 1 { Share::All } else { Share::First },
    };
    for rings in rings {
        let ring = Ring::open(number, &setup).map_err(failed)?;
        if setup.share == Share::First {
            setup.share = Share::With(ring.group().map_err(failed)?);
        }
        rings.push(ring);
    }
    Ok(())
}

fn create(path: &std::path::Path) -> Result<Output, Error> {
    let failed = |source: io::Error| Error::Capture { reason: format!("cannot write {}: {source}", path.display()) };
    let file = File::create(path).map_err(failed)?;
    Writer::new(BufWriter::with_capacity(1 << 18, file)).map_err(failed)
}

fn start(lane: Lane, shared: Arc<Shared>, sender: SyncSender<Delivery>) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name("capture".to_owned());
    let started = thread.spawn(move || lane.run(&shared, &sender));
    started.map(drop).map_err(|error| Error::Capture { reason: format!("cannot start a thread: {error}") })
}

/// Gives up every capability, and the way back to them.
fn drop_privileges() -> Result<(), String> {
    use caps::CapSet;
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| error.to_string())?;
    }
    ring::refuse_new_privileges().map_err(|error| error.to_string())
}

/// The clock that the kernel stamps packets with.
pub(super) fn clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_nanoseconds(since.as_nanos() as i64)
}

/// What payload features look at, and room for the headers of tunnels.
pub const SNAP_BYTES: u32 = 2048;
/// Late enough for full blocks on a busy link, soon enough for a person who watches.
pub(super) const PATIENCE_MILLISECONDS: u32 = 20;
/// Deliveries that may wait for the reader; after that the rings hold what comes.
const DELIVERIES: usize = 16;
/// Some 200 MiB of flows.
const MOST_WAITING: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use flow::{Endpoint, Protocol};

    use super::*;

    fn flow(port: u16, end: i64, ended: Ended) -> Flow {
        let endpoint = |port| Endpoint::new([10, 0, 0, 1].into(), port);
        let key = Key { originator: endpoint(port), responder: endpoint(80), protocol: Protocol::Tcp };
        let time = |seconds: i64| Time::from_nanoseconds(seconds * 1_000_000_000);
        Flow { ended, ..Flow::between(key, time(end - 1), time(end)) }
    }

    /// The ports of the flows in the order in which they come out.
    fn ordered(deliveries: Vec<(usize, i64, Vec<Flow>)>) -> Vec<u16> {
        let mut order = Order::new(&meter::Settings::default(), 2);
        let mut out = Vec::new();
        for (thread, seconds, flows) in deliveries {
            order.push(thread, Time::from_nanoseconds(seconds * 1_000_000_000), flows, &mut out);
        }
        order.finish(&mut out);
        out.iter().map(|flow| flow.key.originator.port).collect()
    }

    #[test]
    fn flows_of_two_threads_come_in_one_order_however_they_are_delivered() {
        let closed = |port, end| flow(port, end, Ended::Closed);
        let together = ordered(vec![(0, 60, vec![closed(1, 10), closed(3, 30)]), (1, 60, vec![closed(2, 20)])]);
        let apart = ordered(vec![
            (1, 26, vec![closed(2, 20)]),
            (0, 16, vec![closed(1, 10)]),
            (0, 50, vec![closed(3, 30)]),
            (1, 60, vec![]),
        ]);
        assert_eq!(together, [1, 2, 3]);
        assert_eq!(apart, together);
    }

    #[test]
    fn a_flow_waits_until_every_thread_has_passed_its_time() {
        let mut order = Order::new(&meter::Settings::default(), 2);
        let mut out = Vec::new();
        let time = |seconds: i64| Time::from_nanoseconds(seconds * 1_000_000_000);
        order.push(0, time(100), vec![flow(1, 10, Ended::Closed)], &mut out);
        assert!(out.is_empty());
        order.push(1, time(100), vec![], &mut out);
        assert_eq!(out.len(), 1);
    }
}
