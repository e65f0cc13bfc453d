//! When the voices are asked and when their day ends, by the time of the flows alone.
//!
//! A tick lies between two flows, wherever batches end: so a replay of stored flows ticks as the live run did.

use flow::{Duration, Flow, Time};

/// The time of the flows that were seen.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    every: Option<Duration>,
    now: Option<Time>,
    next: Time,
    day_ends: Time,
}

/// What it is time for, before the flow that comes next is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// To ask the voices.
    Ask,
    /// To end the day, at that midnight (UTC): what was kept of it is told for the last time and forgotten.
    Day(Time),
}

impl Clock {
    /// A clock that ticks every so often in a day, or at the end of days only.
    pub(crate) fn new(every: Option<Duration>) -> Clock {
        Clock { every, now: None, next: Time::MIN, day_ends: Time::MIN }
    }

    /// What it is time for before this flow, the next one, is seen.
    pub(crate) fn tick(&mut self, flow: &Flow) -> Option<Tick> {
        let now = self.now.map_or(flow.end, |now| now.max(flow.end));
        let is_first = self.now.replace(now).is_none();
        if is_first {
            // A capture of less than a day is not cut in two because midnight lies in it.
            self.day_ends = midnight_after(now + DAY);
            self.next = self.every.map_or(Time::MIN, |every| now + every);
            return None;
        }
        if now >= self.day_ends {
            let ended = std::mem::replace(&mut self.day_ends, midnight_after(now));
            self.next = self.every.map_or(Time::MIN, |every| now + every);
            return Some(Tick::Day(ended));
        }
        let every = self.every.filter(|_| now >= self.next)?;
        self.next = now + every;
        Some(Tick::Ask)
    }
}

/// The first midnight (UTC) after that time.
fn midnight_after(time: Time) -> Time {
    let day = DAY.as_nanos() as i64;
    Time::from_nanoseconds(time.nanoseconds().div_euclid(day).saturating_add(1).saturating_mul(day))
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Time {
        Time::from_nanoseconds((hours * 3.6e12) as i64)
    }

    fn ticks(clock: &mut Clock, hours: &[f64]) -> Vec<Option<Tick>> {
        let endpoint = |host| flow::Endpoint::new([10, 0, 0, host].into(), 1);
        let key = flow::Key { originator: endpoint(1), responder: endpoint(2), protocol: flow::Protocol::Tcp };
        hours.iter().map(|&hour| clock.tick(&Flow::between(key, at(hour), at(hour)))).collect()
    }

    #[test]
    fn it_ticks_by_the_time_of_the_flows() {
        let mut clock = Clock::new(Some(Duration::from_secs(3_600)));
        let ask = Some(Tick::Ask);
        assert_eq!(ticks(&mut clock, &[1.0, 1.5, 2.0, 1.2, 2.5, 7.0]), [None, None, ask, None, None, ask]);
    }

    #[test]
    fn a_day_ends_at_the_first_midnight_after_a_whole_day_and_at_each_after_that() {
        let mut clock = Clock::new(None);
        let day = |days: f64| Some(Tick::Day(at(days * 24.0)));
        let hours = [20.0, 25.0, 47.0, 49.0, 71.0, 73.0, 300.0, 301.0];
        assert_eq!(ticks(&mut clock, &hours), [None, None, None, day(2.0), None, day(3.0), day(4.0), None]);
    }
}
