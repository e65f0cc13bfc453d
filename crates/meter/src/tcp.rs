//! The life of a TCP conversation as an onlooker sees it, and its name in Zeek's terms.
//!
//! Each endpoint goes through the phases of Zeek's TCP_Endpoint; the name follows from the two phases as in Zeek's
//! scripts/base/protocols/conn/main.zeek. Two departures: a SYN-ACK nobody asked for, which Zeek calls OTH, is SHR here,
//! and a SYN that the capture shows after its SYN-ACK still opens the conversation.

use flow::{Detail, State};

use crate::decode::Segment;

/// Both endpoints: the originator's and the responder's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connection([Endpoint; 2]);

/// What one endpoint has shown so far.
#[derive(Clone, Copy, Debug, Default)]
struct Endpoint {
    phase: Phase,
    /// The phase before this one.
    before: Phase,
    stream: Stream,
    /// The sequence number after its FIN, once it sent one.
    fin_end: Option<u32>,
    fin_acknowledged: bool,
    rst: bool,
    sent_payload: bool,
    sent_syn_ack: bool,
    /// It sent anything that does not belong to the opening.
    spoke: bool,
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

/// An endpoint's place in the bytes that it sends.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    started: bool,
    /// Sequence number of the first segment.
    first: u32,
    /// The sequence number after the last byte seen.
    next: u32,
    /// Bytes jumped over that may still come.
    missing: u32,
}

impl Connection {
    /// Takes in a segment that side `from` (0 originator, 1 responder) sent, and counts in `detail` what it repeats.
    pub(crate) fn observe(&mut self, from: usize, segment: &Segment, payload_bytes: u32, detail: &mut Detail) {
        let [originator, responder] = &mut self.0;
        let is_originator = from == 0;
        let (mine, peer) = if is_originator { (originator, responder) } else { (responder, originator) };
        if segment.ack() && !segment.syn() && peer.fin_end.is_some_and(|end| !is_before(segment.acknowledgement, end)) {
            peer.fin_acknowledged = true;
        }
        mine.stream.observe(segment, payload_bytes, detail);
        mine.advance(peer, is_originator, segment, payload_bytes);
        mine.spoke |= !segment.syn();
        mine.sent_payload |= payload_bytes > 0;
        mine.sent_syn_ack |= segment.syn() && segment.ack();
        mine.rst |= segment.rst();
        if segment.fin() {
            mine.fin_end = Some(segment.sequence.wrapping_add(payload_bytes).wrapping_add(1));
        }
    }

    /// Whether the conversation is over: FIN from both sides and both acknowledged, or RST from either.
    pub(crate) fn is_closed(&self) -> bool {
        let [originator, responder] = &self.0;
        originator.rst || responder.rst || (originator.fin_acknowledged && responder.fin_acknowledged)
    }

    /// Whether a SYN of side `from` opens another conversation between the same ports: this one closed orderly, or got
    /// beyond its opening and the SYN does not repeat the one that opened it (some hosts repeat it even when refused).
    pub(crate) fn is_reopened_by(&self, from: usize, segment: &Segment) -> bool {
        let mine = &self.0[from];
        let is_complete = self.0.iter().all(|endpoint| endpoint.fin_acknowledged);
        is_complete || ((mine.spoke || self.is_closed()) && segment.sequence != mine.stream.first)
    }

    /// Its name in Zeek's terms.
    pub(crate) fn state(&self) -> State {
        use Phase::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let [originator, responder] = &self.0;
        let silent = |phase: Phase| matches!(phase, Inactive | Partial);
        let no_payload = !originator.sent_payload && !responder.sent_payload;
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
            (Inactive, _) if responder.sent_syn_ack => State::Shr,
            _ => State::Oth,
        }
    }
}

impl Endpoint {
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

impl Stream {
    /// Compares the segment's place in the stream with what was seen before (RFC 9293 s.3.4).
    fn observe(&mut self, segment: &Segment, payload_bytes: u32, detail: &mut Detail) {
        let length = payload_bytes + u32::from(segment.syn()) + u32::from(segment.fin());
        if length == 0 || segment.rst() {
            return;
        }
        let end = segment.sequence.wrapping_add(length);
        if !self.started || (segment.syn() && segment.sequence != self.first) {
            *self = Stream { started: true, first: segment.sequence, next: end, missing: 0 };
        } else if is_before(self.next, end) {
            if is_before(self.next, segment.sequence) {
                self.missing = self.missing.saturating_add(segment.sequence.wrapping_sub(self.next));
            }
            self.next = end;
        } else if payload_bytes == 1 && length == 1 && end == self.next {
            // A keep-alive (RFC 1122 s.4.2.3.6): the last byte once more, to hear whether the other side lives.
        } else if self.missing >= length {
            self.missing -= length;
            detail.out_of_order += 1;
        } else {
            detail.retransmissions += 1;
        }
    }
}

/// Whether sequence number `a` comes before `b`, modulo 2^32.
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
