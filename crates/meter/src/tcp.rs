//! The life of a TCP conversation as an onlooker sees it, and its name in Zeek's terms.

use flow::{Detail, State};

use crate::decode::Segment;

/// What one endpoint has shown so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Endpoint {
    syn: bool,
    syn_ack: bool,
    /// Sent anything but a first SYN or SYN-ACK.
    spoke: bool,
    fin: bool,
    rst: bool,
    sent_payload: bool,
    /// Its FIN was acknowledged by the other side.
    fin_acknowledged: bool,
    fin_end: u32,
    /// The sequence number after the last byte seen, once `started`.
    next: u32,
    started: bool,
    /// Bytes jumped over that may still come.
    missing: u32,
}

/// Both endpoints: the originator's and the responder's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connection([Endpoint; 2]);

impl Connection {
    /// Takes in a segment that side `from` (0 originator, 1 responder) sent, and counts in `detail` what it repeats.
    pub(crate) fn observe(&mut self, from: usize, segment: &Segment, payload_bytes: u32, detail: &mut Detail) {
        let [mine, other] = {
            let [originator, responder] = &mut self.0;
            if from == 0 { [originator, responder] } else { [responder, originator] }
        };
        if segment.ack() && other.fin && !segment.syn() && !is_before(segment.acknowledgement, other.fin_end) {
            other.fin_acknowledged = true;
        }
        match (segment.syn(), segment.ack()) {
            (true, false) => mine.syn = true,
            (true, true) => mine.syn_ack = true,
            (false, _) => mine.spoke = true,
        }
        mine.sent_payload |= payload_bytes > 0;
        mine.rst |= segment.rst();
        mine.count_sequence(segment, payload_bytes, detail);
        if segment.fin() {
            mine.fin = true;
            mine.fin_end = segment.sequence.wrapping_add(payload_bytes).wrapping_add(1);
        }
    }

    /// Whether the conversation is over: FIN from both sides and both acknowledged, or RST from either.
    pub(crate) fn is_closed(&self) -> bool {
        let [originator, responder] = &self.0;
        originator.rst || responder.rst || (originator.fin_acknowledged && responder.fin_acknowledged)
    }

    /// Its name in Zeek's terms.
    pub(crate) fn state(&self) -> State {
        let [originator, responder] = &self.0;
        let called = originator.syn || originator.syn_ack;
        let answered = responder.syn_ack || responder.syn;
        if responder.rst {
            let only_syn = originator.syn && !responder.syn_ack;
            return match (called, only_syn && !originator.sent_payload && !responder.sent_payload) {
                (true, true) => State::Rej,
                (true, false) => State::Rstr,
                (false, _) => State::Rstrh,
            };
        }
        if originator.rst {
            return if answered || (responder.spoke && called) { State::Rsto } else { State::Rstos0 };
        }
        let closed = |endpoint: &Endpoint| endpoint.fin;
        match (closed(originator), closed(responder)) {
            (true, true) => State::SF,
            (true, false) if answered || responder.spoke => State::S2,
            (true, false) => State::Sh,
            (false, true) if called || originator.spoke => State::S3,
            (false, true) => State::Shr,
            (false, false) if called && !answered && !responder.spoke => State::S0,
            (false, false) if called && answered && originator.spoke => State::S1,
            // A SYN-ACK without a SYN: backscatter of a spoofed SYN, or a reflected one.
            (false, false) if responder.syn_ack && !called && !originator.spoke => State::Shr,
            (false, false) => State::Oth,
        }
    }
}

impl Endpoint {
    /// Compares the segment's place in the stream with what was seen before (RFC 9293 s.3.4).
    fn count_sequence(&mut self, segment: &Segment, payload_bytes: u32, detail: &mut Detail) {
        let length = payload_bytes + u32::from(segment.syn()) + u32::from(segment.fin());
        if length == 0 || segment.rst() {
            return;
        }
        let end = segment.sequence.wrapping_add(length);
        if !self.started {
            self.started = true;
            self.next = end;
        } else if is_before(self.next, end) {
            if is_before(self.next, segment.sequence) {
                self.missing = self.missing.saturating_add(segment.sequence.wrapping_sub(self.next));
            }
            self.next = end;
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
