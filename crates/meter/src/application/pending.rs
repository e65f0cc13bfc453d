//! Messages of which a part is still to come: a bounded table, from which the oldest goes first.

use std::collections::{HashMap, VecDeque};

use flow::{Duration, Protocol, Time};
use foldhash::fast::RandomState;

use crate::decode::Packet;

/// Unfinished messages, by who sends them to whom.
#[derive(Default)]
pub(super) struct Pending {
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    messages: HashMap<Way, Assembly, RandomState>,
    /// In the order in which they began to wait; some are finished since.
    queue: VecDeque<(u64, Way)>,
    /// How many wait by a coarse hash, so that most packets need not be looked up. Empty until it is needed.
    filter: Vec<u16>,
    bytes: usize,
    next: u64,
    /// Messages given up because too many waited, or for too long.
    pub(super) evicted: u64,
}

/// One direction of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Way {
    source: u128,
    destination: u128,
    /// Both ports and whether it is TCP.
    ports: u64,
}

/// A message put together from parts that come in any order.
pub(super) struct Assembly {
    /// Where the message starts in its stream.
    base: u64,
    longest: usize,
    bytes: Vec<u8>,
    /// What is there, as ranges that neither touch nor overlap, in order.
    ranges: Vec<(usize, usize)>,
    number: u64,
    since: Time,
    is_full: bool,
}

impl Pending {
    /// `false` where surely nothing of the packet's sender waits.
    #[inline]
    pub(super) fn may_hold(&self, packet: &Packet) -> bool {
        !self.messages.is_empty() && self.filter.get(fold(packet)).is_some_and(|&count| count > 0)
    }

    /// Takes out what waits of the packet's sender.
    pub(super) fn take(&mut self, way: &Way, packet: &Packet) -> Option<Assembly> {
        if !self.may_hold(packet) {
            return None;
        }
        self.remove(way)
    }

    /// Lets a message wait for its rest.
    pub(super) fn wait(&mut self, way: Way, packet: &Packet, mut message: Assembly) {
        message.number = self.next;
        message.since = packet.time;
        self.next += 1;
        self.queue.push_back((message.number, way));
        self.go_on(way, packet, message);
        if self.queue.len() > 2 * MAX_MESSAGES {
            let messages = &self.messages;
            self.queue.retain(|(number, way)| messages.get(way).is_some_and(|message| message.number == *number));
        }
    }

    /// Lets a message that was taken out wait further.
    pub(super) fn go_on(&mut self, way: Way, packet: &Packet, message: Assembly) {
        if self.filter.is_empty() {
            self.filter = vec![0; FILTER];
        }
        self.filter[way.fold()] += 1;
        self.bytes += message.bytes.len();
        self.messages.insert(way, message);
        while let Some(&(number, way)) = self.queue.front() {
            let is_too_much = self.messages.len() > MAX_MESSAGES || self.bytes > MAX_BYTES;
            match self.messages.get(&way).filter(|message| message.number == number) {
                Some(message) if !is_too_much && packet.time.since(message.since) <= PATIENCE => break,
                Some(_) => {
                    self.remove(&way);
                    self.evicted += 1;
                }
                None => {}
            }
            self.queue.pop_front();
        }
    }

    fn remove(&mut self, way: &Way) -> Option<Assembly> {
        let message = self.messages.remove(way)?;
        self.filter[way.fold()] -= 1;
        self.bytes -= message.bytes.len();
        Some(message)
    }
}

impl Way {
    pub(super) fn of(packet: &Packet) -> Way {
        let is_tcp = u64::from(packet.protocol == Protocol::Tcp);
        let ports = u64::from(packet.source_port) << 32 | u64::from(packet.destination_port) << 16 | is_tcp;
        Way { source: packet.source, destination: packet.destination, ports }
    }

    fn fold(&self) -> usize {
        let mixed = (self.source as u64 ^ (self.destination as u64).rotate_left(32) ^ self.ports)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 48) as usize % FILTER
    }
}

fn fold(packet: &Packet) -> usize {
    Way::of(packet).fold()
}

impl Assembly {
    /// A message that starts at `base` of its stream with these bytes.
    pub(super) fn new(base: u64, start: &[u8], longest: usize) -> Assembly {
        let mut message = Assembly {
            base,
            longest,
            bytes: Vec::new(),
            ranges: Vec::new(),
            number: 0,
            since: Time::MIN,
            is_full: false,
        };
        message.insert(0, start);
        message
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Whether no more can come to it.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// What is there from the start without a gap.
    pub(super) fn prefix(&self) -> &[u8] {
        match self.ranges.first() {
            Some(&(0, end)) => &self.bytes[..end],
            _ => &[],
        }
    }

    /// Puts bytes into their place; `false` where they lie outside. Bytes that were there already stay.
    pub(super) fn insert(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let Some(start) = usize::try_from(offset).ok().filter(|&start| start < self.longest) else { return false };
        let end = start.saturating_add(bytes.len()).min(self.longest);
        self.is_full |= end == self.longest;
        if start == end {
            return true;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        // What lies between the ranges that are there is new.
        let mut from = start;
        for &(other_start, other_end) in &self.ranges {
            if other_end <= from {
                continue;
            }
            if other_start >= end {
                break;
            }
            if from < other_start {
                self.bytes[from..other_start].copy_from_slice(&bytes[from - start..other_start - start]);
            }
            from = other_end;
        }
        if from < end {
            self.bytes[from..end].copy_from_slice(&bytes[from - start..end - start]);
        }
        let first = self.ranges.partition_point(|range| range.1 < start);
        let last = self.ranges.partition_point(|range| range.0 <= end);
        let merged =
            self.ranges[first..last].iter().fold((start, end), |all, one| (all.0.min(one.0), all.1.max(one.1)));
        self.ranges.splice(first..last, [merged]);
        self.is_full |= self.ranges.len() > MAX_RANGES;
        true
    }

    /// Forgets the first bytes, which are used.
    pub(super) fn skip(&mut self, count: usize) {
        let count = count.min(self.bytes.len());
        self.base = self.base.wrapping_add(count as u64);
        self.bytes.drain(..count);
        self.ranges.retain_mut(|(start, end)| {
            (*start, *end) = (start.saturating_sub(count), end.saturating_sub(count));
            start < end
        });
    }
}

/// Messages that may wait at a time; of a busy network a handful do.
const MAX_MESSAGES: usize = 1024;
/// Bytes of all of them.
const MAX_BYTES: usize = 2 << 20;
/// The parts of a message leave together.
const PATIENCE: Duration = Duration::from_secs(30);
/// Gaps in a message; more than this is an attack.
const MAX_RANGES: usize = 64;
const FILTER: usize = 1 << 12;
