//! What the first payload of a conversation tells without decryption.
//!
//! Payload is looked at when its packet arrives, because it is not kept: a test of the first bytes tells whether it may
//! open a conversation, and what it tells goes with the packet to the flow. Protocols are known by their content; only
//! for domain names the port must agree. A message that goes on in the next packets (a ClientHello with post-quantum
//! keys, a long request head, DNS over TCP) waits in a small bounded table for the rest.
//!
//! Of a fragmented IP packet only the first fragment's part is read, and of a packet that the capture cut only what is
//! there. Where the start of a message comes after its continuation, the message is not put together.

mod arp;
mod bytes;
mod content;
mod dcerpc;
mod dhcp;
mod dns;
mod echo;
mod greeting;
mod http;
mod ja4;
mod login;
mod pending;
mod quic;
mod smb;
#[cfg(test)]
mod tests;
mod tls;

use flow::{Application, Content, Protocol, Tls};

use crate::decode::Packet;
use content::Dialogues;
use echo::Echoes;
use greeting::Greeting;
use http::Request;
use pending::{Assembly, Pending, Way};
use tls::Start;

/// What one packet tells of its conversation: mostly nothing, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) application: Option<Box<Application>>,
    pub(crate) content: Option<Box<Content>>,
}

/// Reads payloads as they arrive.
pub(crate) struct Openings {
    pending: Pending,
    /// Conversations whose log-ins are read, where that is wanted.
    dialogues: Option<Dialogues>,
    echoes: Echoes,
}

impl Openings {
    /// `content` asks for the content features too.
    pub(crate) fn new(content: bool) -> Openings {
        Openings { pending: Pending::default(), dialogues: content.then(Dialogues::default), echoes: Echoes::default() }
    }

    /// What the packet tells. `payload` is what was captured of it above the transport header.
    #[inline]
    pub(crate) fn read(&mut self, packet: &Packet, payload: &[u8]) -> Facts {
        let Some(&first) = payload.first() else { return Facts::default() };
        let may_open = match packet.protocol {
            Protocol::Tcp => TCP_STARTS[usize::from(first)] || is_dns(packet),
            Protocol::Udp => UDP_STARTS[usize::from(first)] || is_dns(packet),
            Protocol::Arp => {
                return Facts { application: arp::read(payload, packet.time).map(Box::new), content: None };
            }
            _ if Echoes::is_echo(packet) => return self.read_echo(packet, payload),
            _ => return Facts::default(),
        };
        if !may_open && self.dialogues.is_none() && !self.pending.may_hold(packet) {
            return Facts::default();
        }
        self.read_closely(packet, payload)
    }

    /// Messages given up unfinished because too many waited.
    pub(crate) fn evicted(&self) -> u64 {
        self.pending.evicted
    }

    #[inline(never)]
    fn read_echo(&mut self, packet: &Packet, payload: &[u8]) -> Facts {
        let told = self.echoes.read(packet, payload);
        Facts { application: told.map(|echo| Box::new(Application::Echo(echo))), content: None }
    }

    #[inline(never)]
    fn read_closely(&mut self, packet: &Packet, payload: &[u8]) -> Facts {
        // The end of the packet is missing, or comes in another fragment.
        let is_cut = packet.fragment.is_some() || payload.len() < packet.payload_bytes as usize;
        let application = match &packet.segment {
            Some(segment) => {
                let sequence = segment.sequence.wrapping_add(u32::from(segment.syn()));
                self.read_segment(packet, sequence, payload, is_cut)
            }
            None => self.read_datagram(packet, payload, is_cut),
        };
        let content = self.dialogues.as_mut().and_then(|dialogues| dialogues.read(packet, payload));
        Facts { application: application.map(Box::new), content: content.map(Box::new) }
    }

    fn read_segment(&mut self, packet: &Packet, sequence: u32, payload: &[u8], is_cut: bool) -> Option<Application> {
        let way = Way::of(packet);
        let is_dns = is_dns(packet);
        let Some(mut waiting) = self.pending.take(&way, packet) else {
            let judgement = judge(payload, is_dns, is_cut);
            if let Some(start) = judgement.rest {
                let base = u64::from(sequence.wrapping_add(start as u32));
                let assembly = Assembly::new(base, &payload[start..], longest(is_dns));
                self.pending.wait(way, packet, assembly);
            }
            return judgement.application;
        };
        // Sequence numbers are modulo 2^32 (RFC 9293 s.3.4).
        let offset = sequence.wrapping_sub(waiting.base() as u32);
        if !waiting.insert(offset.into(), payload) {
            if offset.cast_signed() < 0 {
                // Repeated from before the message.
                self.pending.go_on(way, packet, waiting);
                return None;
            }
            // Another conversation between the same ports, or a message that is too long.
            return self.read_segment(packet, sequence, payload, is_cut);
        }
        let is_cut = is_cut || waiting.is_full();
        let judgement = judge(waiting.prefix(), is_dns, is_cut);
        match judgement.rest {
            // What the first part told was told then.
            Some(0) => {
                self.pending.go_on(way, packet, waiting);
                None
            }
            Some(start) => {
                waiting.skip(start);
                self.pending.go_on(way, packet, waiting);
                judgement.application
            }
            None => judgement.application,
        }
    }

    fn read_datagram(&mut self, packet: &Packet, payload: &[u8], is_cut: bool) -> Option<Application> {
        if is_dns(packet) {
            return dns::facts(payload, is_cut).map(|dns| Application::Dns(Box::new(dns)));
        }
        if let Some(pieces) = quic::read(payload) {
            return Some(Application::Quic(self.read_handshake(packet, &pieces)));
        }
        if let Some(dhcp) = dhcp::read(payload) {
            return Some(Application::Dhcp(Box::new(dhcp)));
        }
        greeting::of_datagram(payload).map(|name| match name {
            "quic" => Application::Quic(Tls::default()),
            name => Application::Other(name.into()),
        })
    }

    /// Puts the client's handshake together from the pieces in one datagram or several.
    fn read_handshake(&mut self, packet: &Packet, pieces: &[quic::Piece]) -> Tls {
        let way = Way::of(packet);
        if pieces.is_empty() {
            return Tls::default();
        }
        let waiting = self.pending.take(&way, packet);
        let is_new = waiting.is_none();
        let mut hello = waiting.unwrap_or_else(|| Assembly::new(0, &[], tls::MAX_MESSAGE_BYTES));
        for (offset, bytes) in pieces {
            hello.insert(*offset, bytes);
        }
        let prefix = hello.prefix();
        if prefix.first().is_some_and(|&kind| kind != 1) {
            return Tls::default();
        }
        let is_whole = matches!(prefix, &[_, a, b, c, ..]
            if prefix.len() >= 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)));
        let facts = if prefix.is_empty() { Tls::default() } else { tls::facts(prefix, ja4::Transport::Quic) };
        if !is_whole && !hello.is_full() {
            if is_new {
                self.pending.wait(way, packet, hello);
            } else {
                self.pending.go_on(way, packet, hello);
            }
        }
        facts
    }
}

impl Facts {
    /// Whether it tells nothing.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.application.is_none() && self.content.is_none()
    }

    /// Adds what the packet tells to what is known of its conversation. A question in a segment that only repeats others
    /// is not asked once more.
    #[cold]
    pub(crate) fn add_to(
        self,
        application: &mut Option<Box<Application>>,
        content: &mut Option<Box<Content>>,
        is_repeated: bool,
    ) {
        match (application.as_deref_mut(), self.application) {
            (_, None) => {}
            (Some(Application::Dns(_)), Some(told)) if is_repeated && matches!(*told, Application::Dns(_)) => {}
            (Some(known), Some(told)) => add(known, *told),
            (None, told) => *application = told,
        }
        match (content, self.content) {
            (_, None) => {}
            (Some(content), Some(told)) => content.append(&told),
            (content @ None, told) => *content = told,
        }
    }
}

/// The first protocol that a conversation shows is its own: mail that goes on over TLS is still mail. A message told in
/// part is told again when it is whole.
fn add(known: &mut Application, told: Application) {
    match (known, told) {
        (Application::Dns(known), Application::Dns(told)) => known.append(*told),
        (Application::Dhcp(known), Application::Dhcp(told)) => known.append(*told),
        (Application::Arp(known), Application::Arp(told)) => known.append(told),
        (Application::Smb(known), Application::Smb(told)) | (Application::Dcerpc(known), Application::Dcerpc(told)) => {
            *known = known.and(told);
        }
        (Application::Echo(known), Application::Echo(told)) => {
            known.altered = known.altered.saturating_add(told.altered);
        }
        (Application::Http(known), Application::Http(mut told)) => {
            if told.method.is_empty() {
                known.status = known.status.or(told.status);
            } else if known.method.is_empty()
                || known.method == told.method
                    && known.target == told.target
                    && goes_on(&known.host, &told.host)
                    && goes_on(&known.user_agent, &told.user_agent)
            {
                told.status = known.status;
                *known = told;
            }
        }
        (Application::Tls(known), Application::Tls(told)) | (Application::Quic(known), Application::Quic(told))
            if goes_on(&known.server_name, &told.server_name)
                && goes_on(&known.version, &told.version)
                && goes_on(&known.protocol, &told.protocol)
                && goes_on(&known.ja4, &told.ja4) =>
        {
            *known = told;
        }
        _ => {}
    }
}

/// Whether nothing was known, or the same.
fn goes_on<T: PartialEq>(known: &Option<T>, told: &Option<T>) -> bool {
    known.is_none() || known == told
}

/// What the start of a stream tells, and from where on more is needed.
struct Judgement {
    application: Option<Application>,
    rest: Option<usize>,
}

impl Judgement {
    const NOTHING: Judgement = Judgement { application: None, rest: None };

    fn told(application: Application) -> Judgement {
        Judgement { application: Some(application), rest: None }
    }
}

/// Looks at the start of a stream, or of a message in it. `is_end`: there will be no more of it.
fn judge(stream: &[u8], is_dns: bool, is_end: bool) -> Judgement {
    let mut judgement = if is_dns { judge_dns(stream, is_end) } else { judge_start(stream, is_end) };
    if is_end {
        judgement.rest = None;
    }
    judgement
}

fn judge_dns(stream: &[u8], is_end: bool) -> Judgement {
    let Some((told, start)) = dns::stream_facts(stream, is_end) else { return Judgement::NOTHING };
    let application = told.map(|dns| Application::Dns(Box::new(dns)));
    Judgement { application, rest: (start < stream.len()).then_some(start) }
}

fn judge_start(stream: &[u8], is_end: bool) -> Judgement {
    let wait = Judgement { application: None, rest: Some(0) };
    if stream.first() == Some(&22) {
        return match tls::first_message(stream) {
            Start::Not => Judgement::NOTHING,
            Start::Short => wait,
            Start::Message(message, is_whole) => Judgement {
                application: Some(Application::Tls(tls::facts(&message, ja4::Transport::Tcp))),
                rest: (!is_whole).then_some(0),
            },
        };
    }
    if let Some(status) = http::status(stream) {
        return Judgement::told(Application::Http(flow::Http { status: Some(status), ..Default::default() }));
    }
    // The first bytes alone tell most of them apart, which takes no call.
    let mut methods = METHODS.iter().filter(|method| method.first() == stream.first());
    if methods.clone().any(|&method| stream.starts_with(method)) {
        return match http::request(stream) {
            Request::Not => Judgement::NOTHING,
            Request::Unfinished => wait,
            Request::Told(told @ Application::Http(_)) if !is_end && !http::is_whole(stream) => {
                Judgement { application: Some(told), rest: Some(0) }
            }
            Request::Told(told) => Judgement::told(told),
        };
    }
    let is_short = methods.any(|method| method.starts_with(stream))
        || stream.len() < STATUS_LINE.len() && STATUS_LINE[..7].starts_with(&stream[..stream.len().min(7)]);
    match greeting::of_stream(stream) {
        Greeting::Is("smb") => Judgement::told(Application::Smb(smb::acts(stream))),
        Greeting::Is("dce_rpc") => Judgement::told(Application::Dcerpc(dcerpc::acts(stream))),
        Greeting::Is(name) => Judgement::told(Application::Other(name.into())),
        Greeting::Short => wait,
        Greeting::Unknown if is_short => wait,
        Greeting::Unknown => Judgement::NOTHING,
    }
}

/// Whether one end is a name server's: unicast, multicast (RFC 6762) or link-local (RFC 4795).
#[inline]
fn is_dns(packet: &Packet) -> bool {
    let is_port = |port: u16| matches!(port, 53 | 5353 | 5355);
    is_port(packet.source_port) || is_port(packet.destination_port)
}

/// The most bytes of a message that may wait.
fn longest(is_dns: bool) -> usize {
    if is_dns { 2 + usize::from(u16::MAX) } else { tls::MAX_MESSAGE_BYTES + 1024 }
}

const METHODS: [&[u8]; 10] =
    [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"PATCH ", b"TRACE ", b"PROPFIND "];
/// As much of the first line of an answer as its status takes.
const STATUS_LINE: &[u8; 12] = b"HTTP/1.1 200";

/// First bytes of the messages that are looked for in a stream.
static TCP_STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        starts[byte] = byte == 22 || greeting::may_start_with(byte as u8);
        byte += 1;
    }
    let mut method = 0;
    while method < METHODS.len() {
        starts[METHODS[method][0] as usize] = true;
        method += 1;
    }
    starts
};
/// First bytes of the datagrams that are looked for: long headers of QUIC, and what is known by name.
static UDP_STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        starts[byte] = byte >= 0xc0 || greeting::may_datagram_start_with(byte as u8);
        byte += 1;
    }
    starts
};
