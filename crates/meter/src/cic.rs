//! Counts what the columns of CICFlowMeter need of each packet.

use flow::features::cic::{Bulks, Profile, Statistics};
use flow::{Duration, Flow, Protocol, Time};

use crate::decode::Packet;

/// The statistics of an open flow and what they need to go on.
#[derive(Clone, Debug)]
pub(crate) struct Accumulator {
    statistics: Statistics,
    /// The latest packet; `None` before the first.
    last: Option<Time>,
    /// The first packet after the last long gap.
    active_since: Time,
    /// The latest packet of each direction.
    last_of: [Option<Time>; 2],
    runs: [Run; 2],
}

/// Packets with payload in one direction that may become a bulk.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    start: Time,
    last: Time,
    packets: u64,
    bytes: u64,
}

impl Accumulator {
    pub(crate) fn new(profile: Profile) -> Accumulator {
        Accumulator {
            statistics: Statistics::new(profile),
            last: None,
            active_since: Time::default(),
            last_of: [None; 2],
            runs: [Run::default(); 2],
        }
    }

    /// The flow with what was counted of it; the next part of the conversation begins with nothing.
    pub(crate) fn cut(&mut self, flow: Flow) -> Flow {
        let next = Accumulator::new(self.statistics.profile);
        Flow { cic: Some(Box::new(std::mem::replace(self, next).statistics)), ..flow }
    }

    /// Takes in a packet that side `from` (0 originator, 1 responder) sent.
    pub(crate) fn observe(&mut self, from: usize, packet: &Packet) {
        let is_fixed = self.statistics.profile == Profile::Fixed;
        let is_first = self.last.is_none();
        let from = if is_first && !is_fixed { 0 } else { from };
        self.note_gap(packet);
        // What ICMP carries is no payload, as the tables count.
        let is_transport = matches!(packet.protocol, Protocol::Tcp | Protocol::Udp);
        let payload = if is_transport { u64::from(packet.payload_bytes) } else { 0 };
        let statistics = &mut self.statistics;
        statistics.lengths.add(payload);
        if is_first && !is_fixed {
            statistics.lengths.add(payload);
        }
        let direction = &mut statistics.directions[from];
        if let Some(last) = self.last_of[from] {
            direction.gaps.add(packet.time.since(last).as_nanos() as u64);
        }
        self.last_of[from] = self.last_of[from].max(Some(packet.time));
        direction.lengths.add(payload);
        direction.payload_packets += u32::from(payload > 0 && (is_fixed || !is_first));
        if is_transport {
            direction.header_bytes += u64::from(packet.header_bytes);
            let least =
                direction.least_header_bytes.map_or(packet.header_bytes, |least| least.min(packet.header_bytes));
            direction.least_header_bytes = Some(least);
        }
        if let Some(segment) = &packet.segment {
            statistics.flags.count(segment.bits());
            if is_fixed || is_first {
                direction.flags.count(segment.bits());
            }
            if direction.window.is_none() || (!is_fixed && from == 1) {
                direction.window = Some(segment.window);
            }
        }
        if is_fixed && payload > 0 {
            self.note_payload(from, packet.time, payload);
        }
    }

    /// What the gap before this packet parts: subflows, and times of activity.
    fn note_gap(&mut self, packet: &Packet) {
        let Some(last) = self.last else {
            self.active_since = packet.time;
            self.last = Some(packet.time);
            return;
        };
        let gap = packet.time.since(last);
        let statistics = &mut self.statistics;
        statistics.gaps.add(gap.as_nanos() as u64);
        statistics.pauses += u32::from(gap > PAUSE);
        // In 2017 the FIN that ended the flow was added without a look at the activity before it.
        let is_looked_at = statistics.profile == Profile::Fixed || !packet.segment.is_some_and(|segment| segment.fin());
        if gap > IDLE && is_looked_at {
            let active = last.since(self.active_since);
            if !active.is_zero() {
                statistics.active.add(active.as_nanos() as u64);
            }
            statistics.idle.add(gap.as_nanos() as u64);
            self.active_since = packet.time;
        }
        self.last = Some(last.max(packet.time));
    }

    fn note_payload(&mut self, from: usize, now: Time, payload: u64) {
        self.runs[1 - from] = Run::default();
        let run = &mut self.runs[from];
        if run.packets == 0 || now.since(run.last) > PAUSE {
            *run = Run { start: now, last: now, packets: 0, bytes: 0 };
        }
        let before = run.last;
        run.last = run.last.max(now);
        run.packets += 1;
        run.bytes += payload;
        let bulks: &mut Bulks = &mut self.statistics.directions[from].bulks;
        if run.packets == BULK {
            bulks.count += 1;
            bulks.packets += run.packets;
            bulks.bytes += run.bytes;
            bulks.nanoseconds += run.last.since(run.start).as_nanos() as u64;
        } else if run.packets > BULK {
            bulks.packets += 1;
            bulks.bytes += payload;
            bulks.nanoseconds += now.since(before).as_nanos() as u64;
        }
    }
}

/// A longer gap parts two subflows, and two bulks.
const PAUSE: Duration = Duration::from_secs(1);
/// A longer gap is idle time.
const IDLE: Duration = Duration::from_secs(5);
/// The least packets of a bulk.
const BULK: u64 = 4;
