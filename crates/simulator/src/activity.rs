//! What goes on in the network: packets in time order, and the start of further activities.

use flow::{Duration, Time};

use crate::random::Random;
use crate::wire::{self, Endpoint};

/// Something that goes on: events in time order, made when they are asked for.
///
/// A TCP connection is an activity of packets; a person's habit of browsing is an activity that starts others.
pub(crate) type Activity = Box<dyn Iterator<Item = (Time, Event)> + Send>;

/// What happens at a point in time.
pub(crate) enum Event {
    /// An Ethernet frame is seen.
    Packet(Vec<u8>),
    /// Another activity begins, none of whose events is earlier than this one.
    Start(Activity),
}

/// A short activity that is written down at once, in any order.
#[derive(Default)]
pub(crate) struct Plan(Vec<(Time, Event)>);

impl Plan {
    /// A packet is seen at that time.
    pub(crate) fn packet(&mut self, time: Time, packet: Vec<u8>) {
        self.0.push((time, Event::Packet(packet)));
    }

    /// Another activity starts at that time.
    pub(crate) fn start(&mut self, time: Time, activity: Activity) {
        self.0.push((time, Event::Start(activity)));
    }

    /// A datagram is seen and answered; gives the time of the answer.
    pub(crate) fn exchange(
        &mut self,
        time: Time,
        ends: (Endpoint, Endpoint),
        ports: (u16, u16),
        ask: &[u8],
        answer: &[u8],
    ) -> Time {
        let answered = time + ends.1.latency;
        self.packet(time, wire::udp(ends.0, ends.1, ports, ask));
        self.packet(answered, wire::udp(ends.1, ends.0, (ports.1, ports.0), answer));
        answered
    }

    /// The plan in the order of time.
    pub(crate) fn activity(mut self) -> Activity {
        self.0.sort_by_key(|event| event.0);
        Box::new(self.0.into_iter())
    }
}

/// How often a habit returns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Like a timer, a little early or late.
    Regular(Duration),
    /// At any time, with this mean between two.
    Random(Duration),
    /// At any time, with this mean between two at the busiest hour, and hardly ever at night.
    Working(Duration),
}

impl Pace {
    fn gap(self, random: &mut Random, now: Time) -> Duration {
        match self {
            Pace::Regular(period) => random.near(period, 0.02),
            Pace::Random(mean) => random.wait(mean),
            Pace::Working(mean) => random.wait(mean.div_f64(busyness(now))),
        }
    }
}

/// An activity that starts another again and again, from one time to another.
pub(crate) fn habit(
    pace: Pace,
    mut random: Random,
    span: (Time, Time),
    mut make: impl FnMut(&mut Random, Time) -> Activity + Send + 'static,
) -> Activity {
    // The first may come at any moment of a period: nobody began when the capture did.
    let mut next = span.0
        + match pace {
            Pace::Regular(period) => period.mul_f64(random.within(0.0..1.0)),
            pace => pace.gap(&mut random, span.0),
        };
    Box::new(std::iter::from_fn(move || {
        let now = next;
        next = now + pace.gap(&mut random, now);
        (now < span.1).then(|| (now, Event::Start(make(&mut random, now))))
    }))
}

/// An activity that starts another by the clock: at each multiple of a period since midnight UTC, plus an offset.
pub(crate) fn timetable(
    period: Duration,
    offset: Duration,
    mut random: Random,
    span: (Time, Time),
    mut make: impl FnMut(&mut Random, Time) -> Activity + Send + 'static,
) -> Activity {
    let (nanoseconds, offset) = (period.as_nanos() as i64, offset.as_nanos() as i64);
    let mut next = ((span.0.nanoseconds() - offset - 1).div_euclid(nanoseconds) + 1) * nanoseconds + offset;
    Box::new(std::iter::from_fn(move || {
        let now = Time::from_nanoseconds(next);
        next += nanoseconds;
        (now < span.1).then(|| (now, Event::Start(make(&mut random, now))))
    }))
}

/// An activity that starts a given number of others, one after each gap: probes, attempts, packets of a flood.
pub(crate) fn series(
    count: u64,
    start: Time,
    mut random: Random,
    mut gap: impl FnMut(&mut Random) -> Duration + Send + 'static,
    mut make: impl FnMut(&mut Random, Time, u64) -> Activity + Send + 'static,
) -> Activity {
    let mut next = start;
    Box::new((0..count).map(move |index| {
        let now = next;
        next = now + gap(&mut random);
        (now, Event::Start(make(&mut random, now, index)))
    }))
}

/// The share of its peak that the work in the office has at an hour of the week (UTC).
fn busyness(time: Time) -> f64 {
    let seconds = time.nanoseconds().div_euclid(1_000_000_000);
    // 1970-01-01 was a Thursday.
    let weekday = (seconds.div_euclid(86_400) + 3).rem_euclid(7);
    let hour = seconds.rem_euclid(86_400) as usize / 3_600;
    if weekday < 5 { HOURS[hour] } else { 0.06 }
}

const HOURS: [f64; 24] = [
    0.03, 0.03, 0.03, 0.03, 0.03, 0.05, 0.12, 0.45, 0.85, 1.0, 1.0, 0.95, 0.6, 0.8, 1.0, 0.95, 0.85, 0.6, 0.3, 0.15,
    0.1, 0.07, 0.05, 0.04,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_and_weekends_are_quiet() {
        let tuesday = Time::from_nanoseconds(1_741_078_800_000_000_000);
        assert_eq!(busyness(tuesday), 1.0);
        assert!(busyness(tuesday + Duration::from_secs(16 * 3_600)) < 0.05);
        assert!(busyness(tuesday + Duration::from_secs(4 * 86_400)) < 0.1);
    }
}
