//! The meter: packets in, flows out.

use std::collections::VecDeque;

use flow::features::cic::Profile;
use flow::{Duration, Flow, Time};

use crate::application::{Facts, Openings};
use crate::cic::Accumulator;
use crate::decode::tunnel::{self, Inner};
use crate::decode::{self, Fragment, Link, Packet, Skip};
use crate::flows::{CONVERSATION_BYTES, Flows};
use crate::fragments::Fragments;
use crate::order::{Arrival, Arrived, Line};

/// When flows end and how much memory the open ones may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A flow without a packet for so long ends. 120 s, as most exporters have it.
    pub idle: Duration,
    /// A flow older than this is cut, so that long conversations are reported while they last. 1,800 s.
    pub active: Duration,
    /// A closed TCP conversation is kept so long for its last repeated segments, which are not a new flow. 5 s.
    pub linger: Duration,
    /// Bytes that open flows may take, three quarters of them for the flows themselves and a quarter for what hangs on
    /// some. Beyond it flows end early: closed ones, then those of a few packets or without an answer, then the one seen
    /// longest ago. 768 MiB: of the gibibyte that flows and hosts share, hosts have the rest.
    pub bytes: usize,
    /// Whether a VLAN is a network of its own. Together, because a mirror of a router shows a conversation in two VLANs.
    pub vlans: Vlans,
    /// Whether to count what the columns of CICFlowMeter need as well, and by which rules; it takes some 1.5 KiB more a flow.
    /// `Compat2017` also ends flows as that tool did: [`Settings::with_profile`] sets the times for it. None: other
    /// columns do not need it.
    pub cic: Option<Profile>,
    /// Whether log-ins in clear text are read for the content features of KDD'99. Off: few sets have them.
    pub content: bool,
}

impl Settings {
    /// These settings for the columns of CICFlowMeter by such rules. Flows of the tables of 2017 end at the first FIN or
    /// where a packet comes more than 120 s after their start, to the microsecond, and never by silence or by RST.
    pub fn with_profile(self, profile: Profile) -> Settings {
        let settings = Settings { cic: Some(profile), ..self };
        match profile {
            Profile::Fixed => settings,
            Profile::Compat2017 => {
                let (idle, linger) = (Duration::MAX, Duration::MAX);
                Settings { idle, linger, active: Duration::from_micros(120_000_001), ..settings }
            }
        }
    }

    /// The most flows that may be open.
    pub fn capacity(&self) -> usize {
        let cic = if self.cic.is_some() { size_of::<Accumulator>() } else { 0 };
        (self.bytes / 4 * 3 / (CONVERSATION_BYTES + cic)).clamp(1, MAX_FLOWS)
    }

    /// The bytes that may hang on the open flows.
    pub(crate) fn hanging_bytes(&self) -> usize {
        self.bytes / 4
    }
}

/// What a VLAN identifier (IEEE 802.1Q) is to a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vlans {
    /// A remark: the packets of all VLANs between the same endpoints are one conversation.
    #[default]
    Together,
    /// A part of its identity: the same addresses in another VLAN are other hosts. Of stacked tags the outer one counts,
    /// which is the one that the flow tells.
    Apart,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            idle: Duration::from_secs(120),
            active: Duration::from_secs(1800),
            linger: Duration::from_secs(5),
            bytes: 768 << 20,
            vlans: Vlans::Together,
            cic: None,
            content: false,
        }
    }
}

/// What became of the packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets given.
    pub packets: u64,
    /// Packets found inside others, in tunnels: those given and these are in flows or skipped.
    pub inner: u64,
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
    /// The counts of a meter that only decodes and those of the one that has the table, together.
    pub fn with(mut self, other: &Counts) -> Counts {
        self.packets += other.packets;
        self.inner += other.inner;
        self.skipped.iter_mut().zip(other.skipped).for_each(|(ours, theirs)| *ours += theirs);
        self.reordered += other.reordered;
        self.clock_steps += other.clock_steps;
        self.orphan_fragments += other.orphan_fragments;
        self.evicted_flows += other.evicted_flows;
        self.evicted_messages += other.evicted_messages;
        self.repeated_segments += other.repeated_segments;
        self.flows += other.flows;
        self
    }

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
    /// A packet behind a step of the clock, which waits until the flows before it are given out.
    behind_step: Option<Arrived>,
    /// What was decoded for another meter, where it has the table.
    decoded: Option<Packets>,
}

/// Decoded packets on their way from a meter that only decodes to the one that has the table.
#[derive(Default)]
pub struct Packets(VecDeque<Arrived>);

impl Packets {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
            behind_step: None,
            decoded: None,
        }
    }

    /// Splits the work of a meter that has seen no packet yet, so that two threads may share it: this meter only decodes
    /// from now on ([`Meter::decoded`]), and the one returned has the table ([`Meter::take`]). Flows are the same.
    pub fn split(&mut self) -> Meter {
        self.decoded = Some(Packets::default());
        Meter::new(self.flows.settings().clone())
    }

    /// What was decoded since the last call; nothing where this meter has the table itself.
    pub fn decoded(&mut self) -> Packets {
        let Some(decoded) = &mut self.decoded else { return Packets::default() };
        let room = Packets(VecDeque::with_capacity(decoded.len()));
        std::mem::replace(decoded, room)
    }

    /// Takes in packets that another meter decoded, until `ended` holds `most` flows; `false` once all are taken.
    pub fn take(&mut self, packets: &mut Packets, ended: &mut Vec<Flow>, most: usize) -> bool {
        while ended.len() < most {
            if self.behind_step.is_some() {
                self.finish_some(ended, most);
            } else if let Some(arrived) = packets.0.pop_front() {
                self.enqueue(arrived, ended);
            } else {
                return false;
            }
        }
        true
    }

    /// Takes in a packet: the bytes captured of it, and its length on the wire. Flows that ended go to `ended`.
    #[inline]
    pub fn packet(&mut self, link: Link, time: Time, captured: &[u8], wire_bytes: u32, ended: &mut Vec<Flow>) {
        self.counts.packets += 1;
        match decode::decode(link, time, captured, wire_bytes) {
            Ok(packet) => {
                let inner = tunnel::open(&packet, captured);
                let facts = self.openings.read(&packet, packet.payload(captured));
                self.enqueue(Arrived { packet, facts }, ended);
                if inner.is_some() {
                    self.enqueue_inner(inner, time, ended);
                }
            }
            Err(skip) => self.counts.skipped[skip as usize] += 1,
        }
    }

    /// Counts a packet that its source could not hand over.
    pub fn skip(&mut self, skip: Skip) {
        self.counts.packets += 1;
        self.counts.skipped[skip as usize] += 1;
    }

    /// Lets time pass without a packet, so that the flows of a quiet link end, too. No packet from before `now` may come
    /// any more; then the flows are the same, and in the same order, as if nothing had been said before the next packet.
    pub fn tick(&mut self, now: Time, ended: &mut Vec<Flow>) {
        if self.decoded.is_some() || self.behind_step.is_some() {
            return;
        }
        while let Some(arrived) = self.line.pop_before(now) {
            self.observe(arrived, ended);
        }
        while let Some(orphan) = self.fragments.overdue(now) {
            self.observe_orphan(&orphan, ended);
        }
        // A fragment that waits is of a time that the flows have not come to.
        if self.fragments.is_idle() {
            let before = ended.len();
            let mut count = usize::MAX;
            while ended.len() != count {
                count = ended.len();
                self.flows.expire(now, ended);
            }
            self.counts.flows += (ended.len() - before) as u64;
        }
    }

    /// Ends every open flow. The meter can go on with another capture afterwards.
    pub fn finish(&mut self, ended: &mut Vec<Flow>) {
        while self.finish_some(ended, usize::MAX) {}
    }

    /// Ends open flows until `ended` holds `most` or somewhat more; `false` once none is open. For those who cannot hold
    /// all the flows at once.
    pub fn finish_some(&mut self, ended: &mut Vec<Flow>, most: usize) -> bool {
        while let Some(arrived) = self.line.pop() {
            self.observe(arrived, ended);
        }
        while let Some(packet) = self.fragments.drain() {
            self.observe_orphan(&packet, ended);
        }
        let before = ended.len();
        let more = self.flows.finish(ended, most);
        self.counts.flows += (ended.len() - before) as u64;
        if more {
            return true;
        }
        let Some(arrived) = self.behind_step.take() else { return false };
        self.line.push(arrived);
        true
    }

    /// Whether flows from before a step of the clock wait to be given out. [`Meter::finish_some`] does so bit by bit; the
    /// next packet does it at once.
    pub fn is_behind_step(&self) -> bool {
        self.behind_step.is_some()
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

    /// Takes in a packet found inside another, and the one inside that.
    #[cold]
    fn enqueue_inner(&mut self, mut next: Option<Inner<'_>>, time: Time, ended: &mut Vec<Flow>) {
        let mut depth = 0;
        while let Some(inner) = next {
            self.counts.inner += 1;
            depth += 1;
            match if depth > tunnel::MAX_TUNNELS { Err(Skip::InnerDeep) } else { inner.decode(time) } {
                Ok(packet) => {
                    next = tunnel::open(&packet, inner.bytes());
                    let facts = self.openings.read(&packet, packet.payload(inner.bytes()));
                    self.enqueue(Arrived { packet, facts }, ended);
                }
                Err(skip) => {
                    self.counts.skipped[skip as usize] += 1;
                    return;
                }
            }
        }
    }

    #[inline]
    fn enqueue(&mut self, arrived: Arrived, ended: &mut Vec<Flow>) {
        if let Some(decoded) = &mut self.decoded {
            decoded.0.push_back(arrived);
            return;
        }
        while self.behind_step.is_some() {
            self.finish_some(ended, usize::MAX);
        }
        if let Arrival::ClockStep(arrived) = self.line.push(arrived) {
            self.behind_step = Some(arrived);
            self.counts.clock_steps += 1;
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

    /// Books a packet that is a fragment, or comes while fragments wait for their first one.
    #[cold]
    fn observe_among_fragments(&mut self, arrived: Arrived, fragment: Option<Fragment>, ended: &mut Vec<Flow>) {
        let Arrived { mut packet, facts } = arrived;
        while let Some(orphan) = self.fragments.overdue(packet.time) {
            self.observe_orphan(&orphan, ended);
        }
        match fragment {
            Some(fragment) if fragment.is_first => {
                self.fragments.remember(&mut packet, fragment);
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

/// As many as 32 bits can number, and one number that stands for none.
const MAX_FLOWS: usize = u32::MAX as usize - 1;
