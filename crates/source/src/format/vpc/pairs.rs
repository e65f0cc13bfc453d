//! The two directions of a conversation, put together.
//!
//! A record waits for the one of the opposite direction: same interface, endpoints and protocol, and started within
//! [`WINDOW`] (AWS aggregates over at most ten minutes). Of several that wait, the one whose interval is nearest is
//! taken. Two records make one flow; the originator is
//!
//! 1. who sent a SYN without ACK, or whose peer sent a SYN with ACK, where the log has `tcp-flags`;
//! 2. else who calls a well-known port: below 1024, or below 32768 where the other is above;
//! 3. else who was heard first; of two in the same second, whose record came first.
//!
//! A record that waited in vain is a flow of one direction. The other side is silent where the record itself shows it:
//! it was rejected, or its flags are a SYN and nothing else. Otherwise the other side is unknown, because AWS may have
//! skipped its record or the log may hold one kind of records only.

use std::collections::VecDeque;

use flow::{Duration, Endpoint, Flow, Key, Protocol, Side, State, Time};
use hashbrown::{HashMap, HashSet};

use crate::Batch;

/// One record: what one side sent to the other within an aggregation interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The interface, as a hash of its name.
    pub interface: u64,
    /// Who sent.
    pub source: Endpoint,
    /// Who was sent to.
    pub destination: Endpoint,
    /// The protocol.
    pub protocol: Protocol,
    /// The first packet, to the second.
    pub start: Time,
    /// The last packet, to the second.
    pub end: Time,
    /// Packets.
    pub packets: Option<u64>,
    /// Bytes from the IP header on.
    pub bytes: Option<u64>,
    /// Whether security groups and network ACLs let it pass.
    pub action: Action,
    /// TCP flags, all of the interval in one: FIN 1, SYN 2, RST 4, SYN with ACK 18.
    pub flags: Option<u8>,
}

/// What became of the packets of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They passed.
    Accept,
    /// They were dropped.
    Reject,
    /// The log does not say.
    Unknown,
}

/// The records that wait for their counterparts, at most [`CAPACITY`].
pub struct Pairs {
    /// Whether AWS said that records are lost.
    pub lossy: bool,
    /// The first record that waits between two endpoints, as a place among the slots.
    waiting: HashMap<Between, u32, foldhash::fast::FixedState>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// In the order of arrival: slot and its generation.
    queue: VecDeque<(u32, u32)>,
    now: Time,
    /// The hashes of the latest records, in two generations.
    seen: [HashSet<u64, foldhash::fast::FixedState>; 2],
}

/// Two endpoints at an interface, whoever sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Between {
    interface: u64,
    low: Endpoint,
    high: Endpoint,
    protocol: Protocol,
}

struct Slot {
    record: Option<Record>,
    /// The next record between the same endpoints.
    next: u32,
    generation: u32,
}

impl Default for Pairs {
    fn default() -> Pairs {
        let hasher = foldhash::fast::FixedState::with_seed(11);
        Pairs {
            lossy: false,
            waiting: HashMap::with_hasher(hasher.clone()),
            slots: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            now: Time::MIN,
            seen: [HashSet::with_hasher(hasher.clone()), HashSet::with_hasher(hasher)],
        }
    }
}

impl Pairs {
    /// Whether no record of this hash came lately; remembers it.
    pub fn is_new(&mut self, hash: u64) -> bool {
        if self.seen[1].contains(&hash) || !self.seen[0].insert(hash) {
            return false;
        }
        if self.seen[0].len() >= REMEMBERED {
            self.seen.swap(0, 1);
            self.seen[0].clear();
        }
        true
    }

    /// Takes in a record; gives out the flows that are complete by it.
    pub fn take(&mut self, record: Record, batch: &mut Batch) {
        self.now = self.now.max(record.end);
        let between = Between::of(&record);
        match self.counterpart(&between, &record) {
            Some(other) => batch.flows.push(pair(other, record)),
            None => self.wait(between, record, batch),
        }
        self.expire(batch);
    }

    /// Gives out all that still wait.
    pub fn finish(&mut self, batch: &mut Batch) {
        while self.release_oldest(batch) {}
        if self.lossy {
            batch.note("logs with lost records: sides of which no record came are unknown", 1);
            self.lossy = false;
        }
        self.now = Time::MIN;
    }

    /// Takes the waiting record of the opposite direction that is nearest in time.
    fn counterpart(&mut self, between: &Between, record: &Record) -> Option<Record> {
        let head = *self.waiting.get(between)?;
        let (mut best, mut best_before, mut best_distance) = (NONE, NONE, (Duration::MAX, Duration::MAX));
        let (mut before, mut place) = (NONE, head);
        while let Some(slot) = self.slots.get(place as usize) {
            if let Some(other) = &slot.record
                && other.source == record.destination
                && (other.source != other.destination)
                && let Some(distance) = distance(other, record)
                && distance < best_distance
            {
                (best, best_before, best_distance) = (place, before, distance);
            }
            (before, place) = (place, slot.next);
        }
        self.unlink(between, best_before, best)
    }

    /// Takes a record out of the list between two endpoints; `before` is the one in front of it.
    fn unlink(&mut self, between: &Between, before: u32, place: u32) -> Option<Record> {
        let slot = self.slots.get_mut(place as usize)?;
        let record = slot.record.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        let next = std::mem::replace(&mut slot.next, NONE);
        self.free.push(place);
        if let Some(before) = self.slots.get_mut(before as usize) {
            before.next = next;
        } else if next == NONE {
            self.waiting.remove(between);
        } else {
            self.waiting.insert(*between, next);
        }
        Some(record)
    }

    fn wait(&mut self, between: Between, record: Record, batch: &mut Batch) {
        if self.slots.len() - self.free.len() >= CAPACITY {
            self.release_oldest(batch);
            batch.note("records given out unpaired because too many waited", 1);
        }
        let place = self.free.pop().unwrap_or(self.slots.len() as u32);
        let generation = match self.slots.get_mut(place as usize) {
            Some(slot) => {
                slot.record = Some(record);
                slot.generation
            }
            None => {
                self.slots.push(Slot { record: Some(record), next: NONE, generation: 0 });
                0
            }
        };
        self.queue.push_back((place, generation));
        // Records that found their counterpart stay in the queue until they come to its front; they must not fill it.
        if self.queue.len() > 2 * CAPACITY {
            let slots = &self.slots;
            self.queue.retain(|(place, generation)| slots[*place as usize].generation == *generation);
        }
        // Behind those that wait already, but a list stays short: a later counterpart is not for the oldest.
        match self.waiting.entry(between) {
            hashbrown::hash_map::Entry::Vacant(entry) => {
                entry.insert(place);
            }
            hashbrown::hash_map::Entry::Occupied(entry) => {
                let (mut last, mut length) = (*entry.get(), 1);
                while let Some(slot) = self.slots.get(last as usize).filter(|slot| slot.next != NONE) {
                    (last, length) = (slot.next, length + 1);
                }
                let head = *entry.get();
                self.slots[last as usize].next = place;
                if length >= LONGEST {
                    self.release(&between, NONE, head, batch);
                }
            }
        }
    }

    /// Gives out the records whose counterparts would have come by now.
    fn expire(&mut self, batch: &mut Batch) {
        while let Some(&(place, generation)) = self.queue.front() {
            let slot = &self.slots[place as usize];
            match &slot.record {
                Some(record) if slot.generation == generation => {
                    if self.now.since(record.end) <= PATIENCE {
                        return;
                    }
                    self.release_oldest(batch);
                }
                _ => drop(self.queue.pop_front()),
            }
        }
    }

    /// Gives out the record that waits longest; `false` where none waits.
    fn release_oldest(&mut self, batch: &mut Batch) -> bool {
        while let Some((place, generation)) = self.queue.pop_front() {
            let slot = &self.slots[place as usize];
            let Some(record) = slot.record.as_ref().filter(|_| slot.generation == generation) else { continue };
            let between = Between::of(record);
            let (mut before, mut at) = (NONE, self.waiting.get(&between).copied().unwrap_or(NONE));
            while at != place {
                let Some(slot) = self.slots.get(at as usize) else { break };
                (before, at) = (at, slot.next);
            }
            self.release(&between, before, place, batch);
            return true;
        }
        false
    }

    fn release(&mut self, between: &Between, before: u32, place: u32, batch: &mut Batch) {
        if let Some(record) = self.unlink(between, before, place) {
            batch.flows.push(alone(record));
        }
    }
}

impl Between {
    fn of(record: &Record) -> Between {
        let (low, high) = if record.source <= record.destination {
            (record.source, record.destination)
        } else {
            (record.destination, record.source)
        };
        Between { interface: record.interface, low, high, protocol: record.protocol }
    }
}

impl Record {
    fn has(&self, flag: u8) -> bool {
        self.flags.is_some_and(|flags| flags & flag != 0)
    }

    /// It opened the connection; `None` where its flags do not tell.
    fn opened(&self) -> Option<bool> {
        self.has(SYN).then(|| !self.has(ACK))
    }

    fn side(&self) -> Side {
        Side { packets: self.packets, bytes: self.bytes, ..Side::default() }
    }
}

/// How far apart two records are: the time between their intervals, then between their starts; `None` where they
/// cannot be one conversation.
fn distance(one: &Record, other: &Record) -> Option<(Duration, Duration)> {
    let starts = one.start.since(other.start).max(other.start.since(one.start));
    let gap = one.start.since(other.end).max(other.start.since(one.end));
    (starts <= WINDOW).then_some((gap, starts))
}

/// The flow of two records, of which `earlier` came first.
fn pair(earlier: Record, later: Record) -> Flow {
    let is_first = calls(&earlier, &later);
    let (originator, responder) = if is_first { (earlier, later) } else { (later, earlier) };
    let key = Key { originator: originator.source, responder: originator.destination, protocol: originator.protocol };
    let start = originator.start.min(responder.start);
    Flow {
        originator: originator.side(),
        responder: responder.side(),
        state: state(&originator, &responder),
        ..Flow::between(key, start, originator.end.max(responder.end))
    }
}

/// Whether the sender of `earlier` called that of `later`.
fn calls(earlier: &Record, later: &Record) -> bool {
    let by_flags = || earlier.opened().or(later.opened().map(|opened| !opened));
    let by_start = || earlier.start <= later.start;
    by_flags().or_else(|| calls_service(earlier)).unwrap_or_else(by_start)
}

/// Whether the destination's port is a service's and the source's not; `None` where the ports do not tell.
fn calls_service(record: &Record) -> Option<bool> {
    let [source, destination] = [record.source.port, record.destination.port];
    for border in [1024, 32768] {
        if (source < border) != (destination < border) {
            return Some(destination < border);
        }
    }
    None
}

fn state(originator: &Record, responder: &Record) -> Option<State> {
    if originator.action == Action::Reject {
        return Some(State::Rej);
    }
    // The answer was sent, but never arrived.
    if responder.action == Action::Reject {
        return Some(State::S0);
    }
    if originator.protocol != Protocol::Tcp {
        return Some(State::SF);
    }
    originator.flags.or(responder.flags)?;
    Some(match (originator.has(SYN), responder.has(SYN)) {
        (true, true) => match [originator.has(RST), responder.has(RST), originator.has(FIN), responder.has(FIN)] {
            [true, ..] => State::Rsto,
            [_, true, ..] => State::Rstr,
            [_, _, true, true] => State::SF,
            [_, _, true, false] => State::S2,
            [_, _, false, true] => State::S3,
            [_, _, false, false] => State::S1,
        },
        (true, false) if responder.has(RST) => State::Rej,
        (false, true) if responder.has(RST) => State::Rstrh,
        (false, true) => State::Shr,
        _ => State::Oth,
    })
}

/// The flow of a record whose counterpart never came.
fn alone(record: Record) -> Flow {
    let by_flags = record.opened();
    let originates = by_flags.or_else(|| calls_service(&record)).unwrap_or(true) || record.action == Action::Reject;
    let only_syn = record.flags.is_some_and(|flags| flags & (SYN | ACK | FIN | RST) == SYN);
    let state = match (record.action, record.protocol) {
        (Action::Reject, _) => Some(State::Rej),
        (_, Protocol::Tcp) if only_syn => Some(State::S0),
        (_, Protocol::Tcp) if by_flags == Some(false) => Some(if record.has(RST) { State::Rstrh } else { State::Shr }),
        (_, Protocol::Tcp) if record.has(SYN) && record.has(RST) => Some(State::Rstos0),
        (_, Protocol::Tcp) if record.has(SYN) => Some(State::Sh),
        (_, Protocol::Tcp) if record.flags.is_some() => Some(State::Oth),
        _ => None,
    };
    let other = if matches!(state, Some(State::Rej | State::S0)) { Side::SILENT } else { Side::default() };
    let (from, to, protocol) = (record.source, record.destination, record.protocol);
    let (key, originator, responder) = if originates {
        (Key { originator: from, responder: to, protocol }, record.side(), other)
    } else {
        (Key { originator: to, responder: from, protocol }, other, record.side())
    };
    Flow { originator, responder, state, ..Flow::between(key, record.start, record.end) }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const NONE: u32 = u32::MAX;

/// The largest aggregation interval that can be set.
pub const WINDOW: Duration = Duration::from_secs(600);
/// How long a record waits, by the times of the records: two intervals, because the records of one arrive in any order.
const PATIENCE: Duration = Duration::from_secs(1200);
/// The most records that wait: some 40 MiB.
pub const CAPACITY: usize = 1 << 18;
/// The most records that wait between the same endpoints.
const LONGEST: usize = 16;
/// How many records are remembered at least to know their repetitions, twice that at most: some 20 MiB.
const REMEMBERED: usize = 1 << 19;
