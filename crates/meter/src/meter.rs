//! The meter: packets in, flows out.

use flow::{Duration, Flow, Time};

use crate::application::{Facts, Openings};
use crate::decode::{self, Fragment, Link, Packet, Skip};
use crate::flows::Flows;
use crate::fragments::Fragments;
use crate::order::{Arrival, Arrived, Line};

/// When flows end and how many may be open.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A flow without a packet for so long ends. 120 s, as most exporters have it.
    pub idle: Duration,
    /// A flow older than this is cut, so that long conversations are reported while they last. 1,800 s.
    pub active: Duration,
    /// A closed TCP conversation is kept so long for its last repeated segments, which are not a new flow. 5 s.
    pub linger: Duration,
    /// The most open flows; beyond it the one seen longest ago ends early. 250,000 take some 150 MiB.
    pub flows: usize,
    /// Whether log-ins in clear text are read for the content features of KDD'99. Off: few sets have them.
    pub content: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            idle: Duration::from_secs(120),
            active: Duration::from_secs(1800),
            linger: Duration::from_secs(5),
            flows: 250_000,
            content: false,
        }
    }
}

/// What became of the packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets given.
    pub packets: u64,
    /// Packets in no flow, by reason, in the order of [`Skip::ALL`].
    pub skipped: [u64; Skip::ALL.len()],
    /// Packets that came late and were put back into their place.
    pub reordered: u64,
    /// Large steps back of the clock; each ends all open flows.
    pub clock_steps: u64,
    /// IP fragments after the first whose first one was not seen: in a flow without ports.
    pub orphan_fragments: u64,
    /// Flows ended early because the table was full.
    pub evicted_flows: u64,
    /// First messages of conversations given up unfinished, because too many waited for their rest or it did not come.
    pub evicted_messages: u64,
    /// TCP segments whose bytes had all been sent before, in the flows given out: retransmitted, or captured twice.
    pub repeated_segments: u64,
    /// Flows given out.
    pub flows: u64,
}

impl Counts {
    /// Packets in no flow.
    pub fn skipped_packets(&self) -> u64 {
        self.skipped.iter().sum()
    }

    /// The reasons that occurred, with how often.
    pub fn skips(&self) -> impl Iterator<Item = (Skip, u64)> + '_ {
        Skip::ALL.into_iter().zip(self.skipped).filter(|&(_, count)| count > 0)
    }
}

/// Turns packets, in the order of their capture, into flows.
///
/// ```
/// use flow::Time;
/// use meter::{Link, Meter, Settings};
/// let mut meter = Meter::new(Settings::default());
/// let mut ended = Vec::new();
/// meter.packet(Link::Ethernet, Time::from_nanoseconds(0), &[0; 14], 14, &mut ended);
/// meter.finish(&mut ended);
/// assert_eq!((ended.len(), meter.counts().skipped_packets()), (0, 1));
/// ```
pub struct Meter {
    openings: Openings,
    line: Line,
    flows: Flows,
    fragments: Fragments,
    counts: Counts,
}

impl Meter {
    /// A meter without flows.
    pub fn new(settings: Settings) -> Meter {
        Meter {
            openings: Openings::new(settings.content),
            line: Line::default(),
            flows: Flows::new(settings),
            fragments: Fragments::default(),
            counts: Counts::default(),
        }
    }

    /// Takes in a packet: the bytes captured of it, and its length on the wire. Flows that ended go to `ended`.
    #[inline]
    pub fn packet(&mut self, link: Link, time: Time, captured: &[u8], wire_bytes: u32, ended: &mut Vec<Flow>) {
        self.counts.packets += 1;
        match decode::decode(link, time, captured, wire_bytes) {
            Ok(packet) => {
                let (start, length) = packet.payload;
                let payload = captured.get(start as usize..).and_then(|rest| rest.get(..length as usize));
                let facts = payload.map_or_else(Facts::default, |payload| self.openings.read(&packet, payload));
                self.enqueue(Arrived { packet, facts }, ended);
            }
            Err(skip) => self.counts.skipped[skip as usize] += 1,
        }
    }

    /// Counts a packet that its source could not hand over.
    pub fn skip(&mut self, skip: Skip) {
        self.counts.packets += 1;
        self.counts.skipped[skip as usize] += 1;
    }

    /// Ends every open flow. The meter can go on with another capture afterwards.
    pub fn finish(&mut self, ended: &mut Vec<Flow>) {
        while let Some(arrived) = self.line.pop() {
            self.observe(arrived, ended);
        }
        while let Some(packet) = self.fragments.drain() {
            self.observe_orphan(&packet, ended);
        }
        let before = ended.len();
        self.flows.finish(ended);
        self.openings.finish();
        self.counts.flows += (ended.len() - before) as u64;
    }

    /// What became of the packets so far.
    pub fn counts(&self) -> Counts {
        Counts {
            reordered: self.line.reordered,
            evicted_flows: self.flows.evicted,
            evicted_messages: self.openings.evicted(),
            repeated_segments: self.flows.repeated,
            ..self.counts.clone()
        }
    }

    /// Conversations open now.
    pub fn open_flows(&self) -> usize {
        self.flows.len()
    }

    #[inline]
    fn enqueue(&mut self, arrived: Arrived, ended: &mut Vec<Flow>) {
        if let Arrival::ClockStep(arrived) = self.line.push(arrived) {
            self.finish(ended);
            self.counts.clock_steps += 1;
            self.line.push(arrived);
        }
        if let Some(due) = self.line.pop_due() {
            self.observe(due, ended);
        }
    }

    #[inline]
    fn observe(&mut self, arrived: Arrived, ended: &mut Vec<Flow>) {
        match arrived.packet.fragment {
            None if self.fragments.is_idle() => self.book(&arrived.packet, arrived.facts, ended),
            fragment => self.observe_among_fragments(arrived, fragment, ended),
        }
    }

    #[inline]
    fn book(&mut self, packet: &Packet, facts: Facts, ended: &mut Vec<Flow>) {
        let before = ended.len();
        self.flows.observe(packet, facts, ended);
        self.counts.flows += (ended.len() - before) as u64;
    }

    /// Books a packet that is a fragment, or comes while fragments wait for their first one. Later fragments tell nothing
    /// but their length.
    #[cold]
    fn observe_among_fragments(&mut self, arrived: Arrived, fragment: Option<Fragment>, ended: &mut Vec<Flow>) {
        let Arrived { mut packet, facts } = arrived;
        while let Some(orphan) = self.fragments.overdue(packet.time) {
            self.observe_orphan(&orphan, ended);
        }
        match fragment {
            Some(fragment) if fragment.is_first => {
                self.fragments.remember(&packet, fragment);
                self.book(&packet, facts, ended);
                while let Some(later) = self.fragments.joined() {
                    self.book(&later, Facts::default(), ended);
                }
            }
            Some(fragment) if !self.fragments.complete(&mut packet, fragment) => {
                if let Some(orphan) = self.fragments.wait(packet) {
                    self.observe_orphan(&orphan, ended);
                }
            }
            _ => self.book(&packet, facts, ended),
        }
    }

    fn observe_orphan(&mut self, packet: &Packet, ended: &mut Vec<Flow>) {
        self.counts.orphan_fragments += 1;
        self.book(packet, Facts::default(), ended);
    }
}
