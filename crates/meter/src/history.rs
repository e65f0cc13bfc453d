//! What happened in a conversation, in Zeek's letters (conn.log `history`), packed into a few bytes.
//!
//! As in Zeek, `a`, `d`, `i` and `q` are noted once a direction; `s`, `h`, `f` and `r` again where the sequence number
//! differs from the last one's; `t`, `w` and `g` at the first, tenth, hundredth... time. Only TCP and UDP have a history.
//! Checksums are not verified, so `c` never occurs: offloading leaves most of them wrong in captures of the sender.

use flow::History;

use crate::decode::Segment;

/// The letters of a conversation so far, in 20 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Letters {
    /// Six letters a word, five bits a letter, the first one lowest; 0 is none.
    words: [u32; 4],
    /// A bit for each letter that occurred.
    seen: u32,
}

/// What a letter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Syn,
    SynAck,
    /// An acknowledgement and nothing else.
    Ack,
    /// A packet with payload.
    Data,
    Fin,
    Rst,
    /// Bytes acknowledged that the capture lacks.
    Gap,
    /// Payload sent once more.
    Retransmission,
    ZeroWindow,
    /// FIN and RST in one segment.
    Inconsistent,
    /// SYN with FIN or RST in one segment.
    MultiFlag,
    /// The first packet came from the side that was taken for the responder.
    Turned,
}

impl Letters {
    /// Notes an event of side `from` (0 originator, 1 responder), where it is the first such one.
    #[inline]
    pub(crate) fn once(&mut self, event: Event, from: usize) {
        if self.seen & bit(event, from) == 0 {
            self.push(event, from);
        }
    }

    /// Notes an event for the `count`th time, if that is a power of ten.
    #[inline]
    pub(crate) fn at_powers_of_ten(&mut self, event: Event, from: usize, count: u32) {
        if count > 0 && 10u32.pow(count.ilog10()) == count {
            self.push(event, from);
        }
    }

    /// Notes an event, again where it occurred before.
    pub(crate) fn push(&mut self, event: Event, from: usize) {
        self.seen |= bit(event, from);
        for word in &mut self.words {
            for shift in SHIFTS {
                if *word >> shift & MASK == 0 {
                    *word |= code(event, from) << shift;
                    return;
                }
            }
        }
    }

    /// Whether the event of side `from` occurred.
    pub(crate) fn has(&self, event: Event, from: usize) -> bool {
        self.seen & bit(event, from) != 0
    }

    /// Notes what the header of a TCP segment says; `repeats` tells whether its sequence number is that of the last
    /// segment with the same flag.
    #[inline]
    pub(crate) fn segment(
        &mut self,
        from: usize,
        segment: &Segment,
        payload_bytes: u32,
        repeats: impl Fn(Event) -> bool,
    ) {
        let (syn, ack, fin, rst) = (segment.syn(), segment.ack(), segment.fin(), segment.rst());
        if syn || fin || rst {
            if syn && (fin || rst) {
                self.once(Event::MultiFlag, from);
            } else if fin && rst {
                self.once(Event::Inconsistent, from);
            }
            let opening = if ack { Event::SynAck } else { Event::Syn };
            for (is_set, event) in [(syn, opening), (fin, Event::Fin), (rst, Event::Rst)] {
                if is_set && !(self.has(event, from) && repeats(event)) {
                    self.push(event, from);
                }
            }
        } else if ack && payload_bytes == 0 {
            self.once(Event::Ack, from);
        }
        if payload_bytes > 0 {
            self.once(Event::Data, from);
        }
    }

    /// The letters as a flow states them; `None` where there are none.
    pub(crate) fn history(&self) -> Option<History> {
        let mut history = History::default();
        for (word, shift) in self.words.into_iter().flat_map(|word| SHIFTS.map(|shift| (word, shift))) {
            let Some(code) = (word >> shift & MASK).checked_sub(1) else { break };
            let letter = LETTERS.get(code as usize / 2).copied().unwrap_or(b'^');
            history.push(if code % 2 == 0 { letter } else { letter.to_ascii_lowercase() });
        }
        (!history.is_empty()).then_some(history)
    }
}

fn code(event: Event, from: usize) -> u32 {
    event as u32 * 2 + from as u32 + 1
}

fn bit(event: Event, from: usize) -> u32 {
    1 << code(event, from)
}

/// Where the letters of a word stand.
const SHIFTS: [u32; 6] = [0, 5, 10, 15, 20, 25];
const MASK: u32 = 0x1f;
/// Of the events in their order.
const LETTERS: [u8; 12] = *b"SHADFRGTWIQ^";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_in_the_order_of_first_occurrence() {
        let mut letters = Letters::default();
        for (event, from) in [(Event::Turned, 0), (Event::Data, 1), (Event::Data, 0), (Event::Data, 1)] {
            letters.once(event, from);
        }
        assert_eq!(letters.history().unwrap().as_str(), "^dD");
        assert_eq!(Letters::default().history(), None);
    }

    #[test]
    fn repeated_events_are_noted_at_powers_of_ten() {
        let mut letters = Letters::default();
        (1..=1000).for_each(|count| letters.at_powers_of_ten(Event::Retransmission, 0, count));
        assert_eq!(letters.history().unwrap().as_str(), "TTTT");
    }

    #[test]
    fn a_history_holds_as_many_letters_as_a_flow_can() {
        let mut letters = Letters::default();
        (0..100).for_each(|_| letters.push(Event::Turned, 1));
        assert_eq!(letters.history().unwrap().as_str().len(), History::CAPACITY);
    }
}
