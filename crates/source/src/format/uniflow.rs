//! A flow in one direction, as exporters of flow records tell it (RFC 5103 s.2: uniflow), and what two of them say of a
//! conversation.

use flow::features::ports;
use flow::{Ended, Endpoint, Flow, Key, Protocol, Side, State, Time, Tunnel};

/// What one record tells: a flow in one direction, or in both where the exporter pairs them itself.
#[derive(Clone, Debug)]
pub(super) struct Uniflow {
    pub(super) observer: Observer,
    /// Conversations at different sites are apart, though their endpoints are the same; 0 where there is one site only.
    pub(super) site: u64,
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
    pub(super) protocol: Protocol,
    pub(super) start: Time,
    pub(super) end: Time,
    /// What the source sent.
    pub(super) sent: Half,
    /// What the destination sent, where the record tells.
    pub(super) reverse: Option<Half>,
    /// Who called, where the record tells.
    pub(super) opening: Option<Opening>,
    /// Not all packets were looked at.
    pub(super) is_sampled: bool,
    /// A firewall let nothing of it through: the state that a call is in by that.
    pub(super) denied: Option<State>,
    pub(super) ended: Ended,
    pub(super) vlan: Option<u16>,
    pub(super) tunnel: Option<Tunnel>,
}

/// Where a uniflow was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Observer {
    /// The observation domain of an exporter.
    pub(super) exporter: u32,
    pub(super) ingress: u32,
    pub(super) egress: u32,
    /// 0 where packets come in, 1 where they leave.
    pub(super) direction: u8,
}

/// What one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Half {
    pub(super) packets: Option<u64>,
    pub(super) bytes: Option<u64>,
    /// Flags of all its TCP segments.
    pub(super) flags: Option<u8>,
}

/// Who opened the conversation of a uniflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    BySource,
    ByDestination,
}

impl Uniflow {
    /// Fails where its counts are absurd.
    pub(super) fn check(self) -> Result<Uniflow, &'static str> {
        let is_absurd = |count: Option<u64>| count.is_some_and(|count| count > MAX_COUNT);
        let halves = [Some(self.sent), self.reverse];
        if halves.iter().flatten().any(|half| is_absurd(half.packets) || is_absurd(half.bytes)) {
            return Err("count beyond what any network carries");
        }
        Ok(self)
    }

    /// Whether it tells exactly the same.
    pub(super) fn repeats(&self, other: &Uniflow) -> bool {
        (self.start, self.end, self.sent, self.reverse) == (other.start, other.end, other.sent, other.reverse)
    }

    /// Adds what a record tells of further packets of the same flow in the same time.
    pub(super) fn merge(&mut self, other: &Uniflow) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.sent.merge(&other.sent);
        if let Some(more) = &other.reverse {
            self.reverse.get_or_insert_default().merge(more);
        }
        if other.ended != Ended::Unknown {
            self.ended = other.ended;
        }
    }

    /// Who opened the conversation, judged from this direction and perhaps the other.
    pub(super) fn opening(&self, answer: Option<&Uniflow>) -> Opening {
        let turned = |opening| match opening {
            Opening::BySource => Opening::ByDestination,
            Opening::ByDestination => Opening::BySource,
        };
        if let Some(told) = self.opening.or(answer.and_then(|answer| answer.opening).map(turned)) {
            return told;
        }
        // Some exporters tell of a direction in which nothing came.
        match answer.map(|answer| [self.sent.packets, answer.sent.packets]) {
            Some([Some(0), Some(1..)]) => return Opening::ByDestination,
            Some([Some(1..), Some(0)]) => return Opening::BySource,
            _ => {}
        }
        let [called, calling] = [(self.source, self.destination), (self.destination, self.source)]
            .map(|(originator, responder)| Key { originator, responder, protocol: self.protocol }.to_group());
        if called != calling {
            return if called { Opening::BySource } else { Opening::ByDestination };
        }
        let other_flags = answer.map(|answer| answer.sent.flags).or(self.reverse.map(|half| half.flags)).flatten();
        if let Some(told) = by_flags(self.sent.flags, other_flags) {
            return told;
        }
        // Both sent a SYN, and every packet was looked at: the call came before the answer.
        let is_exact = !self.is_sampled && self.sent.flags.is_some_and(|flags| flags & SYN != 0);
        if let Some(answer) = answer.filter(|answer| is_exact && answer.start != self.start) {
            return if self.start < answer.start { Opening::BySource } else { Opening::ByDestination };
        }
        if let Some(told) =
            self.protocol.has_ports().then(|| by_ports(self.source.port, self.destination.port)).flatten()
        {
            return told;
        }
        match answer.map(|answer| self.start.cmp(&answer.start)) {
            Some(std::cmp::Ordering::Greater) => Opening::ByDestination,
            // Clients use the high ports.
            Some(std::cmp::Ordering::Equal) if self.source.port < self.destination.port => Opening::ByDestination,
            _ => Opening::BySource,
        }
    }
}

impl Half {
    /// Makes other counts of its counts.
    pub(super) fn scale(&mut self, scale: impl Fn(u64) -> u64) {
        self.packets = self.packets.map(&scale);
        self.bytes = self.bytes.map(&scale);
    }

    fn merge(&mut self, other: &Half) {
        let sum = |one: Option<u64>, more: Option<u64>| match (one, more) {
            (Some(one), Some(more)) => Some(one.saturating_add(more)),
            (one, more) => one.or(more),
        };
        self.packets = sum(self.packets, other.packets);
        self.bytes = sum(self.bytes, other.bytes);
        self.flags = match (self.flags, other.flags) {
            (Some(one), Some(more)) => Some(one | more),
            (one, more) => one.or(more),
        };
    }

    fn side(&self) -> Side {
        Side { packets: self.packets, bytes: self.bytes, ..Side::default() }
    }
}

/// What was told of a conversation: one direction or both.
pub(super) struct Told<'a> {
    pub(super) call: &'a Uniflow,
    pub(super) answer: Option<&'a Uniflow>,
    /// What it means that nothing was told of one side.
    pub(super) silence: Silence,
    /// What former parts of the same conversation told.
    pub(super) former: Option<Former>,
}

/// What it means that nothing was told of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing: its observer may not look at that direction.
    Unknown,
    /// Its observer looks at both directions, but records may be lost. So the flags of the other side tell a state, and
    /// where they are a SYN and nothing else it was not answered.
    Likely,
    /// It sent nothing.
    Known,
}

/// What is remembered of a conversation whose end was not seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Former {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) originator: Endpoint,
    /// TCP flags of originator and responder.
    pub(super) flags: [Option<u8>; 2],
}

impl Told<'_> {
    /// The flow of it, and what to remember for its next part.
    pub(super) fn flow(&self) -> (Flow, Former) {
        let call = self.call;
        let by_source = match &self.former {
            Some(former) => former.originator == call.source,
            None if call.denied.is_some() && self.answer.is_none() => true,
            None => call.opening(self.answer) == Opening::BySource,
        };
        let answer = self.answer.map(|answer| answer.sent).or(call.reverse);
        let mut halves = [Some(call.sent), answer];
        let mut endpoints = [call.source, call.destination];
        let ends = [Some(call.ended), self.answer.map(|answer| answer.ended)];
        if !by_source {
            halves.reverse();
            endpoints.reverse();
        }
        let key = Key { originator: endpoints[0], responder: endpoints[1], protocol: call.protocol };
        let start = self.answer.map_or(call.start, |answer| call.start.min(answer.start));
        let end = self.answer.map_or(call.end, |answer| call.end.max(answer.end));
        let mut flags = halves.map(|half| half.and_then(|half| half.flags));
        for (flags, former) in flags.iter_mut().zip(self.former.iter().flat_map(|former| former.flags)) {
            *flags = flags.map(|flags| flags | former.unwrap_or(0)).or(former);
        }
        let is_sampled = call.is_sampled || self.answer.is_some_and(|answer| answer.is_sampled);
        let is_silent = match self.silence {
            _ if call.denied.is_some() => true,
            Silence::Known => !is_sampled,
            Silence::Likely => call.sent.flags.is_some_and(|flags| flags & (FIN | SYN | RST | ACK) == SYN),
            Silence::Unknown => false,
        };
        let unheard = || if is_silent { Side::SILENT } else { Side::default() };
        let heard = halves.map(|half| match half.map(|half| half.packets.or(half.bytes)) {
            Some(Some(count)) => Some(count > 0),
            // An interval in which nothing was seen is not told.
            Some(None) => (self.silence == Silence::Likely).then_some(true),
            None if is_silent || (self.silence == Silence::Likely && call.protocol == Protocol::Tcp) => Some(false),
            None => None,
        });
        let [originator, responder] = halves.map(|half| half.map_or_else(unheard, |half| half.side()));
        // What was denied to the one who called; of the other the answer was.
        let [of_call, of_answer] = [Some(call), self.answer].map(|told| told.and_then(|told| told.denied));
        let (denied_call, denied_answer) = if by_source { (of_call, of_answer) } else { (of_answer, of_call) };
        let state = match call.protocol {
            _ if denied_call.is_some() => denied_call,
            _ if denied_answer.is_some() => Some(State::S0),
            Protocol::Tcp if !is_sampled => tcp_state(heard, flags),
            Protocol::Tcp => None,
            Protocol::Udp => datagram_state(heard),
            Protocol::Icmp | Protocol::Icmpv6 if is_query(&key) => datagram_state(heard),
            // Of unknown type: that one answered the other is all that can be told.
            Protocol::Icmp | Protocol::Icmpv6 if is_untold(&key) => datagram_state(heard).filter(|_| answer.is_some()),
            _ => Some(State::Oth),
        };
        let flow = Flow {
            vlan: call.vlan.or(self.answer.and_then(|answer| answer.vlan)),
            conversation_start: self.former.map_or(start, |former| former.start),
            tunnel: call.tunnel.or(self.answer.and_then(|answer| answer.tunnel)),
            originator,
            responder,
            state,
            ended: ended(ends, flags),
            ..Flow::between(key, start, end)
        };
        let former = Former { start: flow.conversation_start, end, originator: key.originator, flags };
        (flow, former)
    }
}

/// Type and code of ICMP stand where other protocols have ports, as [`Endpoint`] has it: a reply is seen from the side
/// that asked, so that both are one conversation.
pub(super) fn icmp(protocol: Protocol, kind: u8, code: u8) -> ([u16; 2], Option<Opening>) {
    let pairs = if protocol == Protocol::Icmp { &QUERIES } else { &QUERIES6 };
    match pairs.iter().find(|(_, reply)| *reply == kind) {
        Some(&(query, _)) => ([code.into(), query.into()], Some(Opening::ByDestination)),
        None => ([kind.into(), code.into()], Some(Opening::BySource)),
    }
}

/// Whether type and code were not told: what we call an originator's type is never that of a reply, 0.
fn is_untold(key: &Key) -> bool {
    [key.originator.port, key.responder.port] == [0, 0]
}

fn is_query(key: &Key) -> bool {
    let pairs = if key.protocol == Protocol::Icmp { &QUERIES } else { &QUERIES6 };
    pairs.iter().any(|(query, _)| u16::from(*query) == key.originator.port)
}

/// Who opened a conversation, where one port alone is a service's: one that is known, a well-known one, or one that no
/// client takes by itself.
fn by_ports(source: u16, destination: u16) -> Option<Opening> {
    let is_known = |port: u16| ports::service(port).is_some();
    let kinds: [&dyn Fn(u16) -> bool; 3] = [&is_known, &|port| port < 1024, &|port| port < 32768];
    let [_, is_destination] =
        kinds.iter().map(|is_service| [source, destination].map(is_service)).find(|[one, other]| one != other)?;
    Some(if is_destination { Opening::BySource } else { Opening::ByDestination })
}

/// Who opened a TCP conversation, where the flags of all segments of each side tell.
fn by_flags(source: Option<u8>, destination: Option<u8>) -> Option<Opening> {
    let source = source?;
    let is_bare = |flags: u8| flags & (SYN | ACK) == SYN;
    match destination {
        _ if is_bare(source) => Some(Opening::BySource),
        Some(flags) if is_bare(flags) => Some(Opening::ByDestination),
        // One side's SYN alone: the other refused, or its part began later.
        Some(flags) if source & SYN != flags & SYN => {
            Some(if source & SYN != 0 { Opening::BySource } else { Opening::ByDestination })
        }
        _ => None,
    }
}

/// The state of a TCP conversation, as far as the flags of all segments tell, which have no order.
fn tcp_state(heard: [Option<bool>; 2], flags: [Option<u8>; 2]) -> Option<State> {
    let has = |side: usize, flag: u8| flags[side].is_some_and(|flags| flags & flag != 0);
    Some(match (heard[0]?, heard[1]?) {
        (true, false) => {
            flags[0]?;
            match (has(0, SYN), has(0, RST), has(0, FIN)) {
                (false, ..) => State::Oth,
                (true, true, _) => State::Rstos0,
                (true, false, true) => State::Sh,
                (true, false, false) => State::S0,
            }
        }
        (false, true) => {
            flags[1]?;
            match (has(1, SYN), has(1, RST)) {
                (true, true) => State::Rstrh,
                (true, false) => State::Shr,
                (false, _) => State::Oth,
            }
        }
        (true, true) => {
            let [_, _] = [flags[0]?, flags[1]?];
            match (has(0, SYN), has(1, SYN)) {
                (true, false) if has(1, RST) => State::Rej,
                (false, true) if has(1, RST) => State::Rstrh,
                (true, true) => match (has(0, FIN), has(1, FIN)) {
                    (true, true) => State::SF,
                    _ if has(0, RST) => State::Rsto,
                    _ if has(1, RST) => State::Rstr,
                    (true, false) => State::S2,
                    (false, true) => State::S3,
                    (false, false) => State::S1,
                },
                _ => State::Oth,
            }
        }
        (false, false) => State::Oth,
    })
}

/// The state of a conversation in datagrams: answered, unanswered, or the answer alone.
fn datagram_state(heard: [Option<bool>; 2]) -> Option<State> {
    Some(match (heard[0]?, heard[1]?) {
        (true, true) => State::SF,
        (true, false) => State::S0,
        (false, true) => State::Shr,
        (false, false) => State::Oth,
    })
}

/// Why the flow of both was ended: what either exporter's record says, otherwise what the flags tell.
fn ended(told: [Option<Ended>; 2], flags: [Option<u8>; 2]) -> Ended {
    let told = || told.into_iter().flatten();
    let has = |flags: Option<u8>, flag: u8| flags.is_some_and(|flags| flags & flag != 0);
    let reasons = [Ended::Active, Ended::Closed, Ended::Idle, Ended::Evicted, Ended::Input];
    if let Some(reason) = reasons.into_iter().find(|reason| told().any(|told| told == *reason)) {
        return reason;
    }
    let is_closed = flags.iter().any(|flags| has(*flags, RST)) || flags.iter().all(|flags| has(*flags, FIN));
    if is_closed { Ended::Closed } else { Ended::Unknown }
}

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;
/// Query and reply of ICMP: echo, timestamp, information, address mask, router.
const QUERIES: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)];
/// Query and reply of ICMPv6: echo, listener, router, neighbour, node information.
const QUERIES6: [(u8, u8); 5] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140)];
/// A pebibyte is three hours of a line of 800 Gbit/s.
const MAX_COUNT: u64 = 1 << 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_no_client_takes_by_itself_was_called() {
        let told =
            [(443, 50_318), (902, 52_533), (52_734, 5228), (50_000, 60_000)].map(|(one, other)| by_ports(one, other));
        assert_eq!(told, [Some(Opening::ByDestination), Some(Opening::ByDestination), Some(Opening::BySource), None]);
    }
}
