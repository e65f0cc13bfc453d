//! The bounded table of open conversations.

use std::net::{IpAddr, Ipv6Addr};

use flow::features::ports;
use flow::{Detail, Ended, Endpoint, Flags, Flow, Key, Moments, Protocol, Side, State, Time};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::Settings;
use crate::decode::{Direction, Packet};
use crate::tcp::Connection;

/// Open conversations, found by their key and ended by age.
pub(crate) struct Flows {
    settings: Settings,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    open: List,
    /// Closed TCP conversations, kept for their last repeated segments.
    closed: List,
    /// Flows ended because the table was full.
    pub(crate) evicted: u64,
}

/// A conversation in the table.
struct Entry {
    key: Pair,
    hash: u64,
    /// The originator is the pair's lower endpoint.
    originator_is_low: bool,
    is_closed: bool,
    vlan: Option<u16>,
    conversation_start: Time,
    start: Time,
    end: Time,
    sides: [Half; 2],
    gaps: Moments,
    connection: Connection,
    newer: u32,
    older: u32,
}

/// What one side sent so far.
#[derive(Clone, Copy, Default)]
struct Half {
    packets: u64,
    bytes: u64,
    payload_bytes: u64,
    last: Time,
    detail: Detail,
}

/// Two endpoints in numerical order and a protocol: the same for both directions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    low: (u128, u16),
    high: (u128, u16),
    protocol: Protocol,
}

/// Ends of a doubly linked list through the entries, oldest first.
#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
}

impl Flows {
    pub(crate) fn new(settings: Settings) -> Flows {
        Flows {
            settings,
            hasher: RandomState::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            open: List::EMPTY,
            closed: List::EMPTY,
            evicted: 0,
        }
    }

    /// Books a packet in its flow, which it opens where there is none; ended flows go to `ended`.
    pub(crate) fn observe(&mut self, packet: &Packet, ended: &mut Vec<Flow>) {
        self.expire(packet.time, ended);
        let (key, source_is_low) = Pair::of(packet);
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |&at| self.entries[at as usize].key == key).copied();
        let at = match found {
            Some(at) => match self.reopen(at, packet, ended) {
                Some(at) => at,
                None => self.insert(key, hash, source_is_low, packet, ended),
            },
            None => self.insert(key, hash, source_is_low, packet, ended),
        };
        let entry = &mut self.entries[at as usize];
        let from = usize::from(entry.originator_is_low != source_is_low);
        entry.book(from, packet);
        let closes = !entry.is_closed && entry.connection.is_closed();
        let was_closed = entry.is_closed;
        entry.is_closed |= closes;
        if closes {
            self.unlink(at, false);
            self.link(at, true);
        } else if !was_closed {
            self.touch(at);
        }
    }

    /// Ends every flow.
    pub(crate) fn finish(&mut self, ended: &mut Vec<Flow>) {
        loop {
            let [closed, open] = [self.closed.oldest, self.open.oldest];
            // By the time of the last packet, so that one order serves all the ways to end.
            let is_closed = match (closed, open) {
                (NONE, NONE) => break,
                (NONE, _) => false,
                (_, NONE) => true,
                _ => self.entries[closed as usize].end <= self.entries[open as usize].end,
            };
            let (at, reason) = if is_closed { (closed, Ended::Closed) } else { (open, Ended::Input) };
            ended.push(self.remove(at, reason));
        }
    }

    /// Open conversations.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Ends the flows whose time is over at `now`.
    fn expire(&mut self, now: Time, ended: &mut Vec<Flow>) {
        while self.closed.oldest != NONE && now.since(self.entries[self.closed.oldest as usize].end) > self.settings.linger {
            ended.push(self.remove(self.closed.oldest, Ended::Closed));
        }
        while self.open.oldest != NONE && now.since(self.entries[self.open.oldest as usize].end) > self.settings.idle {
            ended.push(self.remove(self.open.oldest, Ended::Idle));
        }
    }

    /// Whether the packet goes on with the flow at `at`. A new SYN after the close ends it; the active timeout cuts it.
    fn reopen(&mut self, at: u32, packet: &Packet, ended: &mut Vec<Flow>) -> Option<u32> {
        let entry = &mut self.entries[at as usize];
        if entry.is_closed && packet.direction == Direction::Call && packet.segment.is_some() {
            ended.push(self.remove(at, Ended::Closed));
            return None;
        }
        if packet.time.since(entry.start) >= self.settings.active {
            ended.push(entry.flow(Ended::Active));
            entry.cut(packet.time);
        }
        Some(at)
    }

    fn insert(&mut self, key: Pair, hash: u64, source_is_low: bool, packet: &Packet, ended: &mut Vec<Flow>) -> u32 {
        if self.index.len() >= self.settings.flows {
            let oldest = if self.closed.oldest == NONE { self.open.oldest } else { self.closed.oldest };
            if oldest != NONE {
                self.evicted += 1;
                ended.push(self.remove(oldest, Ended::Evicted));
            }
        }
        let source_is_originator = match packet.direction {
            Direction::Call => true,
            Direction::Answer => false,
            // From the middle of a conversation: the well-known port is the one that was called (as Zeek decides).
            Direction::Unknown => {
                packet.destination >> 120 == 0xff
                    || ports::service(packet.source_port).is_none()
                    || ports::service(packet.destination_port).is_some()
                    || !packet.protocol.has_ports()
            }
        };
        let entry = Entry {
            key,
            hash,
            originator_is_low: source_is_low == source_is_originator,
            is_closed: false,
            vlan: packet.vlan,
            conversation_start: packet.time,
            start: packet.time,
            end: packet.time,
            sides: [Half::default(); 2],
            gaps: Moments::default(),
            connection: Connection::default(),
            newer: NONE,
            older: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |&at| entries[at as usize].hash);
        self.link(at, false);
        at
    }

    fn remove(&mut self, at: u32, reason: Ended) -> Flow {
        let entry = &self.entries[at as usize];
        let (hash, is_closed) = (entry.hash, entry.is_closed);
        let flow = entry.flow(reason);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        self.unlink(at, is_closed);
        self.free.push(at);
        flow
    }

    /// Moves the entry to the new end of the open list.
    fn touch(&mut self, at: u32) {
        if self.open.newest != at {
            self.unlink(at, false);
            self.link(at, false);
        }
    }

    fn link(&mut self, at: u32, closed: bool) {
        let list = if closed { &mut self.closed } else { &mut self.open };
        let before = std::mem::replace(&mut list.newest, at);
        if before == NONE {
            list.oldest = at;
        } else {
            self.entries[before as usize].newer = at;
        }
        let entry = &mut self.entries[at as usize];
        (entry.older, entry.newer) = (before, NONE);
    }

    fn unlink(&mut self, at: u32, closed: bool) {
        let Entry { older, newer, .. } = self.entries[at as usize];
        let list = if closed { &mut self.closed } else { &mut self.open };
        if older == NONE {
            list.oldest = newer;
        }
        if newer == NONE {
            list.newest = older;
        }
        if older != NONE {
            self.entries[older as usize].newer = newer;
        }
        if newer != NONE {
            self.entries[newer as usize].older = older;
        }
    }
}

impl Entry {
    fn book(&mut self, from: usize, packet: &Packet) {
        let is_first = self.sides[0].packets + self.sides[1].packets == 0;
        if !is_first {
            self.gaps.add(packet.time.since(self.end).as_nanos() as u64);
        }
        self.start = self.start.min(packet.time);
        self.end = self.end.max(packet.time);
        let side = &mut self.sides[from];
        if side.packets > 0 {
            side.detail.gaps.add(packet.time.since(side.last).as_nanos() as u64);
        }
        side.last = packet.time;
        side.packets += 1;
        side.bytes += u64::from(packet.bytes);
        side.payload_bytes += u64::from(packet.payload_bytes);
        let detail = &mut side.detail;
        detail.lengths.add(packet.bytes.into());
        detail.header_bytes += u64::from(packet.header_bytes);
        detail.payload_packets += u32::from(packet.payload_bytes > 0);
        if let Some(segment) = &packet.segment {
            count(&mut detail.flags, segment.bits());
            detail.initial_window.get_or_insert(segment.window);
            detail.zero_windows += u32::from(segment.window == 0 && !segment.rst());
            self.connection.observe(from, segment, packet.payload_bytes, detail);
        }
    }

    /// Starts the next part of the conversation at `now`.
    fn cut(&mut self, now: Time) {
        self.start = now;
        self.end = now;
        self.sides = [Half::default(); 2];
        self.gaps = Moments::default();
    }

    fn flow(&self, ended: Ended) -> Flow {
        let [low, high] = [self.key.low, self.key.high].map(|(address, port)| Endpoint::new(ip(address), port));
        let (originator, responder) = if self.originator_is_low { (low, high) } else { (high, low) };
        let [originator_side, responder_side] = self.sides.map(Half::side);
        let heard = [originator_side.packets > 0, responder_side.packets > 0];
        Flow {
            key: Key { originator, responder, protocol: self.key.protocol },
            vlan: self.vlan,
            start: self.start,
            end: self.end,
            conversation_start: self.conversation_start,
            originator: originator_side,
            responder: responder_side,
            gaps: self.gaps,
            state: Some(match (self.key.protocol, heard) {
                (Protocol::Tcp, _) => self.connection.state(),
                (_, [true, true]) => State::SF,
                (_, [true, false]) => State::S0,
                (_, [false, true]) => State::Shr,
                (_, [false, false]) => State::Oth,
            }),
            ended,
            label: None,
        }
    }
}

impl Half {
    fn side(self) -> Side {
        Side {
            packets: self.packets,
            bytes: self.bytes,
            payload_bytes: Some(self.payload_bytes),
            detail: Some(self.detail),
        }
    }
}

impl Pair {
    /// The packet's pair, and whether its source is the lower endpoint.
    fn of(packet: &Packet) -> (Pair, bool) {
        let source = (packet.source, packet.source_port);
        let destination = (packet.destination, packet.destination_port);
        let protocol = packet.protocol;
        if source <= destination {
            (Pair { low: source, high: destination, protocol }, true)
        } else {
            (Pair { low: destination, high: source, protocol }, false)
        }
    }
}

impl List {
    const EMPTY: List = List { oldest: NONE, newest: NONE };
}

#[inline]
fn count(flags: &mut Flags, bits: u8) {
    flags.fin += u32::from(bits & 1);
    flags.syn += u32::from(bits >> 1 & 1);
    flags.rst += u32::from(bits >> 2 & 1);
    flags.psh += u32::from(bits >> 3 & 1);
    flags.ack += u32::from(bits >> 4 & 1);
    flags.urg += u32::from(bits >> 5 & 1);
    flags.ece += u32::from(bits >> 6 & 1);
    flags.cwr += u32::from(bits >> 7);
}

fn ip(address: u128) -> IpAddr {
    Ipv6Addr::from_bits(address).to_canonical()
}

/// No entry.
const NONE: u32 = u32::MAX;
