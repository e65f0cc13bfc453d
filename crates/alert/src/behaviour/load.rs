//! What falls on one target over time.

use std::hash::Hash;
use std::net::IpAddr;

use flow::{Flow, Time};

use super::timeline::{Burst, Timeline};
use super::tracks::{Map, Weigh};
use super::words::grouped;
use crate::Example;

/// What falls on one target: packets over time, from whom and to which ports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    pub(crate) timeline: Timeline,
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
    /// Packets by source, as many as are told apart.
    pub(crate) sources: Map<IpAddr, u64>,
    /// Packets by port, as many as are told apart.
    pub(crate) ports: Map<u16, u64>,
    /// Packets by source port.
    pub(crate) source_ports: Map<u16, u64>,
    pub(crate) span: Span,
    /// The flow with most packets, which may come long after the first ones.
    largest: Option<Example>,
    /// The latest flow.
    latest: Option<Example>,
}

impl Load {
    /// Sources and ports told apart.
    const MAX_KEYS: usize = 1 << 16;

    /// Adds a flow's packets from `source`.
    pub(crate) fn add(&mut self, flow: &Flow, source: IpAddr, port: u16, packets: u64, bytes: u64) {
        self.flows += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.span.add(flow);
        if self.largest.is_none_or(|largest| largest.packets < flow.packets()) {
            self.largest = Some(Example::of(flow));
        }
        if self.latest.is_none_or(|latest| latest.start <= flow.start) {
            self.latest = Some(Example::of(flow));
        }
        count_key(&mut self.sources, source, packets);
        count_key(&mut self.ports, port, packets);
        count_key(&mut self.source_ports, flow.key.originator.port, packets);
        self.timeline.add(flow.start, flow.end, packets);
    }

    /// Packets in all.
    pub(crate) fn packets(&self) -> u64 {
        self.timeline.total
    }

    /// Examples of what these sources (anyone, where there are none) sent in the burst.
    pub(crate) fn examples_of(&self, sources: &[IpAddr], burst: &Burst) -> Vec<Example> {
        let is_of = |example: &&Example| {
            let source = example.key.originator.address;
            let in_time = (burst.start..=burst.end).contains(&example.start);
            in_time && (sources.is_empty() || sources.contains(&source))
        };
        let mut examples = Vec::new();
        for example in self.largest.iter().chain(&self.latest).chain(&self.span.examples).filter(is_of) {
            if examples.len() < Span::EXAMPLES && !examples.contains(example) {
                examples.push(*example);
            }
        }
        examples
    }

    /// Bytes a packet, on average.
    pub(crate) fn bytes_a_packet(&self) -> u64 {
        self.bytes / self.packets().max(1)
    }

    /// The time in which most of it fell.
    pub(crate) fn burst(&self) -> Burst {
        let all = Burst { start: self.span.start(), end: self.span.end(), amount: self.packets() };
        self.timeline.burst().unwrap_or(all)
    }

    /// The busiest port and its packets.
    pub(crate) fn top_port(&self) -> Option<(u16, u64)> {
        busiest(&self.ports)
    }

    /// The port from which most packets came, and how many.
    pub(crate) fn top_source_port(&self) -> Option<(u16, u64)> {
        busiest(&self.source_ports)
    }

    /// The sources of at least a tenth of the packets, busiest first.
    pub(crate) fn main_sources(&self) -> Vec<IpAddr> {
        let mut sources: Vec<(u64, IpAddr)> = self
            .sources
            .iter()
            .filter(|(_, count)| count.saturating_mul(10) >= self.packets())
            .map(|(&a, &c)| (c, a))
            .collect();
        sources.sort_unstable_by_key(|&(count, address)| (std::cmp::Reverse(count), address));
        sources.into_iter().map(|(_, address)| address).collect()
    }

    /// Whether the sources are so many, with so little each, that none of them can be called the attacker.
    pub(crate) fn is_spread(&self) -> bool {
        self.sources.len() >= 20 && self.main_sources().is_empty()
    }

    /// The source's or target's list for people: who, and how many more.
    pub(crate) fn source_words(&self) -> String {
        match self.sources.len() {
            1 => "one source".to_owned(),
            Self::MAX_KEYS => format!("more than {} sources", grouped(Self::MAX_KEYS as u64)),
            count => format!("{} sources", grouped(count as u64)),
        }
    }
}

impl Weigh for Load {
    fn weight(&self) -> usize {
        self.timeline.weight() + self.sources.len() + self.ports.len() + self.source_ports.len()
    }
}

fn busiest(ports: &Map<u16, u64>) -> Option<(u16, u64)> {
    ports.iter().map(|(&port, &count)| (count, std::cmp::Reverse(port))).max().map(|(count, port)| (port.0, count))
}

fn count_key<K: Hash + Eq>(counts: &mut Map<K, u64>, key: K, amount: u64) {
    if counts.len() < Load::MAX_KEYS || counts.contains_key(&key) {
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(amount);
    }
}

/// The first start and the last end of some flows, and a few of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span {
    pub(crate) times: Option<(Time, Time)>,
    pub(crate) examples: Vec<Example>,
}

impl Span {
    const EXAMPLES: usize = 3;

    pub(crate) fn add(&mut self, flow: &Flow) {
        let (start, end) = self.times.unwrap_or((flow.start, flow.end));
        self.times = Some((start.min(flow.start), end.max(flow.end)));
        if self.examples.len() < Self::EXAMPLES {
            // Most spans see one flow only.
            self.examples.reserve_exact(1);
            self.examples.push(Example::of(flow));
        }
    }

    /// Takes in the flows that another span took in.
    pub(crate) fn append(&mut self, other: &Span) {
        if let Some((start, end)) = other.times {
            let (first, last) = self.times.unwrap_or((start, end));
            self.times = Some((start.min(first), end.max(last)));
        }
        let room = Self::EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room));
    }

    pub(crate) fn start(&self) -> Time {
        self.times.map_or(Time::MIN, |(start, _)| start)
    }

    pub(crate) fn end(&self) -> Time {
        self.times.map_or(Time::MIN, |(_, end)| end)
    }
}
