//! What the table keeps of one conversation, packed: a million of them may be open at once.
//!
//! What follows from something else is not kept: the count of lengths is that of the packets, their sum the bytes. What
//! only troubled conversations have lies in a box of its own.

use std::net::{IpAddr, Ipv6Addr};

use flow::features::cic::Profile;
use flow::features::ports;
use flow::{Application, Content, Detail, Ended, Endpoint, Flags, Flow, Key, Moments, Protocol, Side, State, Time};

use crate::Vlans;
use crate::application::Facts;
use crate::decode::{Direction, Packet, Scope, Segment};
use crate::history::{Event, Letters};
use crate::tcp::{self, Place};

/// A conversation in the table.
pub(crate) struct Conversation {
    pub(crate) key: Pair,
    sides: [Half; 2],
    /// Between successive packets of either side.
    gaps: Gaps,
    /// Time of the first packet of the whole conversation.
    conversation_start: Time,
    start: Time,
    letters: Letters,
    /// What only some conversations have.
    trouble: Option<Box<[Trouble; 2]>>,
    told: Option<Box<Told>>,
    vlan: Option<u16>,
    /// The originator is the pair's lower endpoint.
    originator_is_low: bool,
    /// Which sides were heard in the whole conversation.
    heard: [bool; 2],
    standing: Standing,
}

/// What its payloads told.
#[derive(Clone, Default)]
struct Told {
    application: Option<Box<Application>>,
    content: Option<Box<Content>>,
    /// What it takes; known, because to count is to read all of it.
    bytes: usize,
}

/// How much would be lost with a conversation: when the table is full, the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A TCP conversation that closed, kept for its last repeated segments.
    Closed,
    /// Without an answer, or of no more than [`BRIEF`] packets: what floods and scans consist of.
    Brief,
    /// Any other.
    Established,
}

impl Standing {
    /// All, the one to go first in front.
    pub(crate) const ALL: [Standing; 3] = [Standing::Closed, Standing::Brief, Standing::Established];
}

/// What one side sent so far.
#[derive(Clone, Copy, Default)]
struct Half {
    packets: u64,
    bytes: u64,
    payload_bytes: u64,
    header_bytes: u64,
    last: Time,
    gaps: Gaps,
    /// Sum of the squares of the packets' lengths: its lower and its upper half.
    length_squares: Wide,
    length_min: u32,
    length_max: u32,
    payload_packets: u32,
    fin: u32,
    syn: u32,
    rst: u32,
    psh: u32,
    ack: u32,
    initial_window: Option<u16>,
    /// Sequence number of the last RST.
    reset: u32,
    endpoint: tcp::Endpoint,
}

/// What few sides have.
#[derive(Clone, Copy, Default)]
struct Trouble {
    urg: u32,
    ece: u32,
    cwr: u32,
    retransmissions: u32,
    out_of_order: u32,
    zero_windows: u32,
    wrong_fragments: u32,
    /// Bytes jumped over that may still come.
    missing: u32,
    /// Times that bytes were acknowledged that the capture lacks.
    gaps: u32,
    /// Bytes were jumped over since the last such time.
    has_hole: bool,
}

/// Moments without their count, which is that of the packets less one.
#[derive(Clone, Copy)]
struct Gaps {
    min: u64,
    max: u64,
    sum: u64,
    squares: Wide,
}

/// A whole number of 128 bits in two words, because the type itself would be aligned to 16 bytes.
#[derive(Clone, Copy, Default)]
struct Wide([u64; 2]);

/// Two endpoints in numerical order and a protocol: the same for both directions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    low: u128,
    high: u128,
    /// The lower endpoint's port, the higher's, the VLAN where it counts, and the protocol: one word, because hashing
    /// goes by words.
    ports: u64,
    scope: Scope,
}

impl Conversation {
    /// A conversation that `packet` opens, which is still to be booked.
    pub(crate) fn new(key: Pair, source_is_low: bool, packet: &Packet, cic: Option<Profile>) -> Conversation {
        let source_is_originator = cic == Some(Profile::Compat2017) || is_from_originator(packet);
        let mut letters = Letters::default();
        if !source_is_originator && has_history(packet.protocol) {
            letters.push(Event::Turned, 0);
        }
        Conversation {
            key,
            sides: [Half::default(); 2],
            gaps: Gaps::default(),
            conversation_start: packet.time,
            start: packet.time,
            letters,
            trouble: None,
            told: None,
            vlan: packet.vlan,
            originator_is_low: source_is_low == source_is_originator,
            heard: [false; 2],
            standing: Standing::Brief,
        }
    }

    /// Which side sends what comes from the pair's lower endpoint, or from the higher one: 0 originator, 1 responder.
    #[inline]
    pub(crate) fn side_of(&self, source_is_low: bool) -> usize {
        usize::from(self.originator_is_low != source_is_low)
    }

    /// Time of the first packet of this part.
    #[inline]
    pub(crate) fn start(&self) -> Time {
        self.start
    }

    #[inline]
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether a SYN of side `from` opens another conversation between the same ports.
    pub(crate) fn is_reopened_by(&self, from: usize, segment: &Segment) -> bool {
        tcp::is_reopened_by([&self.sides[0].endpoint, &self.sides[1].endpoint], from, segment)
    }

    /// Segments that brought nothing new, of both sides.
    pub(crate) fn repeated(&self) -> u64 {
        self.trouble.iter().flat_map(|sides| sides.iter()).map(|side| u64::from(side.retransmissions)).sum()
    }

    /// Bytes that hang on it beside its place in the table.
    pub(crate) fn hanging_bytes(&self) -> usize {
        let trouble = if self.trouble.is_some() { TROUBLE_BYTES } else { 0 };
        trouble + self.told.as_ref().map_or(0, |told| told.bytes)
    }

    /// Takes in a packet of side `from`; `end` is the time of the last one. By how much the bytes grow that hang on it.
    #[inline]
    pub(crate) fn book(&mut self, from: usize, packet: &Packet, facts: Facts, end: Time) -> isize {
        let time = packet.time;
        let had_trouble = self.trouble.is_some();
        let repeated = if facts.is_empty() { 0 } else { self.repeated() };
        if self.sides[0].packets + self.sides[1].packets > 0 {
            self.gaps.add(time.since(end).as_nanos() as u64);
        }
        self.heard[from] = true;
        self.start = self.start.min(time);
        self.conversation_start = self.conversation_start.min(time);
        let side = &mut self.sides[from];
        if side.packets > 0 {
            side.gaps.add(time.since(side.last).as_nanos() as u64);
            side.last = side.last.max(time);
        } else {
            side.last = time;
            side.length_min = u32::MAX;
        }
        side.packets += 1;
        side.bytes += u64::from(packet.bytes);
        side.payload_bytes += u64::from(packet.payload_bytes);
        side.length_squares.add_square(packet.bytes.into());
        side.length_min = side.length_min.min(packet.bytes);
        side.length_max = side.length_max.max(packet.bytes);
        side.header_bytes += u64::from(packet.header_bytes);
        side.payload_packets += u32::from(packet.payload_bytes > 0);
        if packet.fragment.is_some_and(|fragment| fragment.is_wrong) {
            self.trouble(from).wrong_fragments += 1;
        }
        match &packet.segment {
            Some(segment) => self.book_segment(from, segment, packet.payload_bytes),
            None if packet.protocol == Protocol::Udp => self.letters.once(Event::Data, from),
            None => {}
        }
        if self.standing == Standing::Brief && self.heard == [true; 2] {
            let packets = self.sides[0].packets + self.sides[1].packets;
            if packets > BRIEF {
                self.standing = Standing::Established;
            }
        }
        let grown = if had_trouble || self.trouble.is_none() { 0 } else { TROUBLE_BYTES as isize };
        if facts.is_empty() { grown } else { grown + self.tell(facts, self.repeated() > repeated) }
    }

    /// Takes in what a packet tells; by how much the bytes grow that hang on it.
    #[cold]
    fn tell(&mut self, facts: Facts, is_repeated: bool) -> isize {
        let told = self.told.get_or_insert_default();
        facts.add_to(&mut told.application, &mut told.content, is_repeated);
        let before = told.bytes;
        told.bytes = told.count_bytes();
        told.bytes as isize - before as isize
    }

    #[inline]
    fn book_segment(&mut self, from: usize, segment: &Segment, payload_bytes: u32) {
        let side = &mut self.sides[from];
        let bits = segment.bits();
        side.fin += u32::from(bits & 1);
        side.syn += u32::from(bits >> 1 & 1);
        side.rst += u32::from(bits >> 2 & 1);
        side.psh += u32::from(bits >> 3 & 1);
        side.ack += u32::from(bits >> 4 & 1);
        if bits >> 5 != 0 || (segment.window == 0 && !segment.rst()) {
            self.book_rare(from, segment);
        }
        let side = &mut self.sides[from];
        side.initial_window.get_or_insert(segment.window);
        let missing = self.trouble.as_ref().map_or(0, |sides| sides[from].missing);
        let repeats = |event| match event {
            Event::Fin => side.endpoint.fin_end() == Some(segment.sequence.wrapping_add(payload_bytes).wrapping_add(1)),
            Event::Rst => side.reset == segment.sequence,
            _ => side.endpoint.first() == Some(segment.sequence),
        };
        self.letters.segment(from, segment, payload_bytes, repeats);
        if segment.rst() {
            side.reset = segment.sequence;
        }
        let [originator, responder] = &mut self.sides;
        let place =
            tcp::observe([&mut originator.endpoint, &mut responder.endpoint], from, segment, payload_bytes, missing);
        if place != Place::InOrder || self.trouble.is_some() {
            self.book_place(from, place, segment, payload_bytes);
        }
        if segment.rst() || segment.ack() {
            let [originator, responder] = &self.sides;
            if tcp::is_closed([&originator.endpoint, &responder.endpoint]) {
                self.standing = Standing::Closed;
            }
        }
    }

    /// Counts what few segments have: a window of 0, URG, ECE, CWR.
    #[cold]
    fn book_rare(&mut self, from: usize, segment: &Segment) {
        let trouble = self.trouble(from);
        let bits = segment.bits();
        trouble.urg += u32::from(bits >> 5 & 1);
        trouble.ece += u32::from(bits >> 6 & 1);
        trouble.cwr += u32::from(bits >> 7);
        if segment.window == 0 && !segment.rst() {
            trouble.zero_windows += 1;
            let count = trouble.zero_windows;
            self.letters.at_powers_of_ten(Event::ZeroWindow, from, count);
        }
    }

    /// Counts repeated and disordered segments, and gaps that the other side's acknowledgement proves.
    fn book_place(&mut self, from: usize, place: Place, segment: &Segment, payload_bytes: u32) {
        match place {
            Place::InOrder => {}
            Place::Opening => {
                if let Some(sides) = &mut self.trouble {
                    (sides[from].missing, sides[from].has_hole) = (0, false);
                }
            }
            Place::AfterGap(bytes) => {
                let trouble = self.trouble(from);
                trouble.missing = trouble.missing.saturating_add(bytes);
                trouble.has_hole = true;
            }
            Place::Late(bytes) => {
                let trouble = self.trouble(from);
                trouble.missing -= bytes;
                trouble.out_of_order += 1;
            }
            Place::Repeated => {
                let trouble = self.trouble(from);
                trouble.retransmissions += 1;
                let count = trouble.retransmissions;
                if payload_bytes > 0 {
                    self.letters.at_powers_of_ten(Event::Retransmission, from, count);
                }
            }
        }
        let Some(sides) = &mut self.trouble else { return };
        let (peer, other) = (1 - from, &self.sides[1 - from].endpoint);
        let trouble = &mut sides[peer];
        if segment.ack() && trouble.has_hole && other.is_wholly_acknowledged(segment.acknowledgement) {
            trouble.has_hole = false;
            if trouble.missing > 0 {
                trouble.gaps += 1;
                self.letters.at_powers_of_ten(Event::Gap, peer, trouble.gaps);
            }
        }
    }

    fn trouble(&mut self, from: usize) -> &mut Trouble {
        &mut self.trouble.get_or_insert_default()[from]
    }

    /// Starts the next part of the conversation at `now`.
    pub(crate) fn cut(&mut self, now: Time) {
        self.start = now;
        self.sides = self.sides.map(|side| Half { endpoint: side.endpoint, reset: side.reset, ..Half::default() });
        self.gaps = Gaps::default();
        // Counts start anew; what was said once holds for the whole conversation.
        if let Some(told) = &mut self.told {
            if matches!(
                told.application.as_deref(),
                Some(Application::Dns(_) | Application::Dhcp(_) | Application::Arp(_) | Application::Echo(_))
            ) {
                told.application = None;
            }
            told.content = told.content.take().map(|_| Box::default());
            told.bytes = told.count_bytes();
        }
        if let Some(sides) = &mut self.trouble {
            for side in sides.iter_mut() {
                *side = Trouble { missing: side.missing, has_hole: side.has_hole, ..Trouble::default() };
            }
        }
    }

    /// Gives back the memory that hangs on it.
    pub(crate) fn release(&mut self) {
        self.trouble = None;
        self.told = None;
    }

    /// What it has become; `end` is the time of its last packet.
    pub(crate) fn flow(&mut self, end: Time, ended: Ended) -> Flow {
        let protocol = self.key.protocol();
        let low = Endpoint::new(ip(self.key.low), (self.key.ports >> 48) as u16);
        let high = Endpoint::new(ip(self.key.high), (self.key.ports >> 32) as u16);
        let (originator, responder) = if self.originator_is_low { (low, high) } else { (high, low) };
        let trouble = self.trouble.as_deref().copied().unwrap_or_default();
        // What was said holds for the next part, too.
        let told = if ended == Ended::Active { self.told.clone() } else { self.told.take() };
        let told = told.map_or_else(Told::default, |told| *told);
        let [originator_half, responder_half] = &self.sides;
        let packets = originator_half.packets + responder_half.packets;
        Flow {
            key: Key { originator, responder, protocol },
            vlan: self.vlan,
            start: self.start,
            end,
            conversation_start: self.conversation_start,
            tunnel: self.key.scope.tunnel(),
            originator: originator_half.side(&trouble[0]),
            responder: responder_half.side(&trouble[1]),
            gaps: self.gaps.moments(packets),
            state: Some(match (protocol, self.heard) {
                (Protocol::Tcp, _) => tcp::state([&originator_half.endpoint, &responder_half.endpoint]),
                (_, [true, true]) => State::SF,
                (_, [true, false]) => State::S0,
                (_, [false, true]) => State::Shr,
                (_, [false, false]) => State::Oth,
            }),
            history: self.letters.history(),
            ended,
            application: told.application,
            cic: None,
            content: told.content,
            id: None,
            label: None,
        }
    }
}

impl Told {
    fn count_bytes(&self) -> usize {
        let of_application = |it: &Application| size_of::<Application>() + ALLOCATION + it.bytes();
        let content = if self.content.is_some() { size_of::<Content>() + ALLOCATION } else { 0 };
        size_of::<Told>() + ALLOCATION + self.application.as_deref().map_or(0, of_application) + content
    }
}

impl Half {
    fn side(&self, trouble: &Trouble) -> Side {
        let count = u32::try_from(self.packets).unwrap_or(u32::MAX);
        let lengths = match count {
            0 => Moments::default(),
            _ => Moments::of(
                count,
                [self.length_min, self.length_max].map(u64::from),
                self.bytes,
                self.length_squares.get(),
            ),
        };
        Side {
            packets: Some(self.packets),
            bytes: Some(self.bytes),
            payload_bytes: Some(self.payload_bytes),
            country: None,
            detail: Some(Detail {
                lengths,
                gaps: self.gaps.moments(self.packets),
                flags: Flags {
                    fin: self.fin,
                    syn: self.syn,
                    rst: self.rst,
                    psh: self.psh,
                    ack: self.ack,
                    urg: trouble.urg,
                    ece: trouble.ece,
                    cwr: trouble.cwr,
                },
                header_bytes: self.header_bytes,
                payload_packets: self.payload_packets,
                retransmissions: trouble.retransmissions,
                out_of_order: trouble.out_of_order,
                zero_windows: trouble.zero_windows,
                wrong_fragments: trouble.wrong_fragments,
                initial_window: self.initial_window,
            }),
        }
    }
}

impl Gaps {
    #[inline]
    fn add(&mut self, nanoseconds: u64) {
        self.min = self.min.min(nanoseconds);
        self.max = self.max.max(nanoseconds);
        self.sum = self.sum.saturating_add(nanoseconds);
        self.squares.add_square(nanoseconds);
    }

    /// The moments of the gaps between so many packets.
    fn moments(&self, packets: u64) -> Moments {
        let count = u32::try_from(packets.saturating_sub(1)).unwrap_or(u32::MAX);
        Moments::of(count, [self.min, self.max], self.sum, self.squares.get())
    }
}

impl Default for Gaps {
    fn default() -> Gaps {
        Gaps { min: u64::MAX, max: 0, sum: 0, squares: Wide::default() }
    }
}

impl Wide {
    #[inline]
    fn add_square(&mut self, value: u64) {
        let sum = self.get().saturating_add(u128::from(value) * u128::from(value));
        self.0 = [sum as u64, (sum >> 64) as u64];
    }

    #[inline]
    fn get(self) -> u128 {
        u128::from(self.0[1]) << 64 | u128::from(self.0[0])
    }
}

impl Pair {
    /// The packet's pair, and whether its source is the lower endpoint.
    #[inline]
    pub(crate) fn of(packet: &Packet, vlans: Vlans) -> (Pair, bool) {
        let protocol = packet.protocol.number().map_or(ARP, u64::from);
        let source_is_low = (packet.source, packet.source_port) <= (packet.destination, packet.destination_port);
        let (low, high, low_port, high_port) = if source_is_low {
            (packet.source, packet.destination, packet.source_port, packet.destination_port)
        } else {
            (packet.destination, packet.source, packet.destination_port, packet.source_port)
        };
        let vlan = packet.vlan.filter(|_| vlans == Vlans::Apart).map_or(0, |vlan| u64::from(vlan) + 1);
        let ports = u64::from(low_port) << 48 | u64::from(high_port) << 32 | vlan << 16 | protocol;
        (Pair { low, high, ports, scope: packet.scope }, source_is_low)
    }

    fn protocol(&self) -> Protocol {
        match self.ports as u16 {
            ARP_NUMBER => Protocol::Arp,
            number => Protocol::from_number(number as u8),
        }
    }
}

/// Whether the first packet seen of a conversation comes from its originator.
fn is_from_originator(packet: &Packet) -> bool {
    match packet.direction {
        Direction::Call => true,
        Direction::Answer => false,
        // From the middle of a conversation: the well-known port is the one that was called (as Zeek decides).
        Direction::Unknown => {
            is_group(packet.destination)
                || ports::service(packet.source_port).is_none()
                || ports::service(packet.destination_port).is_some()
                || !packet.protocol.has_ports()
        }
    }
}

/// Whether Zeek keeps a history of the protocol's conversations.
fn has_history(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Tcp | Protocol::Udp)
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

/// Up to so many packets of both sides are no more than an opening.
pub(crate) const BRIEF: u64 = 3;
/// What an allocation takes beside its bytes.
const ALLOCATION: usize = 16;
const TROUBLE_BYTES: usize = size_of::<[Trouble; 2]>() + ALLOCATION;
/// Stands beside the IP protocol numbers.
const ARP: u64 = 256;
const ARP_NUMBER: u16 = ARP as u16;
