//! The bounded table of open conversations.

use std::net::{IpAddr, Ipv6Addr};

use flow::features::ports;
use flow::{Application, Content, Detail, Ended, Endpoint, Flags, Flow, Key, Moments, Protocol, Side, State, Time};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::Settings;
use crate::application::Facts;
use crate::decode::{Direction, Packet};
use crate::tcp::Connection;

/// Open conversations, found by their key and ended by age.
pub(crate) struct Flows {
    settings: Settings,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hasher: RandomState,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// The place of each entry in its list; beside the entries, because each packet changes three of them.
    places: Vec<Place>,
    free: Vec<u32>,
    open: List,
    /// Closed TCP conversations, kept for their last repeated segments.
    closed: List,
    /// Flows ended because the table was full.
    pub(crate) evicted: u64,
    /// TCP segments, in flows given out, whose bytes had all been sent before.
    pub(crate) repeated: u64,
}

/// A conversation in the table.
struct Entry {
    key: Pair,
    hash: u64,
    protocol: Protocol,
    /// The originator is the pair's lower endpoint.
    originator_is_low: bool,
    is_closed: bool,
    /// Which sides were heard in the whole conversation.
    heard: [bool; 2],
    vlan: Option<u16>,
    conversation_start: Time,
    start: Time,
    end: Time,
    gaps: Moments,
    connection: Connection,
    sides: [Half; 2],
    application: Option<Box<Application>>,
    content: Option<Box<Content>>,
}

/// An entry's neighbours in its list, and when it was last seen.
#[derive(Clone, Copy)]
struct Place {
    end: Time,
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
    low: u128,
    high: u128,
    /// The lower endpoint's port, the higher's, and the protocol: one word, because hashing goes by words.
    ports: u64,
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
            places: Vec::new(),
            free: Vec::new(),
            open: List::EMPTY,
            closed: List::EMPTY,
            evicted: 0,
            repeated: 0,
        }
    }

    /// Books a packet in its flow, which it opens where there is none; ended flows go to `ended`.
    pub(crate) fn observe(&mut self, packet: &Packet, facts: Facts, ended: &mut Vec<Flow>) {
        self.expire(packet.time, ended);
        let (key, source_is_low) = Pair::of(packet);
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |&at| self.entries[at as usize].key == key).copied();
        let at = match found.filter(|&at| self.goes_on(at, source_is_low, packet, ended)) {
            Some(at) => at,
            None => self.insert(key, hash, source_is_low, packet, ended),
        };
        let entry = &mut self.entries[at as usize];
        let from = usize::from(entry.originator_is_low != source_is_low);
        entry.book(from, packet, facts);
        self.places[at as usize].end = entry.end;
        let was_closed = entry.is_closed;
        entry.is_closed |= entry.connection.is_closed();
        let is_closed = entry.is_closed;
        self.touch(at, was_closed, is_closed);
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
                _ => self.places[closed as usize].end <= self.places[open as usize].end,
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
        let Settings { linger, idle, .. } = self.settings;
        while self.closed.oldest != NONE && now.since(self.places[self.closed.oldest as usize].end) > linger {
            ended.push(self.remove(self.closed.oldest, Ended::Closed));
        }
        while self.open.oldest != NONE && now.since(self.places[self.open.oldest as usize].end) > idle {
            ended.push(self.remove(self.open.oldest, Ended::Idle));
        }
    }

    /// Whether the packet goes on with the flow at `at`; if not, that flow has ended. The active timeout cuts it.
    fn goes_on(&mut self, at: u32, source_is_low: bool, packet: &Packet, ended: &mut Vec<Flow>) -> bool {
        let entry = &mut self.entries[at as usize];
        // Where times step back, the lists are not quite in the order of time, and `expire` may have passed it over.
        let quiet = packet.time.since(entry.end);
        let (limit, reason) =
            if entry.is_closed { (self.settings.linger, Ended::Closed) } else { (self.settings.idle, Ended::Idle) };
        if quiet > limit {
            ended.push(self.remove(at, reason));
            return false;
        }
        if let (Direction::Call, Some(segment)) = (packet.direction, &packet.segment) {
            let from = usize::from(entry.originator_is_low != source_is_low);
            if entry.connection.is_reopened_by(from, segment) {
                ended.push(self.remove(at, Ended::Closed));
                return false;
            }
        }
        if packet.time.since(entry.start) >= self.settings.active {
            self.repeated += entry.repeated();
            let part = entry.flow(Ended::Active);
            ended.push(Flow { application: entry.application.clone(), content: entry.content.clone(), ..part });
            entry.cut(packet.time);
        }
        true
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
                is_group(packet.destination)
                    || ports::service(packet.source_port).is_none()
                    || ports::service(packet.destination_port).is_some()
                    || !packet.protocol.has_ports()
            }
        };
        let entry = Entry {
            key,
            hash,
            protocol: packet.protocol,
            originator_is_low: source_is_low == source_is_originator,
            is_closed: false,
            heard: [false; 2],
            vlan: packet.vlan,
            conversation_start: packet.time,
            start: packet.time,
            end: packet.time,
            gaps: Moments::default(),
            connection: Connection::default(),
            sides: [Half::default(); 2],
            application: None,
            content: None,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.places.push(Place { end: packet.time, newer: NONE, older: NONE });
                self.entries.len() as u32 - 1
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |&at| entries[at as usize].hash);
        self.link(at, false);
        at
    }

    fn remove(&mut self, at: u32, reason: Ended) -> Flow {
        let entry = &mut self.entries[at as usize];
        let (hash, is_closed) = (entry.hash, entry.is_closed);
        let (application, content) = (entry.application.take(), entry.content.take());
        let flow = Flow { application, content, ..entry.flow(reason) };
        self.repeated += entry.repeated();
        if let Ok(found) = self.index.find_entry(hash, |&other| other == at) {
            found.remove();
        }
        self.unlink(at, is_closed);
        self.free.push(at);
        flow
    }

    /// Moves the entry to the new end of its list, which changes when it closes.
    fn touch(&mut self, at: u32, was_closed: bool, is_closed: bool) {
        let list = if is_closed { &self.closed } else { &self.open };
        if list.newest != at {
            self.unlink(at, was_closed);
            self.link(at, is_closed);
        }
    }

    fn link(&mut self, at: u32, closed: bool) {
        let list = if closed { &mut self.closed } else { &mut self.open };
        let before = std::mem::replace(&mut list.newest, at);
        if before == NONE {
            list.oldest = at;
        } else {
            self.places[before as usize].newer = at;
        }
        let place = &mut self.places[at as usize];
        (place.older, place.newer) = (before, NONE);
    }

    fn unlink(&mut self, at: u32, closed: bool) {
        let Place { older, newer, .. } = self.places[at as usize];
        let list = if closed { &mut self.closed } else { &mut self.open };
        if older == NONE {
            list.oldest = newer;
        } else {
            self.places[older as usize].newer = newer;
        }
        if newer == NONE {
            list.newest = older;
        } else {
            self.places[newer as usize].older = older;
        }
    }
}

impl Entry {
    fn book(&mut self, from: usize, packet: &Packet, facts: Facts) {
        let is_first = self.sides[0].packets + self.sides[1].packets == 0;
        if !is_first {
            self.gaps.add(packet.time.since(self.end).as_nanos() as u64);
        }
        self.heard[from] = true;
        self.start = self.start.min(packet.time);
        self.conversation_start = self.conversation_start.min(packet.time);
        self.end = self.end.max(packet.time);
        let side = &mut self.sides[from];
        if side.packets > 0 {
            side.detail.gaps.add(packet.time.since(side.last).as_nanos() as u64);
        }
        side.last = if side.packets > 0 { side.last.max(packet.time) } else { packet.time };
        side.packets += 1;
        side.bytes += u64::from(packet.bytes);
        side.payload_bytes += u64::from(packet.payload_bytes);
        let detail = &mut side.detail;
        let repeated = detail.retransmissions;
        detail.lengths.add(packet.bytes.into());
        detail.header_bytes += u64::from(packet.header_bytes);
        detail.payload_packets += u32::from(packet.payload_bytes > 0);
        if let Some(segment) = &packet.segment {
            count(&mut detail.flags, segment.bits());
            detail.initial_window.get_or_insert(segment.window);
            detail.zero_windows += u32::from(segment.window == 0 && !segment.rst());
            self.connection.observe(from, segment, packet.payload_bytes, detail);
        }
        if !facts.is_empty() {
            let is_repeated = detail.retransmissions > repeated;
            facts.add_to(&mut self.application, &mut self.content, is_repeated);
        }
    }

    /// Starts the next part of the conversation at `now`.
    fn cut(&mut self, now: Time) {
        self.start = now;
        self.end = now;
        self.sides = [Half::default(); 2];
        self.gaps = Moments::default();
        // Counts start anew; what was said once holds for the whole conversation.
        if matches!(self.application.as_deref(), Some(Application::Dns(_))) {
            self.application = None;
        }
        if let Some(content) = &mut self.content {
            **content = Content::default();
        }
    }

    fn repeated(&self) -> u64 {
        self.sides.iter().map(|side| u64::from(side.detail.retransmissions)).sum()
    }

    fn flow(&self, ended: Ended) -> Flow {
        let low = Endpoint::new(ip(self.key.low), (self.key.ports >> 48) as u16);
        let high = Endpoint::new(ip(self.key.high), (self.key.ports >> 32) as u16);
        let (originator, responder) = if self.originator_is_low { (low, high) } else { (high, low) };
        let key = Key { originator, responder, protocol: self.protocol };
        let [originator_side, responder_side] = self.sides.map(Half::side);
        Flow {
            vlan: self.vlan,
            conversation_start: self.conversation_start,
            originator: originator_side,
            responder: responder_side,
            gaps: self.gaps,
            state: Some(match (self.protocol, self.heard) {
                (Protocol::Tcp, _) => self.connection.state(),
                (_, [true, true]) => State::SF,
                (_, [true, false]) => State::S0,
                (_, [false, true]) => State::Shr,
                (_, [false, false]) => State::Oth,
            }),
            ended,
            ..Flow::between(key, self.start, self.end)
        }
    }
}

impl Half {
    fn side(self) -> Side {
        Side {
            packets: Some(self.packets),
            bytes: Some(self.bytes),
            payload_bytes: Some(self.payload_bytes),
            country: None,
            detail: Some(self.detail),
        }
    }
}

impl Pair {
    /// The packet's pair, and whether its source is the lower endpoint.
    fn of(packet: &Packet) -> (Pair, bool) {
        let protocol = packet.protocol.number().map_or(ARP, u64::from);
        let source_is_low = (packet.source, packet.source_port) <= (packet.destination, packet.destination_port);
        let (low, high, low_port, high_port) = if source_is_low {
            (packet.source, packet.destination, packet.source_port, packet.destination_port)
        } else {
            (packet.destination, packet.source, packet.destination_port, packet.source_port)
        };
        let ports = u64::from(low_port) << 48 | u64::from(high_port) << 32 | protocol;
        (Pair { low, high, ports }, source_is_low)
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

/// Whether the address is a multicast group or the limited broadcast address.
fn is_group(address: u128) -> bool {
    match ip(address) {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

fn ip(address: u128) -> IpAddr {
    Ipv6Addr::from_bits(address).to_canonical()
}

/// No entry.
const NONE: u32 = u32::MAX;
/// Stands beside the IP protocol numbers.
const ARP: u64 = 256;
