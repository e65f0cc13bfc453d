//! Log-ins in clear text, followed line by line: the content features of KDD'99.
//!
//! Which service it is, the port tells, as it did for those who made the data. Lines are put together over segments that
//! come in order; what comes late is left out, and a gap ends the line that it is in.

use std::collections::{HashMap, VecDeque};

use flow::{Content, Protocol};
use foldhash::fast::RandomState;

use super::login::{Service, Session, Side};
use crate::decode::Packet;

/// Conversations that are followed, of which the oldest goes first where there are too many.
#[derive(Default)]
pub(super) struct Dialogues {
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    open: HashMap<Parties, Dialogue, RandomState>,
    queue: VecDeque<(u64, Parties)>,
    next: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Parties {
    client: u128,
    server: u128,
    ports: u32,
}

struct Dialogue {
    number: u64,
    session: Session,
    client: Stream,
    server: Stream,
}

/// What one side sends.
#[derive(Default)]
struct Stream {
    /// The sequence number of the next byte.
    next: Option<u32>,
    /// The line that is not at its end.
    line: Vec<u8>,
    telnet: Telnet,
}

/// Where a side is among the commands of Telnet (RFC 854).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After WILL, WONT, DO or DONT.
    Option,
    /// In a subnegotiation, and after IAC in it.
    Negotiation,
    NegotiationCommand,
}

impl Dialogues {
    /// What the packet adds; nothing where its conversation is none of clear text. The first packet of one that is adds
    /// at least the fact that somebody looks.
    pub(super) fn read(&mut self, packet: &Packet, payload: &[u8]) -> Option<Content> {
        let segment = packet.segment.as_ref().filter(|_| packet.protocol == Protocol::Tcp)?;
        let (service, side) = service(packet)?;
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn()));
        let parties = Parties::of(packet, side);
        if side == Side::Client && self.open.get(&parties).is_some_and(|dialogue| dialogue.client.is_far_from(sequence))
        {
            // Another conversation between the same ports.
            self.open.remove(&parties);
        }
        let mut told = Content::default();
        let is_new = !self.open.contains_key(&parties);
        let next = &mut self.next;
        let dialogue = self.open.entry(parties).or_insert_with(|| {
            *next += 1;
            Dialogue {
                number: *next,
                session: Session::new(service),
                client: Stream::default(),
                server: Stream::default(),
            }
        });
        let number = dialogue.number;
        dialogue.take(side, sequence, payload, packet.payload_bytes, &mut told);
        let is_encrypted = dialogue.session.is_encrypted;
        if is_new {
            self.remember(number, parties);
        }
        let is_telling = (is_new && !is_encrypted) || told != Content::default();
        is_telling.then_some(told)
    }

    fn remember(&mut self, number: u64, parties: Parties) {
        self.queue.push_back((number, parties));
        if self.queue.len() > 2 * MAX_DIALOGUES {
            let open = &self.open;
            self.queue.retain(|(number, parties)| open.get(parties).is_some_and(|one| one.number == *number));
        }
        while self.open.len() > MAX_DIALOGUES {
            let Some((number, parties)) = self.queue.pop_front() else { break };
            if self.open.get(&parties).is_some_and(|dialogue| dialogue.number == number) {
                self.open.remove(&parties);
            }
        }
    }
}

impl Dialogue {
    fn take(&mut self, side: Side, sequence: u32, payload: &[u8], wire_bytes: u32, told: &mut Content) {
        let Dialogue { session, client, server, .. } = self;
        let stream = if side == Side::Client { &mut *client } else { &mut *server };
        let Some(fresh) = stream.place(sequence, payload, wire_bytes) else { return };
        if side == Side::Client {
            session.is_encrypted |= session.is_fresh && fresh.starts_with(&[22, 3]);
        }
        session.is_fresh &= side == Side::Server;
        for &byte in fresh {
            if session.is_encrypted {
                return;
            }
            let stream = if side == Side::Client { &mut *client } else { &mut *server };
            let Some(byte) = stream.text(byte, session.service) else { continue };
            let ends = byte == b'\n' || byte == b'\r' || byte == 0 && session.service.ends_lines_with_zero();
            match byte {
                _ if ends => {
                    let line = std::mem::take(&mut stream.line);
                    let answered = if side == Side::Client { &server.line[..] } else { &[] };
                    session.read(side, &line, answered, told);
                }
                // Somebody types, and mistypes.
                8 | 127 if side == Side::Client => {
                    stream.line.pop();
                }
                0 => {}
                _ if stream.line.len() < MAX_LINE_BYTES => stream.line.push(byte),
                _ => {}
            }
        }
    }
}

impl Stream {
    /// The bytes that were not seen before.
    fn place<'a>(&mut self, sequence: u32, payload: &'a [u8], wire_bytes: u32) -> Option<&'a [u8]> {
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next).cast_signed();
        let fresh = payload.get(usize::try_from(ahead.saturating_neg()).unwrap_or(0)..)?;
        let end = sequence.wrapping_add(wire_bytes);
        if end.wrapping_sub(next).cast_signed() <= 0 {
            return None;
        }
        let is_gap = ahead > 0;
        if is_gap {
            self.line.clear();
        }
        self.next = Some(end);
        Some(fresh)
    }

    /// Whether a sequence number is too far from the next one to be of the same stream.
    fn is_far_from(&self, sequence: u32) -> bool {
        self.next.is_some_and(|next| sequence.wrapping_sub(next).cast_signed().unsigned_abs() > LARGEST_WINDOW)
    }

    /// The byte, where it is text and not a command of Telnet.
    fn text(&mut self, byte: u8, service: Service) -> Option<u8> {
        const IAC: u8 = 255;
        if service != Service::Telnet {
            return Some(byte);
        }
        let (next, text) = match (self.telnet, byte) {
            (Telnet::Text, IAC) => (Telnet::Command, None),
            (Telnet::Text, _) => (Telnet::Text, Some(byte)),
            (Telnet::Command, 250) => (Telnet::Negotiation, None),
            (Telnet::Command, 251..=254) => (Telnet::Option, None),
            (Telnet::Command | Telnet::Option, _) => (Telnet::Text, None),
            (Telnet::Negotiation, IAC) => (Telnet::NegotiationCommand, None),
            (Telnet::NegotiationCommand, 240) => (Telnet::Text, None),
            (Telnet::Negotiation | Telnet::NegotiationCommand, _) => (Telnet::Negotiation, None),
        };
        self.telnet = next;
        text
    }
}

impl Parties {
    fn of(packet: &Packet, side: Side) -> Parties {
        let (from, to) = (u32::from(packet.source_port), u32::from(packet.destination_port));
        match side {
            Side::Client => Parties { client: packet.source, server: packet.destination, ports: from << 16 | to },
            Side::Server => Parties { client: packet.destination, server: packet.source, ports: to << 16 | from },
        }
    }
}

/// The service and who sent the packet. Where both ports are of a service, the lower one is called: clients of rlogin
/// and rsh call from ports below 1024.
fn service(packet: &Packet) -> Option<(Service, Side)> {
    let (from, to) = (packet.source_port, packet.destination_port);
    match (Service::of(from), Service::of(to)) {
        (Some(_), Some(service)) if to < from => Some((service, Side::Client)),
        (None, Some(service)) => Some((service, Side::Client)),
        (Some(service), _) => Some((service, Side::Server)),
        (None, None) => None,
    }
}

/// Each takes some 1.3 kB at most.
const MAX_DIALOGUES: usize = 4096;
/// What a person or a client sends in a line.
const MAX_LINE_BYTES: usize = 512;
/// Further from the next byte is another conversation.
const LARGEST_WINDOW: u32 = 1 << 22;
