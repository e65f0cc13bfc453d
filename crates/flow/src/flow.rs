//! One conversation and what was counted of it.

use std::fmt;
use std::str::FromStr;

use crate::features::cic::Statistics;
use crate::{Application, Content, Country, Duration, History, Key, Label, Protocol, Time, Tunnel, Unreadable};

/// One conversation between an originator and a responder.
///
/// A long conversation is cut into parts by the active timeout; each part is a flow of its own that remembers when the
/// conversation began.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Who talks with whom.
    pub key: Key,
    /// VLAN identifier (IEEE 802.1Q), the outer one where there are two.
    pub vlan: Option<u16>,
    /// Time of the first packet.
    pub start: Time,
    /// Time of the last packet.
    pub end: Time,
    /// Time of the first packet of the whole conversation: earlier than `start` in every part but the first.
    pub conversation_start: Time,
    /// The innermost tunnel that it came through.
    pub tunnel: Option<Tunnel>,
    /// What the originator sent.
    pub originator: Side,
    /// What the responder sent.
    pub responder: Side,
    /// Gaps between successive packets of either direction, in nanoseconds; count 0 where the source has none.
    pub gaps: Moments,
    /// How the conversation opened and closed; `None` where the source cannot tell.
    pub state: Option<State>,
    /// What happened, in Zeek's letters; `None` where the source does not say.
    pub history: Option<History>,
    /// Why the flow was ended.
    pub ended: Ended,
    /// What its first payload tells.
    pub application: Option<Box<Application>>,
    /// What the columns of CICFlowMeter need of its packets, where the meter was asked for them.
    pub cic: Option<Box<Statistics>>,
    /// What a log-in in clear text tells (the content features of KDD'99); `None` where nobody looked, or where the
    /// conversation is no such log-in or is encrypted.
    pub content: Option<Box<Content>>,
    /// The source's own name for the conversation: Zeek's uid, Suricata's flow_id.
    pub id: Option<Box<str>>,
    /// The ground truth, where the source carries one.
    pub label: Option<Label>,
}

/// What one side of a conversation sent. `None` where the source does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Packets.
    pub packets: Option<u64>,
    /// Bytes from the IP header on (RFC 791 total length), without link-layer padding.
    pub bytes: Option<u64>,
    /// Bytes above the transport header.
    pub payload_bytes: Option<u64>,
    /// Where it is, as the source says.
    pub country: Option<Country>,
    /// What only a meter that saw each packet can tell.
    pub detail: Option<Detail>,
}

/// Per-packet statistics of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Lengths of its packets, in bytes from the IP header on.
    pub lengths: Moments,
    /// Gaps between its successive packets, in nanoseconds.
    pub gaps: Moments,
    /// TCP flags, counted on every packet.
    pub flags: Flags,
    /// Bytes of transport headers.
    pub header_bytes: u64,
    /// Packets that carry payload.
    pub payload_packets: u32,
    /// TCP segments whose bytes had all been sent before (RFC 9293 s.3.8).
    pub retransmissions: u32,
    /// TCP segments that came after a later one and brought bytes not seen before.
    pub out_of_order: u32,
    /// TCP segments that advertise a window of 0 without RST.
    pub zero_windows: u32,
    /// IP fragments that overlap others of their datagram, reach beyond the largest one, or break off at an odd place.
    pub wrong_fragments: u32,
    /// TCP window of its first packet, unscaled; `None` for other protocols or where it sent nothing.
    pub initial_window: Option<u16>,
}

/// How often each TCP flag was set (RFC 9293 s.3.1, RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the names of the flags")]
pub struct Flags {
    pub fin: u32,
    pub syn: u32,
    pub rst: u32,
    pub psh: u32,
    pub ack: u32,
    pub urg: u32,
    pub ece: u32,
    pub cwr: u32,
}

/// Count, sum, sum of squares, smallest and largest of a stream of whole numbers, kept exactly: the order in which they
/// come does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    count: u32,
    min: u64,
    max: u64,
    sum: u64,
    squares: u128,
}

/// How a conversation opened and closed, in Zeek's terms (conn.log `conn_state`). For UDP: S0 without an answer, SF with
/// one, SHR where only the responder was heard; so for ARP and for ICMP queries. OTH where the protocol has no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Attempt seen, no reply.
    S0,
    /// Established, not terminated.
    S1,
    /// Normal establishment and termination.
    SF,
    /// Attempt rejected.
    Rej,
    /// Established; the originator closed, the responder did not.
    S2,
    /// Established; the responder closed, the originator did not.
    S3,
    /// Established; the originator aborted.
    Rsto,
    /// The responder aborted.
    Rstr,
    /// The originator sent a SYN and then a RST; no SYN-ACK was seen.
    Rstos0,
    /// The responder sent a SYN-ACK and then a RST; no SYN was seen.
    Rstrh,
    /// The originator sent a SYN and then a FIN; no SYN-ACK was seen.
    Sh,
    /// The responder sent a SYN-ACK and a FIN; no SYN was seen. A SYN-ACK alone is OTH.
    Shr,
    /// No SYN seen: traffic from the middle of a conversation, or a SYN-ACK that nobody was seen to ask for.
    Oth,
}

/// Why a flow was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The conversation closed: FIN from both sides and the last ACK, or RST, or another SYN between the same ports.
    Closed,
    /// No packet for the idle timeout.
    Idle,
    /// The active timeout cut it; the conversation goes on in a further flow.
    Active,
    /// The flow table was full and this flow was the one seen longest ago.
    Evicted,
    /// The input ended.
    Input,
    /// The source, a log of flows, does not say.
    Unknown,
}

impl Flow {
    /// A flow of which nothing is known but who talked and when.
    pub fn between(key: Key, start: Time, end: Time) -> Flow {
        Flow {
            key,
            vlan: None,
            start,
            end,
            conversation_start: start,
            tunnel: None,
            originator: Side::default(),
            responder: Side::default(),
            gaps: Moments::default(),
            state: None,
            history: None,
            ended: Ended::Unknown,
            application: None,
            cic: None,
            content: None,
            id: None,
            label: None,
        }
    }

    /// Time between its first and its last packet.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Packets of both sides, where both are known.
    pub fn packets(&self) -> Option<u64> {
        Some(self.originator.packets?.saturating_add(self.responder.packets?))
    }

    /// Bytes of both sides, from the IP header on, where both are known.
    pub fn bytes(&self) -> Option<u64> {
        Some(self.originator.bytes?.saturating_add(self.responder.bytes?))
    }

    /// Payload bytes of both sides, where both are known.
    pub fn payload_bytes(&self) -> Option<u64> {
        Some(self.originator.payload_bytes?.saturating_add(self.responder.payload_bytes?))
    }

    /// Whether the originator got nothing that it asked for: no answer, a rejection, or a broken handshake.
    /// `false` where the state is unknown, where the call went to a group, and for an ARP announcement or probe
    /// (RFC 5227): those are owed no answer.
    pub fn failed(&self) -> bool {
        use State::{Oth, Rej, Rstos0, Rstrh, S0, S1, S2, S3, SF, Sh, Shr};
        let [originator, responder] = [self.key.originator.address, self.key.responder.address];
        let announces = self.key.protocol == Protocol::Arp && (originator == responder || originator.is_unspecified());
        !self.key.to_group()
            && !announces
            && match self.state {
                Some(S0 | Rej) => true,
                // Also from the middle of a conversation, which then was answered.
                Some(Rstos0 | Sh) => self.responder.is_silent(),
                Some(S1 | SF | S2 | S3 | State::Rsto | State::Rstr | Rstrh | Shr | Oth) | None => false,
            }
    }
}

impl Side {
    /// A side that sent nothing.
    pub const SILENT: Side =
        Side { packets: Some(0), bytes: Some(0), payload_bytes: Some(0), country: None, detail: None };

    /// Whether it is known to have sent nothing.
    pub fn is_silent(&self) -> bool {
        self.packets == Some(0)
    }
}

impl Flags {
    /// Counts the flags that are set in a segment's flag byte, FIN the lowest bit.
    #[inline]
    pub fn count(&mut self, bits: u8) {
        self.fin += u32::from(bits & 1);
        self.syn += u32::from(bits >> 1 & 1);
        self.rst += u32::from(bits >> 2 & 1);
        self.psh += u32::from(bits >> 3 & 1);
        self.ack += u32::from(bits >> 4 & 1);
        self.urg += u32::from(bits >> 5 & 1);
        self.ece += u32::from(bits >> 6 & 1);
        self.cwr += u32::from(bits >> 7);
    }
}

impl Moments {
    /// The moments of `count` numbers that were summed elsewhere: the smallest and the largest, the sum, the sum of the
    /// squares. The others do not count where `count` is 0.
    pub fn of(count: u32, [min, max]: [u64; 2], sum: u64, squares: u128) -> Moments {
        if count == 0 { Moments::default() } else { Moments { count, min, max, sum, squares } }
    }

    /// Takes in one more number.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.count = self.count.saturating_add(1);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum = self.sum.saturating_add(value);
        self.squares = self.squares.saturating_add(u128::from(value) * u128::from(value));
    }

    /// Takes in the numbers that another one took in.
    pub fn append(&mut self, other: &Moments) {
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        self.squares = self.squares.saturating_add(other.squares);
    }

    /// How many numbers there were.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The sum of their squares.
    pub fn squares(&self) -> u128 {
        self.squares
    }

    /// The smallest, or `None` where there was none.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest, or `None` where there was none.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean, or `None` where there was none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / f64::from(self.count))
    }

    /// The standard deviation over all of them (divided by their count), or `None` where there was none.
    pub fn deviation(&self) -> Option<f64> {
        let count = u128::from(self.count);
        let sum = u128::from(self.sum);
        // Exact in whole numbers until the root, so that equal numbers deviate by exactly 0.
        let scaled = count.checked_mul(self.squares)?.checked_sub(sum.checked_mul(sum)?)?;
        (self.count > 0).then(|| (scaled as f64).sqrt() / f64::from(self.count))
    }
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { count: 0, min: u64::MAX, max: 0, sum: 0, squares: 0 }
    }
}

impl State {
    /// Every state, in the order of their codes as a feature.
    pub const ALL: [State; 13] = [
        State::S0,
        State::S1,
        State::SF,
        State::Rej,
        State::S2,
        State::S3,
        State::Rsto,
        State::Rstr,
        State::Rstos0,
        State::Rstrh,
        State::Sh,
        State::Shr,
        State::Oth,
    ];

    /// The name that Zeek gives it.
    pub const fn name(self) -> &'static str {
        match self {
            State::S0 => "S0",
            State::S1 => "S1",
            State::SF => "SF",
            State::Rej => "REJ",
            State::S2 => "S2",
            State::S3 => "S3",
            State::Rsto => "RSTO",
            State::Rstr => "RSTR",
            State::Rstos0 => "RSTOS0",
            State::Rstrh => "RSTRH",
            State::Sh => "SH",
            State::Shr => "SHR",
            State::Oth => "OTH",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl FromStr for State {
    type Err = Unreadable;

    fn from_str(name: &str) -> Result<State, Unreadable> {
        State::from_name(name).ok_or(Unreadable("a state of a connection"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Ended {
    /// A short name.
    pub const fn name(self) -> &'static str {
        match self {
            Ended::Closed => "closed",
            Ended::Idle => "idle",
            Ended::Active => "active",
            Ended::Evicted => "evicted",
            Ended::Input => "input",
            Ended::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_no_deviation() {
        let mut moments = Moments::default();
        for _ in 0..1000 {
            moments.add(1_000_000_007);
        }
        assert_eq!(moments.deviation(), Some(0.0));
        assert_eq!(moments.mean(), Some(1_000_000_007.0));
    }

    #[test]
    fn one_and_three_deviate_by_one() {
        let mut moments = Moments::default();
        moments.add(1);
        moments.add(3);
        assert_eq!((moments.min(), moments.max(), moments.deviation()), (Some(1), Some(3), Some(1.0)));
    }

    #[test]
    fn no_numbers_have_no_statistics() {
        let moments = Moments::default();
        assert_eq!((moments.min(), moments.max(), moments.mean(), moments.deviation()), (None, None, None, None));
    }

    #[test]
    fn every_state_is_found_by_its_name() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
    }
}
