//! Amounts over time, each spread evenly over a span, in bounded memory.

use std::collections::BTreeMap;

use flow::{Duration, Time};

use super::scale::{Crossing, Scale};
use super::words::seconds;

/// Amounts over time, to the second.
///
/// Kept as the changes of the rate, so that an amount costs two entries however long it lasts, and sums are exact in
/// whole numbers whatever the order in which the amounts come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    changes: BTreeMap<i64, Change>,
    pub(crate) total: u64,
}

/// What changes at the start of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    /// By how much the rate rises, in units of `1 / SCALE` a second.
    rise: i128,
    /// The earliest start of an amount in this second, and the latest end of one in the second before.
    start: Option<Time>,
    end: Option<Time>,
}

/// A stretch of time over which the rate is the same.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: i64,
    to: i64,
    rate: i128,
    start: Option<Time>,
    end: Option<Time>,
}

/// The time in which most of the amounts fell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) start: Time,
    pub(crate) end: Time,
    pub(crate) amount: u64,
}

impl Burst {
    /// How long it took, in words.
    pub(crate) fn length(&self) -> String {
        seconds(self.end.since(self.start))
    }
}

impl Timeline {
    /// Seconds with a change that are kept; beyond it the oldest lose their place in time, not their weight.
    const MAX_CHANGES: usize = 1 << 13;

    /// Adds an amount, spread evenly from one time to another.
    pub(crate) fn add(&mut self, from: Time, to: Time, amount: u64) {
        self.total = self.total.saturating_add(amount);
        let [first, last] = [from, to.max(from)].map(second);
        let rate = i128::from(amount) * SCALE / i128::from(last - first + 1);
        let rise = self.changes.entry(first).or_default();
        rise.rise += rate;
        rise.start = Some(rise.start.map_or(from, |start| start.min(from)));
        let fall = self.changes.entry(last + 1).or_default();
        fall.rise -= rate;
        fall.end = Some(fall.end.map_or(to, |end| end.max(to)));
        while self.changes.len() > Self::MAX_CHANGES {
            let oldest = self.changes.pop_first().map_or(0, |(_, change)| change.rise);
            if let Some(mut next) = self.changes.first_entry() {
                next.get_mut().rise += oldest;
            }
        }
    }

    /// How many seconds with a change are kept.
    pub(crate) fn weight(&self) -> usize {
        self.changes.len()
    }

    /// The first scale that the amounts cross.
    pub(crate) fn crossing(&self, scales: &[Scale]) -> Option<Crossing> {
        // Most targets get too little for any window: no need to look through it.
        let least = scales.iter().map(|scale| scale.least).min()?;
        if self.total < least {
            return None;
        }
        let stretches = self.stretches();
        scales.iter().find_map(|&scale| {
            let count = scale.window.map_or(self.total, |window| densest(&stretches, window));
            (count >= scale.least).then_some(Crossing { scale, count })
        })
    }

    /// From the first to the last second with at least a hundredth of the highest rate: what lies outside is the usual
    /// trickle. `None` where there is nothing.
    pub(crate) fn burst(&self) -> Option<Burst> {
        let stretches = self.stretches();
        let highest = stretches.iter().map(|stretch| stretch.rate).max()?;
        let mut full = stretches.iter().filter(|stretch| stretch.rate > 0 && stretch.rate * 100 >= highest);
        let first = full.next()?;
        let begin = first.start.unwrap_or_else(|| time(first.from));
        let (mut last, mut amount) = (first, first.amount());
        for stretch in full {
            amount += stretch.amount();
            last = stretch;
        }
        let end = last.end.unwrap_or_else(|| time(last.to));
        Some(Burst { start: begin, end: end.max(begin), amount: whole(amount) })
    }

    fn stretches(&self) -> Vec<Stretch> {
        let mut stretches = Vec::with_capacity(self.changes.len());
        let mut rate = 0;
        for ((&from, change), (&to, next)) in self.changes.iter().zip(self.changes.iter().skip(1)) {
            rate += change.rise;
            stretches.push(Stretch { from, to, rate, start: change.start, end: next.end });
        }
        stretches
    }
}

impl Stretch {
    fn amount(&self) -> i128 {
        self.rate * i128::from(self.to - self.from)
    }
}

/// The most in any window of that length. It begins where a stretch begins, or ends where one ends.
fn densest(stretches: &[Stretch], window: Duration) -> u64 {
    let length = window.as_secs().max(1) as i64;
    let mut sums = vec![0];
    for stretch in stretches {
        sums.push(sums[sums.len() - 1] + stretch.amount());
    }
    let until = |at: i64| -> i128 {
        let index = stretches.partition_point(|stretch| stretch.to <= at);
        let part = stretches.get(index).map_or(0, |stretch| stretch.rate * i128::from((at - stretch.from).max(0)));
        sums[index] + part
    };
    let starts = stretches.iter().map(|stretch| until(stretch.from + length) - until(stretch.from));
    let ends = stretches.iter().map(|stretch| until(stretch.to) - until(stretch.to - length));
    whole(starts.chain(ends).max().unwrap_or(0))
}

fn second(time: Time) -> i64 {
    time.nanoseconds().div_euclid(1_000_000_000)
}

fn time(second: i64) -> Time {
    Time::from_nanoseconds(second.saturating_mul(1_000_000_000))
}

fn whole(scaled: i128) -> u64 {
    u64::try_from((scaled + SCALE / 2) / SCALE).unwrap_or(u64::MAX)
}

const SCALE: i128 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_nanoseconds(seconds * 1_000_000_000)
    }

    #[test]
    fn a_burst_across_any_border_is_counted_whole() {
        let mut timeline = Timeline::default();
        for second in 8..13 {
            timeline.add(at(second), at(second), 30);
        }
        let crossing = timeline.crossing(&[Scale::within(10, 150)]).unwrap();
        assert_eq!(crossing.count, 150);
    }

    #[test]
    fn a_week_long_stream_is_as_thin_as_it_is() {
        let mut timeline = Timeline::default();
        timeline.add(at(0), at(604_799), 604_800);
        assert!(timeline.crossing(&[Scale::within(10, 11)]).is_none());
        assert_eq!(timeline.crossing(&[Scale::within(10, 10)]).unwrap().count, 10);
        assert_eq!(timeline.weight(), 2);
    }

    #[test]
    fn the_burst_leaves_the_trickle_out() {
        let mut timeline = Timeline::default();
        (0..3000).for_each(|second| timeline.add(at(second), at(second), 1));
        timeline.add(at(1000), at(1009), 10_000);
        let burst = timeline.burst().unwrap();
        assert_eq!((burst.start, burst.end, burst.amount), (at(1000), at(1009), 10_010));
    }

    #[test]
    fn what_is_too_much_to_keep_loses_its_place_but_not_its_weight() {
        let mut timeline = Timeline::default();
        (0..50_000).for_each(|second| timeline.add(at(second * 2), at(second * 2), 5));
        assert!(timeline.weight() <= Timeline::MAX_CHANGES);
        assert_eq!(timeline.total, 250_000);
    }
}
