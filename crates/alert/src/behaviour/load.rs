//! What falls on one target over time.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::net::IpAddr;

use flow::{Duration, Flow, Time};

use super::scale::{Crossing, Scale};
use super::tracks::Map;
use super::words::{grouped, seconds};
use crate::Example;

/// What falls on one target: amounts over time, in buckets of [`Load::BUCKET`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    buckets: BTreeMap<i64, Bucket>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
    /// Packets by source, as many as are told apart.
    pub(crate) sources: Map<IpAddr, u64>,
    /// Packets by port, as many as are told apart.
    pub(crate) ports: Map<u16, u64>,
    /// Packets by source port.
    pub(crate) source_ports: Map<u16, u64>,
    pub(crate) span: Span,
}

/// The packets that fall into one bucket, and when the first and last of their flows began or ended in it.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    packets: u64,
    start: Time,
    end: Time,
}

/// The time in which most of a load fell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) start: Time,
    pub(crate) end: Time,
    pub(crate) packets: u64,
}

impl Burst {
    /// How long it took, in words.
    pub(crate) fn length(&self) -> String {
        seconds(self.end.since(self.start))
    }
}

impl Load {
    const BUCKET: Duration = Duration::from_secs(10);
    /// Sources and ports told apart.
    const MAX_KEYS: usize = 1 << 16;
    /// Buckets kept: two days.
    const MAX_BUCKETS: usize = 1 << 14;

    /// Adds a flow's packets from `source`, spread evenly over its time.
    pub(crate) fn add(&mut self, flow: &Flow, source: IpAddr, port: u16, packets: u64, bytes: u64) {
        self.bytes += bytes;
        self.span.add(flow);
        count_key(&mut self.sources, source, packets);
        count_key(&mut self.ports, port, packets);
        count_key(&mut self.source_ports, flow.key.originator.port, packets);
        self.spread(flow.start, flow.end, packets);
    }

    /// Adds packets spread evenly over a time, of no one in particular.
    pub(crate) fn spread(&mut self, from: Time, to: Time, packets: u64) {
        self.flows += 1;
        self.packets += packets;
        let width = Self::BUCKET.as_nanos() as i64;
        let number = |time: Time| time.nanoseconds().div_euclid(width);
        let first = number(from);
        let count = (number(to) - first + 1).clamp(1, 1000) as u64;
        for step in 0..count {
            let share = packets * (step + 1) / count - packets * step / count;
            if share == 0 {
                continue;
            }
            let bucket = first + step as i64;
            let start = from.max(Time::from_nanoseconds(bucket.saturating_mul(width)));
            let end = to.min(Time::from_nanoseconds((bucket + 1).saturating_mul(width)));
            let entry = self.buckets.entry(bucket).or_insert(Bucket { packets: 0, start, end });
            entry.packets += share;
            entry.start = entry.start.min(start);
            entry.end = entry.end.max(end);
        }
        while self.buckets.len() > Self::MAX_BUCKETS {
            self.buckets.pop_first();
        }
    }

    /// The first scale that the packets cross. Windows shorter than a bucket count as one bucket.
    pub(crate) fn crossing(&self, scales: &[Scale]) -> Option<Crossing> {
        scales.iter().find_map(|&scale| {
            let count = match scale.window {
                None => self.packets,
                Some(window) => self.densest((window.as_secs() / Self::BUCKET.as_secs()).max(1) as i64),
            };
            (count >= scale.least).then_some(Crossing { scale, count })
        })
    }

    /// From the first to the last bucket that holds at least a twentieth of what the fullest holds: what lies outside is
    /// the usual trickle.
    pub(crate) fn burst(&self) -> Burst {
        let most = self.buckets.values().map(|bucket| bucket.packets).max().unwrap_or(0);
        let mut full = self.buckets.values().filter(|bucket| bucket.packets * 20 >= most);
        let Some(&first) = full.next() else {
            return Burst { start: self.span.start(), end: self.span.end(), packets: self.packets };
        };
        full.fold(Burst { start: first.start, end: first.end, packets: first.packets }, |burst, bucket| Burst {
            start: burst.start.min(bucket.start),
            end: burst.end.max(bucket.end),
            packets: burst.packets + bucket.packets,
        })
    }

    /// The most packets in any run of so many buckets.
    fn densest(&self, buckets: i64) -> u64 {
        let mut window = std::collections::VecDeque::new();
        let (mut sum, mut most) = (0, 0);
        for (&number, bucket) in &self.buckets {
            window.push_back((number, bucket.packets));
            sum += bucket.packets;
            while let Some(&(first, oldest)) = window.front()
                && number - first >= buckets
            {
                sum -= oldest;
                window.pop_front();
            }
            most = most.max(sum);
        }
        most
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
        let mut sources: Vec<(u64, IpAddr)> =
            self.sources.iter().filter(|(_, count)| **count * 10 >= self.packets).map(|(&a, &c)| (c, a)).collect();
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

fn busiest(ports: &Map<u16, u64>) -> Option<(u16, u64)> {
    ports.iter().map(|(&port, &count)| (count, std::cmp::Reverse(port))).max().map(|(count, port)| (port.0, count))
}

fn count_key<K: Hash + Eq>(counts: &mut Map<K, u64>, key: K, amount: u64) {
    if counts.len() < Load::MAX_KEYS || counts.contains_key(&key) {
        *counts.entry(key).or_default() += amount;
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

    pub(crate) fn start(&self) -> Time {
        self.times.map_or(Time::MIN, |(start, _)| start)
    }

    pub(crate) fn end(&self) -> Time {
        self.times.map_or(Time::MIN, |(_, end)| end)
    }
}
