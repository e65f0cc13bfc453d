//! What the watches share: bounded memory by key, contacts and loads over time, and the tests on them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use flow::{Duration, Flow, Protocol, State, Time};
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::{Evidence, Example, Fact, Host, Role};

type FixedMap<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// One value a key, for at most [`Tracks::CAPACITY`] keys; beyond it a half is forgotten: first those touched least
/// often, which are all that a flood of made-up sources leaves, then those touched longest ago.
#[derive(Clone, Debug)]
pub(crate) struct Tracks<K, V> {
    values: FixedMap<K, Track<V>>,
}

#[derive(Clone, Debug)]
struct Track<V> {
    last: Time,
    touches: u8,
    value: V,
}

impl<K: Hash + Ord + Copy, V: Default> Tracks<K, V> {
    /// As many as a class B network has hosts; some tens of MiB.
    const CAPACITY: usize = 1 << 16;

    /// The value of that key, touched at that time.
    pub(crate) fn touch(&mut self, key: K, time: Time) -> &mut V {
        if self.values.len() >= Self::CAPACITY && !self.values.contains_key(&key) {
            self.forget_half();
        }
        let track = self.values.entry(key).or_insert_with(|| Track { last: time, touches: 0, value: V::default() });
        track.last = time.max(track.last);
        track.touches = track.touches.saturating_add(1);
        &mut track.value
    }

    /// Keys and values, by key.
    pub(crate) fn sorted(&self) -> Vec<(K, &V)> {
        let mut sorted: Vec<(K, &V)> = self.values.iter().map(|(key, track)| (*key, &track.value)).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }

    fn forget_half(&mut self) {
        let mut ages: Vec<(u8, Time, K)> =
            self.values.iter().map(|(key, track)| (track.touches.min(OFTEN), track.last, *key)).collect();
        let middle = ages.len() / 2;
        let (forgotten, _, _) = ages.select_nth_unstable(middle);
        for (_, _, key) in forgotten {
            self.values.remove(key);
        }
    }
}

impl<K, V> Default for Tracks<K, V> {
    fn default() -> Tracks<K, V> {
        Tracks { values: FixedMap::default() }
    }
}

/// How a call ended for its originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Nothing came back.
    Silent,
    /// It was refused.
    Refused,
    /// It was accepted, and nothing was said.
    Unused,
    /// Something was said.
    Used,
}

impl Outcome {
    /// `None` where the originator did not call: it sent nothing, or only refused an answer that it never asked for.
    pub(crate) fn of(flow: &Flow) -> Option<Outcome> {
        if flow.originator.packets == 0 || is_unasked_syn_ack(flow) {
            return None;
        }
        if flow.responder.packets == 0 {
            return Some(Outcome::Silent);
        }
        if flow.key.protocol != Protocol::Tcp {
            return Some(Outcome::Used);
        }
        Some(match flow.state {
            Some(State::Rej | State::Rstrh) => Outcome::Refused,
            // A probe without SYN, of a FIN scan, that was answered by RST.
            Some(State::Rstr)
                if flow.payload_bytes() == Some(0)
                    && flow.originator.detail.is_some_and(|detail| detail.flags.syn == 0) =>
            {
                Outcome::Refused
            }
            _ if flow.payload_bytes() == Some(0) => Outcome::Unused,
            _ => Outcome::Used,
        })
    }
}

/// Whether the responder sent a SYN-ACK although the originator, as far as was seen, never sent a SYN.
pub(crate) fn is_unasked_syn_ack(flow: &Flow) -> bool {
    match (flow.originator.detail, flow.responder.detail) {
        (Some(asked), Some(answered)) => asked.flags.syn == 0 && answered.flags.syn > 0,
        _ => flow.state == Some(State::Shr),
    }
}

/// Who or what was called, when first, and how that ended at best.
#[derive(Clone, Debug)]
pub(crate) struct Contacts<T> {
    first: FixedMap<T, (Time, Outcome)>,
    pub(crate) flows: u64,
}

impl<T: Hash + Ord + Copy> Contacts<T> {
    /// As many as a host has ports; later ones only count as flows.
    const CAPACITY: usize = 1 << 16;

    /// Notes a call.
    pub(crate) fn add(&mut self, target: T, time: Time, outcome: Outcome) {
        self.flows += 1;
        if self.first.len() >= Self::CAPACITY && !self.first.contains_key(&target) {
            return;
        }
        let (first, best) = self.first.entry(target).or_insert((time, outcome));
        *first = time.min(*first);
        *best = outcome.max(*best);
    }

    /// Distinct targets.
    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// The targets of which nothing was used, in the order of their first calls.
    pub(crate) fn probed(&self) -> Vec<(Time, T, Outcome)> {
        self.failed(Outcome::Unused)
    }

    /// The targets whose best outcome was at most this, in the order of their first calls.
    pub(crate) fn failed(&self, worst: Outcome) -> Vec<(Time, T, Outcome)> {
        let mut failed: Vec<(Time, T, Outcome)> = self
            .first
            .iter()
            .filter(|(_, (_, outcome))| *outcome <= worst)
            .map(|(target, &(time, outcome))| (time, *target, outcome))
            .collect();
        failed.sort_unstable();
        failed
    }

    /// Every target with the time of its first call, in that order.
    pub(crate) fn all(&self) -> Vec<(Time, T, Outcome)> {
        self.failed(Outcome::Used)
    }
}

impl<T> Default for Contacts<T> {
    fn default() -> Contacts<T> {
        Contacts { first: FixedMap::default(), flows: 0 }
    }
}

/// How many within how long is too many: the test's least effect at one scale of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) least: u64,
    /// The window; `None` for the whole input.
    pub(crate) window: Option<Duration>,
}

impl Scale {
    pub(crate) const fn within(seconds: u64, least: u64) -> Scale {
        Scale { least, window: Some(Duration::from_secs(seconds)) }
    }

    pub(crate) const fn whole(least: u64) -> Scale {
        Scale { least, window: None }
    }

    /// The window in words.
    pub(crate) fn name(self) -> String {
        self.window.map_or_else(|| "the whole input".to_owned(), seconds)
    }
}

/// A scale that was crossed, and by how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crossing {
    pub(crate) scale: Scale,
    pub(crate) count: u64,
}

impl Crossing {
    /// How sure, 0..=1: a half at the least count that crosses, and the nearer to 1 the more there are.
    pub(crate) fn score(&self) -> f64 {
        1.0 - 0.5 * self.scale.least as f64 / self.count.max(self.scale.least) as f64
    }
}

/// The first scale that the events, sorted by time, cross.
pub(crate) fn crossing(times: &[Time], scales: &[Scale]) -> Option<Crossing> {
    scales.iter().find_map(|&scale| {
        let count = scale.window.map_or(times.len(), |window| densest(times, window)) as u64;
        (count >= scale.least).then_some(Crossing { scale, count })
    })
}

/// The most events in any window of that length; the events are sorted by time.
fn densest(times: &[Time], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, time) in times.iter().enumerate() {
        while time.since(times[first]) > window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// The chance of at least `successes` in `trials` independent trials that each succeed with chance `p`.
pub(crate) fn binomial_tail(successes: u64, trials: u64, p: f64) -> f64 {
    match (successes, Binomial::new(p, trials)) {
        (0, _) => 1.0,
        (successes, Ok(binomial)) => binomial.sf(successes - 1),
        (_, Err(_)) => 1.0,
    }
}

/// What falls on one target: amounts over time, in buckets of [`Load::BUCKET`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    buckets: BTreeMap<i64, Bucket>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
    /// Packets by source, as many as are told apart.
    pub(crate) sources: FixedMap<IpAddr, u64>,
    /// Packets by port, as many as are told apart.
    pub(crate) ports: FixedMap<u16, u64>,
    /// Packets by source port.
    pub(crate) source_ports: FixedMap<u16, u64>,
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

fn busiest(ports: &FixedMap<u16, u64>) -> Option<(u16, u64)> {
    ports.iter().map(|(&port, &count)| (count, std::cmp::Reverse(port))).max().map(|(count, port)| (port.0, count))
}

fn count_key<K: Hash + Eq>(counts: &mut FixedMap<K, u64>, key: K, amount: u64) {
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

/// Hosts of one role, as many as evidence lists.
pub(crate) fn hosts(first: (IpAddr, Role), others: impl IntoIterator<Item = IpAddr>, role: Role) -> Vec<Host> {
    let others = others.into_iter().map(|address| Host { address, role });
    std::iter::once(Host { address: first.0, role: first.1 }).chain(others).take(Evidence::MAX_HOSTS).collect()
}

/// A few ports as a fact.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> Fact {
    Fact::List(items.into_iter().take(20).map(|item| item.to_string()).collect())
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in words: `20 ms`, `0.2 s`, `45 s`, `12 min`, `3.5 h`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 0.001 => "less than 1 ms".to_owned(),
        seconds if seconds < 0.1 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 10.0 => format!("{} s", (seconds * 10.0).round() / 10.0),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A port with the service that it is known for: `22 (ssh)`.
pub(crate) fn port_words(port: u16) -> String {
    flow::features::ports::service(port).map_or_else(|| port.to_string(), |service| format!("{port} ({service})"))
}

/// From so many touches on, only age counts.
const OFTEN: u8 = 4;
/// The most a benign host's chance alone may explain before it is called an attack.
pub(crate) const SIGNIFICANCE: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_nanoseconds(seconds * 1_000_000_000)
    }

    #[test]
    fn the_densest_window_is_found_wherever_it_lies() {
        let times = [0, 1, 100, 101, 102, 300].map(at);
        assert_eq!(densest(&times, Duration::from_secs(10)), 3);
    }

    #[test]
    fn a_scale_is_crossed_only_by_its_least_count() {
        let times = [0, 1, 2].map(at);
        assert!(crossing(&times, &[Scale::within(10, 4)]).is_none());
        let crossed = crossing(&times, &[Scale::within(10, 4), Scale::whole(3)]).unwrap();
        assert_eq!((crossed.count, crossed.scale.window), (3, None));
    }

    #[test]
    fn the_binomial_tail_is_that_of_the_textbook() {
        assert!((binomial_tail(1, 2, 0.5) - 0.75).abs() < 1e-12);
        assert!((binomial_tail(2, 2, 0.1) - 0.01).abs() < 1e-12);
        assert_eq!(binomial_tail(0, 5, 0.5), 1.0);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
