//! The columns of CICFlowMeter, as the CIC-IDS2017 tables have them, in two profiles.
//!
//! Lengths are payload bytes of TCP and UDP (0 for other protocols), header lengths those of their headers, times whole or broken microseconds; forward
//! is what the originator sent. Deviations are those of a sample (divided by n - 1), and statistics of nothing are 0.
//! Where a source saw no packets, only what counts and times tell is there; all else is missing.
//!
//! [`Profile::Fixed`] computes each column as it is defined, under the names of the corrected tables (Liu and others,
//! "Error Prevalence in NIDS datasets", 2022). [`Profile::Compat2017`] repeats the errors of the tool that wrote the first
//! tables of 2017, under their names, for models that learned them:
//!
//! | error of the tool | compat |
//! |---|---|
//! | the first FIN ends a flow; what follows is another | repeated |
//! | a closed connection's repeated FIN is dropped uncounted | of a later release; not repeated |
//! | RST ends nothing | repeated |
//! | a flow of one packet is not written | repeated ([`FeatureSet::admits`](super::FeatureSet::admits)) |
//! | a flow is cut 120 s after its start; nothing ends by silence | repeated |
//! | the first packet after a cut is booked as forward; so is a capture's first SYN-ACK | repeated |
//! | the first packet's length counts twice in the packet length statistics and the average packet size | repeated |
//! | down/up ratio by whole-number division | repeated |
//! | every packet a subflow | repeated as the tables show it: the subflow columns repeat the totals |
//! | bulk: all packets backward, later commented out | repeated as the tables show it: 0 |
//! | flags are 0 or 1 | repeated as "any packet had it"; which packet set it in the tables cannot be told from them |
//! | forward and backward PSH and URG from the first packet only | repeated |
//! | active and idle hold absolute times | not in the tables; the gap before the closing FIN is in neither, and that is repeated |
//! | backward window overwritten by each packet; -1 where there is none | repeated |
//! | `Fwd Header Length` twice | not repeated: a table's columns have names of their own |
//! | rates of an instant are infinite or no number | missing, as readers of the tables take them |
//! | IPv6 in milliseconds and without flags | of a later release, no row of the tables is IPv6; not repeated |
//! | other protocols than TCP and UDP dropped | repeated; UDP headers the size of the last TCP header are not |
//! | packets out of the order of time as they come | not repeated: the meter puts them back |
//! | retransmissions count as traffic | in both profiles, as the columns are defined |
//! | the first packet is no "act data packet" | repeated |

use super::{Feature, Value};
use crate::{Flags, Flow, Moments, Protocol, Side};

/// By which rules the columns are computed and flows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As the columns are defined.
    Fixed,
    /// With the errors of the tables of 2017.
    Compat2017,
}

/// What the columns need of each packet of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// By which rules they were counted.
    pub profile: Profile,
    /// What the originator and the responder sent.
    pub directions: [Direction; 2],
    /// Payload bytes of the packets of both.
    pub lengths: Moments,
    /// Gaps between successive packets of either, in nanoseconds.
    pub gaps: Moments,
    /// TCP flags on packets of either.
    pub flags: Flags,
    /// Gaps longer than a second: one less than the subflows.
    pub pauses: u32,
    /// Times of activity before a gap of more than 5 s, in nanoseconds, other than of an instant.
    pub active: Moments,
    /// Gaps of more than 5 s, in nanoseconds.
    pub idle: Moments,
}

/// What the columns need of the packets of one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Direction {
    /// Payload bytes of its packets.
    pub lengths: Moments,
    /// Gaps between its successive packets, in nanoseconds.
    pub gaps: Moments,
    /// TCP flags on its packets; of 2017, on the flow's first packet only.
    pub flags: Flags,
    /// Bytes of TCP and UDP headers.
    pub header_bytes: u64,
    /// The shortest of these headers.
    pub least_header_bytes: Option<u16>,
    /// Packets with payload; of 2017, but for the flow's first packet.
    pub payload_packets: u32,
    /// TCP window of its first packet, unscaled; of 2017, of the responder's last packet.
    pub window: Option<u16>,
    /// Its bulks.
    pub bulks: Bulks,
}

/// Runs of at least four packets with payload with at most a second between them and none the other way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bulks {
    /// Runs.
    pub count: u32,
    /// Packets in them.
    pub packets: u64,
    /// Payload bytes in them.
    pub bytes: u64,
    /// Nanoseconds from the first to the last packet of each.
    pub nanoseconds: u64,
}

impl Statistics {
    /// Those of no packets.
    pub fn new(profile: Profile) -> Statistics {
        Statistics {
            profile,
            directions: [Direction::default(), Direction::default()],
            lengths: Moments::default(),
            gaps: Moments::default(),
            flags: Flags::default(),
            pauses: 0,
            active: Moments::default(),
            idle: Moments::default(),
        }
    }
}

/// A flow as a column sees it.
pub(super) struct View<'a> {
    flow: &'a Flow,
    profile: Profile,
    /// `None` where no meter counted by this profile.
    statistics: Option<&'a Statistics>,
}

impl<'a> View<'a> {
    pub(super) fn new(flow: &'a Flow, profile: Profile) -> View<'a> {
        let statistics = flow.cic.as_deref().filter(|statistics| statistics.profile == profile);
        View { flow, profile, statistics }
    }

    fn side(&self, direction: usize) -> &Side {
        if direction == FORWARD { &self.flow.originator } else { &self.flow.responder }
    }

    fn packets(&self, direction: usize) -> f64 {
        let counted = self.statistics.map(|statistics| u64::from(statistics.directions[direction].lengths.count()));
        or_missing(counted.or(self.side(direction).packets))
    }

    fn payload(&self, direction: usize) -> f64 {
        let counted = self.statistics.map(|statistics| statistics.directions[direction].lengths.sum());
        let is_transport = matches!(self.flow.key.protocol, Protocol::Tcp | Protocol::Udp);
        let told = self.side(direction).payload_bytes.map(|bytes| if is_transport { bytes } else { 0 });
        or_missing(counted.or(told))
    }

    fn all_packets(&self) -> f64 {
        self.packets(FORWARD) + self.packets(BACKWARD)
    }

    fn all_payload(&self) -> f64 {
        self.payload(FORWARD) + self.payload(BACKWARD)
    }

    fn duration(&self) -> f64 {
        microseconds(self.flow.duration().as_nanos() as f64)
    }

    fn statistic(&self, value: impl Fn(&Statistics) -> f64) -> f64 {
        self.statistics.map_or(f64::NAN, value)
    }

    fn of(&self, direction: usize, value: impl Fn(&Direction) -> f64) -> f64 {
        self.statistic(|statistics| value(&statistics.directions[direction]))
    }

    /// So many a second of the duration. Of an instant 0, or missing in the tables of 2017.
    fn rate(&self, count: f64) -> f64 {
        match (self.duration() > 0.0, self.profile) {
            (true, _) => count / (self.duration() / 1e6),
            (false, Profile::Fixed) => count * 0.0,
            (false, Profile::Compat2017) => f64::NAN,
        }
    }

    /// How often a flag was set; in 2017 whether.
    fn flag(&self, count: impl Fn(&Flags) -> u32) -> f64 {
        self.statistic(|statistics| match self.profile {
            Profile::Fixed => count(&statistics.flags).into(),
            Profile::Compat2017 => count(&statistics.flags).min(1).into(),
        })
    }

    /// A direction's share of what the subflows hold; in 2017 each flow is its own only subflow.
    fn of_a_subflow(&self, count: f64) -> f64 {
        self.statistic(|statistics| match self.profile {
            Profile::Fixed => count / (f64::from(statistics.pauses) + 1.0),
            Profile::Compat2017 => count,
        })
    }

    fn bulk(&self, direction: usize, value: impl Fn(&Bulks) -> f64) -> f64 {
        self.of(direction, |direction| if direction.bulks.count > 0 { value(&direction.bulks) } else { 0.0 })
    }

    fn window(&self, direction: usize) -> f64 {
        let none = if self.profile == Profile::Fixed { 0.0 } else { -1.0 };
        self.of(direction, |direction| direction.window.map_or(none, f64::from))
    }

    /// Type or code of ICMP; -1 for other protocols.
    fn icmp(&self, number: u16) -> f64 {
        match self.flow.key.protocol {
            Protocol::Icmp | Protocol::Icmpv6 => number.into(),
            _ => -1.0,
        }
    }

    fn port(&self, port: u16) -> f64 {
        if self.flow.key.protocol.has_ports() { port.into() } else { 0.0 }
    }
}

/// The columns of a profile, in the order of its tables.
pub(super) fn features(profile: Profile) -> Vec<Feature> {
    let feature = |column: &Column| {
        let name = match profile {
            Profile::Fixed => Some(column.name),
            Profile::Compat2017 => column.name_2017,
        }?;
        Some(Feature { name, unit: column.unit, meaning: column.meaning, value: Value::Cic(profile, column.value) })
    };
    COLUMNS.iter().filter_map(feature).collect()
}

/// The columns that name a conversation rather than describe it.
pub(super) const IDENTITY: [&str; 4] = ["Src Port", "Dst Port", "Source Port", "Destination Port"];

/// Whether the tool writes a row for the flow.
pub(super) fn admits(profile: Profile, flow: &Flow) -> bool {
    match profile {
        Profile::Fixed => flow.key.protocol != Protocol::Arp,
        Profile::Compat2017 => {
            matches!(flow.key.protocol, Protocol::Tcp | Protocol::Udp)
                && flow.packets().is_none_or(|packets| packets > 1)
        }
    }
}

struct Column {
    /// In the corrected tables.
    name: &'static str,
    /// In the tables of 2017, where they have it.
    name_2017: Option<&'static str>,
    unit: &'static str,
    meaning: &'static str,
    value: fn(&View) -> f64,
}

const fn column(
    name: &'static str,
    name_2017: &'static str,
    unit: &'static str,
    meaning: &'static str,
    value: fn(&View) -> f64,
) -> Column {
    Column { name, name_2017: Some(name_2017), unit, meaning, value }
}

/// A column of the same name in both.
const fn same(name: &'static str, unit: &'static str, meaning: &'static str, value: fn(&View) -> f64) -> Column {
    column(name, name, unit, meaning, value)
}

/// A column of the corrected tables alone.
const fn newer(name: &'static str, unit: &'static str, meaning: &'static str, value: fn(&View) -> f64) -> Column {
    Column { name, name_2017: None, unit, meaning, value }
}

fn or_missing(count: Option<u64>) -> f64 {
    count.map_or(f64::NAN, |count| count as f64)
}

fn microseconds(nanoseconds: f64) -> f64 {
    nanoseconds / 1e3
}

/// The one over the other, 0 where the other is.
fn quotient(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { 0.0 * numerator } else { numerator / denominator }
}

fn min(moments: &Moments) -> f64 {
    moments.min().unwrap_or_default() as f64
}

fn max(moments: &Moments) -> f64 {
    moments.max().unwrap_or_default() as f64
}

fn mean(moments: &Moments) -> f64 {
    moments.mean().unwrap_or_default()
}

/// The standard deviation of a sample, 0 of fewer than two.
fn deviation(moments: &Moments) -> f64 {
    let count = f64::from(moments.count());
    if count < 2.0 { 0.0 } else { moments.deviation().unwrap_or_default() * (count / (count - 1.0)).sqrt() }
}

const FORWARD: usize = 0;
const BACKWARD: usize = 1;

#[rustfmt::skip]
const COLUMNS: &[Column] = &[
    column("Src Port", "Source Port", "port", "Port of the originator; 0 for protocols without ports.", |v| v.port(v.flow.key.originator.port)),
    column("Dst Port", "Destination Port", "port", "Port of the responder; 0 for protocols without ports.", |v| v.port(v.flow.key.responder.port)),
    same("Protocol", "number", "IP protocol number.", |v| v.flow.key.protocol.number().map_or(f64::NAN, f64::from)),
    same("Flow Duration", "us", "Time between the first and the last packet.", |v| microseconds(v.flow.duration().as_nanos() as f64)),
    column("Total Fwd Packet", "Total Fwd Packets", "count", "Packets forward.", |v| v.packets(FORWARD)),
    column("Total Bwd packets", "Total Backward Packets", "count", "Packets backward.", |v| v.packets(BACKWARD)),
    column("Total Length of Fwd Packet", "Total Length of Fwd Packets", "bytes", "Payload bytes forward.", |v| v.payload(FORWARD)),
    column("Total Length of Bwd Packet", "Total Length of Bwd Packets", "bytes", "Payload bytes backward.", |v| v.payload(BACKWARD)),
    same("Fwd Packet Length Max", "bytes", "Most payload of a packet forward.", |v| v.of(FORWARD, |d| max(&d.lengths))),
    same("Fwd Packet Length Min", "bytes", "Least payload of a packet forward.", |v| v.of(FORWARD, |d| min(&d.lengths))),
    same("Fwd Packet Length Mean", "bytes", "Mean payload of the packets forward.", |v| quotient(v.payload(FORWARD), v.packets(FORWARD))),
    same("Fwd Packet Length Std", "bytes", "Standard deviation of the payload of the packets forward.", |v| v.of(FORWARD, |d| deviation(&d.lengths))),
    same("Bwd Packet Length Max", "bytes", "Most payload of a packet backward.", |v| v.of(BACKWARD, |d| max(&d.lengths))),
    same("Bwd Packet Length Min", "bytes", "Least payload of a packet backward.", |v| v.of(BACKWARD, |d| min(&d.lengths))),
    same("Bwd Packet Length Mean", "bytes", "Mean payload of the packets backward.", |v| quotient(v.payload(BACKWARD), v.packets(BACKWARD))),
    same("Bwd Packet Length Std", "bytes", "Standard deviation of the payload of the packets backward.", |v| v.of(BACKWARD, |d| deviation(&d.lengths))),
    same("Flow Bytes/s", "bytes/s", "Payload bytes over the duration.", |v| v.rate(v.all_payload())),
    same("Flow Packets/s", "1/s", "Packets over the duration.", |v| v.rate(v.all_packets())),
    same("Flow IAT Mean", "us", "Mean gap between successive packets.", |v| v.statistic(|s| microseconds(mean(&s.gaps)))),
    same("Flow IAT Std", "us", "Standard deviation of the gaps between packets.", |v| v.statistic(|s| microseconds(deviation(&s.gaps)))),
    same("Flow IAT Max", "us", "Longest gap between successive packets.", |v| v.statistic(|s| microseconds(max(&s.gaps)))),
    same("Flow IAT Min", "us", "Shortest gap between successive packets.", |v| v.statistic(|s| microseconds(min(&s.gaps)))),
    same("Fwd IAT Total", "us", "Time between the first and the last packet forward.", |v| v.of(FORWARD, |d| microseconds(d.gaps.sum() as f64))),
    same("Fwd IAT Mean", "us", "Mean gap between packets forward.", |v| v.of(FORWARD, |d| microseconds(mean(&d.gaps)))),
    same("Fwd IAT Std", "us", "Standard deviation of the gaps between packets forward.", |v| v.of(FORWARD, |d| microseconds(deviation(&d.gaps)))),
    same("Fwd IAT Max", "us", "Longest gap between packets forward.", |v| v.of(FORWARD, |d| microseconds(max(&d.gaps)))),
    same("Fwd IAT Min", "us", "Shortest gap between packets forward.", |v| v.of(FORWARD, |d| microseconds(min(&d.gaps)))),
    same("Bwd IAT Total", "us", "Time between the first and the last packet backward.", |v| v.of(BACKWARD, |d| microseconds(d.gaps.sum() as f64))),
    same("Bwd IAT Mean", "us", "Mean gap between packets backward.", |v| v.of(BACKWARD, |d| microseconds(mean(&d.gaps)))),
    same("Bwd IAT Std", "us", "Standard deviation of the gaps between packets backward.", |v| v.of(BACKWARD, |d| microseconds(deviation(&d.gaps)))),
    same("Bwd IAT Max", "us", "Longest gap between packets backward.", |v| v.of(BACKWARD, |d| microseconds(max(&d.gaps)))),
    same("Bwd IAT Min", "us", "Shortest gap between packets backward.", |v| v.of(BACKWARD, |d| microseconds(min(&d.gaps)))),
    same("Fwd PSH Flags", "count", "Packets forward with PSH.", |v| v.of(FORWARD, |d| d.flags.psh.into())),
    same("Bwd PSH Flags", "count", "Packets backward with PSH.", |v| v.of(BACKWARD, |d| d.flags.psh.into())),
    same("Fwd URG Flags", "count", "Packets forward with URG.", |v| v.of(FORWARD, |d| d.flags.urg.into())),
    same("Bwd URG Flags", "count", "Packets backward with URG.", |v| v.of(BACKWARD, |d| d.flags.urg.into())),
    newer("Fwd RST Flags", "count", "Packets forward with RST.", |v| v.of(FORWARD, |d| d.flags.rst.into())),
    newer("Bwd RST Flags", "count", "Packets backward with RST.", |v| v.of(BACKWARD, |d| d.flags.rst.into())),
    same("Fwd Header Length", "bytes", "TCP and UDP header bytes forward.", |v| v.of(FORWARD, |d| d.header_bytes as f64)),
    same("Bwd Header Length", "bytes", "TCP and UDP header bytes backward.", |v| v.of(BACKWARD, |d| d.header_bytes as f64)),
    same("Fwd Packets/s", "1/s", "Packets forward over the duration.", |v| v.rate(v.packets(FORWARD))),
    same("Bwd Packets/s", "1/s", "Packets backward over the duration.", |v| v.rate(v.packets(BACKWARD))),
    column("Packet Length Min", "Min Packet Length", "bytes", "Least payload of a packet.", |v| v.statistic(|s| min(&s.lengths))),
    column("Packet Length Max", "Max Packet Length", "bytes", "Most payload of a packet.", |v| v.statistic(|s| max(&s.lengths))),
    same("Packet Length Mean", "bytes", "Mean payload of the packets.", |v| match v.profile {
        Profile::Fixed => quotient(v.all_payload(), v.all_packets()),
        Profile::Compat2017 => v.statistic(|s| mean(&s.lengths)),
    }),
    same("Packet Length Std", "bytes", "Standard deviation of the payload of the packets.", |v| v.statistic(|s| deviation(&s.lengths))),
    same("Packet Length Variance", "bytes^2", "Variance of the payload of the packets.", |v| v.statistic(|s| deviation(&s.lengths).powi(2))),
    same("FIN Flag Count", "count", "Packets with FIN.", |v| v.flag(|flags| flags.fin)),
    same("SYN Flag Count", "count", "Packets with SYN.", |v| v.flag(|flags| flags.syn)),
    same("RST Flag Count", "count", "Packets with RST.", |v| v.flag(|flags| flags.rst)),
    same("PSH Flag Count", "count", "Packets with PSH.", |v| v.flag(|flags| flags.psh)),
    same("ACK Flag Count", "count", "Packets with ACK.", |v| v.flag(|flags| flags.ack)),
    same("URG Flag Count", "count", "Packets with URG.", |v| v.flag(|flags| flags.urg)),
    column("CWR Flag Count", "CWE Flag Count", "count", "Packets with CWR.", |v| v.flag(|flags| flags.cwr)),
    same("ECE Flag Count", "count", "Packets with ECE.", |v| v.flag(|flags| flags.ece)),
    same("Down/Up Ratio", "ratio", "Packets backward over packets forward; 0 where none went forward.", |v| {
        let ratio = quotient(v.packets(BACKWARD), v.packets(FORWARD));
        if v.profile == Profile::Fixed { ratio } else { ratio.floor() }
    }),
    same("Average Packet Size", "bytes", "Payload bytes over packets.", |v| match v.profile {
        Profile::Fixed => quotient(v.all_payload(), v.all_packets()),
        Profile::Compat2017 => v.statistic(|s| quotient(s.lengths.sum() as f64, v.all_packets())),
    }),
    column("Fwd Segment Size Avg", "Avg Fwd Segment Size", "bytes", "Mean payload of the packets forward.", |v| quotient(v.payload(FORWARD), v.packets(FORWARD))),
    column("Bwd Segment Size Avg", "Avg Bwd Segment Size", "bytes", "Mean payload of the packets backward.", |v| quotient(v.payload(BACKWARD), v.packets(BACKWARD))),
    column("Fwd Bytes/Bulk Avg", "Fwd Avg Bytes/Bulk", "bytes", "Mean payload of the bulks forward: four packets and more at most 1 s apart.", |v| v.bulk(FORWARD, |b| b.bytes as f64 / f64::from(b.count))),
    column("Fwd Packet/Bulk Avg", "Fwd Avg Packets/Bulk", "count", "Mean packets of the bulks forward.", |v| v.bulk(FORWARD, |b| b.packets as f64 / f64::from(b.count))),
    column("Fwd Bulk Rate Avg", "Fwd Avg Bulk Rate", "bytes/s", "Payload of the bulks forward over their time.", |v| v.bulk(FORWARD, |b| quotient(b.bytes as f64, b.nanoseconds as f64 / 1e9))),
    column("Bwd Bytes/Bulk Avg", "Bwd Avg Bytes/Bulk", "bytes", "Mean payload of the bulks backward.", |v| v.bulk(BACKWARD, |b| b.bytes as f64 / f64::from(b.count))),
    column("Bwd Packet/Bulk Avg", "Bwd Avg Packets/Bulk", "count", "Mean packets of the bulks backward.", |v| v.bulk(BACKWARD, |b| b.packets as f64 / f64::from(b.count))),
    column("Bwd Bulk Rate Avg", "Bwd Avg Bulk Rate", "bytes/s", "Payload of the bulks backward over their time.", |v| v.bulk(BACKWARD, |b| quotient(b.bytes as f64, b.nanoseconds as f64 / 1e9))),
    same("Subflow Fwd Packets", "count", "Packets forward over the subflows, which gaps of more than 1 s part.", |v| v.of_a_subflow(v.packets(FORWARD))),
    same("Subflow Fwd Bytes", "bytes", "Payload bytes forward over the subflows.", |v| v.of_a_subflow(v.payload(FORWARD))),
    same("Subflow Bwd Packets", "count", "Packets backward over the subflows.", |v| v.of_a_subflow(v.packets(BACKWARD))),
    same("Subflow Bwd Bytes", "bytes", "Payload bytes backward over the subflows.", |v| v.of_a_subflow(v.payload(BACKWARD))),
    column("FWD Init Win Bytes", "Init_Win_bytes_forward", "bytes", "TCP window of the first packet forward, unscaled.", |v| v.window(FORWARD)),
    column("Bwd Init Win Bytes", "Init_Win_bytes_backward", "bytes", "TCP window of the first packet backward, unscaled.", |v| v.window(BACKWARD)),
    column("Fwd Act Data Pkts", "act_data_pkt_fwd", "count", "Packets forward with payload.", |v| v.of(FORWARD, |d| d.payload_packets.into())),
    column("Fwd Seg Size Min", "min_seg_size_forward", "bytes", "Shortest TCP or UDP header forward.", |v| v.of(FORWARD, |d| d.least_header_bytes.unwrap_or_default().into())),
    same("Active Mean", "us", "Mean time of activity before a gap of more than 5 s.", |v| v.statistic(|s| microseconds(mean(&s.active)))),
    same("Active Std", "us", "Standard deviation of the times of activity.", |v| v.statistic(|s| microseconds(deviation(&s.active)))),
    same("Active Max", "us", "Longest time of activity.", |v| v.statistic(|s| microseconds(max(&s.active)))),
    same("Active Min", "us", "Shortest time of activity.", |v| v.statistic(|s| microseconds(min(&s.active)))),
    same("Idle Mean", "us", "Mean gap of more than 5 s.", |v| v.statistic(|s| microseconds(mean(&s.idle)))),
    same("Idle Std", "us", "Standard deviation of the gaps of more than 5 s.", |v| v.statistic(|s| microseconds(deviation(&s.idle)))),
    same("Idle Max", "us", "Longest gap, where one is of more than 5 s.", |v| v.statistic(|s| microseconds(max(&s.idle)))),
    same("Idle Min", "us", "Shortest gap of more than 5 s.", |v| v.statistic(|s| microseconds(min(&s.idle)))),
    newer("ICMP Code", "number", "Code of the first ICMP message; -1 for other protocols.", |v| v.icmp(v.flow.key.responder.port)),
    newer("ICMP Type", "number", "Type of the first ICMP message; -1 for other protocols.", |v| v.icmp(v.flow.key.originator.port)),
    newer("Total TCP Flow Time", "us", "Time since the TCP conversation began, in earlier flows too; 0 for other protocols.", |v| match v.flow.key.protocol {
        Protocol::Tcp => microseconds(v.flow.end.since(v.flow.conversation_start).as_nanos() as f64),
        _ => 0.0,
    }),
];
