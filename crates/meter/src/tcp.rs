//! The life of a TCP conversation as an onlooker sees it, and its name in Zeek's terms.
//!
//! Each endpoint goes through the phases of Zeek's TCP_Endpoint; the name follows from the two phases as in Zeek's
//! scripts/base/protocols/conn/main.zeek. One departure: a SYN that the capture shows after its SYN-ACK still opens the
//! conversation.

use flow::State;

use crate::decode::Segment;

/// What one endpoint has shown so far; 16 bytes, because each conversation keeps two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Endpoint {
    /// Sequence number of its first segment.
    first: u32,
    /// The sequence number after the last byte seen.
    next: u32,
    /// The sequence number after its FIN, once it sent one.
    fin_end: u32,
    phase: Phase,
    /// The phase before this one.
    before: Phase,
    marks: u8,
}

/// How far an endpoint is, from what it sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Sent nothing.
    #[default]
    Inactive,
    SynSent,
    SynAckSent,
    /// Spoke without an opening that we saw.
    Partial,
    Established,
    /// Sent a FIN.
    Closed,
    /// Sent a RST.
    Reset,
}

/// How a segment's bytes lie to those that its sender sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It opens the stream, perhaps anew.
    Opening,
    /// It goes on, or brings no bytes.
    InOrder,
    /// Bytes before it were jumped over: so many.
    AfterGap(u32),
    /// It brings bytes that had been jumped over: so many.
    Late(u32),
    /// All its bytes had been sent before.
    Repeated,
}

/// Takes in a segment that side `from` (0 originator, 1 responder) sent; `missing` is how many of that side's bytes were
/// jumped over and may still come.
#[inline]
pub(crate) fn observe(
    endpoints: [&mut Endpoint; 2],
    from: usize,
    segment: &Segment,
    payload_bytes: u32,
    missing: u32,
) -> Place {
    let [originator, responder] = endpoints;
    let is_originator = from == 0;
    let (mine, peer) = if is_originator { (originator, responder) } else { (responder, originator) };
    if peer.has(FIN_SENT) && segment.ack() && !segment.syn() && !is_before(segment.acknowledgement, peer.fin_end) {
        peer.marks |= FIN_ACKNOWLEDGED;
    }
    let place = mine.place(segment, payload_bytes, missing);
    // Most segments are of an established conversation and change nothing in it.
    let is_plain = segment.bits() & (FIN | SYN | RST) == 0;
    if !(is_plain && mine.phase == Phase::Established) {
        mine.advance(peer, is_originator, segment, payload_bytes);
    }
    mine.mark(SPOKE, !segment.syn());
    mine.mark(PAYLOAD, payload_bytes > 0);
    if !is_plain {
        mine.mark(RESET, segment.rst());
        if segment.fin() {
            mine.marks |= FIN_SENT;
            mine.fin_end = segment.sequence.wrapping_add(payload_bytes).wrapping_add(1);
        }
    }
    place
}

/// Whether the conversation is over: FIN from both sides and both acknowledged, or RST from either.
#[inline]
pub(crate) fn is_closed(endpoints: [&Endpoint; 2]) -> bool {
    let [originator, responder] = endpoints.map(|endpoint| endpoint.marks);
    (originator | responder) & RESET != 0 || originator & responder & FIN_ACKNOWLEDGED != 0
}

/// Whether a SYN of side `from` opens another conversation between the same ports: this one closed orderly, or got
/// beyond its opening and the SYN does not repeat the one that opened it (some hosts repeat it even when refused).
pub(crate) fn is_reopened_by(endpoints: [&Endpoint; 2], from: usize, segment: &Segment) -> bool {
    let mine = endpoints[from];
    let is_complete = endpoints.iter().all(|endpoint| endpoint.has(FIN_ACKNOWLEDGED));
    is_complete || ((mine.has(SPOKE) || is_closed(endpoints)) && segment.sequence != mine.first)
}

/// The conversation's name in Zeek's terms.
pub(crate) fn state(endpoints: [&Endpoint; 2]) -> State {
    use Phase::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
    let [originator, responder] = endpoints;
    let silent = |phase: Phase| matches!(phase, Inactive | Partial);
    let no_payload = !originator.has(PAYLOAD) && !responder.has(PAYLOAD);
    match (originator.phase, responder.phase) {
        (SynSent | SynAckSent, Reset) => State::Rej,
        (Reset, Reset) if no_payload => State::Rej,
        (one, Reset) if silent(one) => State::Rstrh,
        (_, Reset) => State::Rstr,
        (Reset, other) if silent(other) => State::Rstos0,
        (Reset, _) => State::Rsto,
        (Closed, Closed) => State::SF,
        (Closed, other) if silent(other) => State::Sh,
        (Closed, _) => State::S2,
        (one, Closed) if silent(one) => State::Shr,
        (_, Closed) => State::S3,
        (SynSent, Inactive) => State::S0,
        (Established, Established) => State::S1,
        _ => State::Oth,
    }
}

impl Endpoint {
    #[inline]
    fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    #[inline]
    fn mark(&mut self, mark: u8, holds: bool) {
        self.marks |= if holds { mark } else { 0 };
    }

    /// Sequence number of its first segment, once it sent one.
    pub(crate) fn first(&self) -> Option<u32> {
        self.has(STARTED).then_some(self.first)
    }

    /// The sequence number after its FIN, once it sent one.
    pub(crate) fn fin_end(&self) -> Option<u32> {
        self.has(FIN_SENT).then_some(self.fin_end)
    }

    /// Whether `acknowledgement` confirms every byte seen of it.
    pub(crate) fn is_wholly_acknowledged(&self, acknowledgement: u32) -> bool {
        self.has(STARTED) && !is_before(acknowledgement, self.next)
    }

    /// Compares the segment's place in the stream with what was seen before (RFC 9293 s.3.4).
    #[inline]
    fn place(&mut self, segment: &Segment, payload_bytes: u32, missing: u32) -> Place {
        let length = payload_bytes + u32::from(segment.syn()) + u32::from(segment.fin());
        if length == 0 || segment.rst() {
            return Place::InOrder;
        }
        let end = segment.sequence.wrapping_add(length);
        if !self.has(STARTED) || (segment.syn() && segment.sequence != self.first) {
            self.marks |= STARTED;
            (self.first, self.next) = (segment.sequence, end);
            Place::Opening
        } else if is_before(self.next, end) {
            let jumped =
                if is_before(self.next, segment.sequence) { segment.sequence.wrapping_sub(self.next) } else { 0 };
            self.next = end;
            if jumped > 0 { Place::AfterGap(jumped) } else { Place::InOrder }
        } else if payload_bytes == 1 && length == 1 && end == self.next {
            // A keep-alive (RFC 1122 s.4.2.3.6): the last byte once more, to hear whether the other side lives.
            Place::InOrder
        } else if missing >= length {
            Place::Late(length)
        } else {
            Place::Repeated
        }
    }

    /// Goes on to the next phase, as Zeek's TCPSessionAdapter has it.
    fn advance(&mut self, peer: &mut Endpoint, is_originator: bool, segment: &Segment, payload_bytes: u32) {
        use Phase::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let (syn, ack, fin, rst) = (segment.syn(), segment.ack(), segment.fin(), segment.rst());
        match self.phase {
            Inactive => {
                if syn && is_originator {
                    let is_late = peer.phase == Established;
                    self.enter(if is_late {
                        Established
                    } else if ack {
                        SynAckSent
                    } else {
                        SynSent
                    });
                } else if syn {
                    if peer.phase == SynSent {
                        peer.enter(Established);
                    }
                    self.enter(Established);
                }
                if fin {
                    self.enter(Closed);
                }
                if rst {
                    self.enter(Reset);
                }
                if self.phase == Inactive {
                    if !is_originator && payload_bytes == 0 && peer.phase == SynSent {
                        // Some acknowledge the SYN before they answer it.
                    } else if ack && peer.phase == Established {
                        // The SYN was missed, not its answer.
                        self.enter(Established);
                    } else {
                        self.enter(Partial);
                    }
                }
            }
            SynSent | SynAckSent => {
                if fin {
                    self.enter(Closed);
                }
                if rst {
                    self.enter(Reset);
                }
            }
            Established | Partial => {
                if syn && !ack && self.phase == Partial && peer.phase == Inactive {
                    self.enter(SynSent);
                }
                if fin && !rst {
                    self.enter(Closed);
                    if peer.phase == Reset && peer.before == Closed {
                        peer.enter(Closed);
                    }
                }
                if rst {
                    self.enter(Reset);
                }
            }
            Closed if rst && peer.phase != Closed => self.enter(Reset),
            Closed | Reset => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.before = std::mem::replace(&mut self.phase, phase);
    }
}

/// Whether sequence number `a` comes before `b`, modulo 2^32.
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// It sent a segment that has a place in its stream.
const STARTED: u8 = 1;
const FIN_SENT: u8 = 1 << 1;
const FIN_ACKNOWLEDGED: u8 = 1 << 2;
const RESET: u8 = 1 << 3;
const PAYLOAD: u8 = 1 << 4;
/// It sent anything that does not belong to the opening.
const SPOKE: u8 = 1 << 5;
