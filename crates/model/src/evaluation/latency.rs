//! How long an attack goes on before its first alarm.

use std::collections::BTreeMap;

use flow::Time;
use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, Verdict};

/// How long attacks went on before their first alarm. One attack is all rows of one kind in one group: one host, one
/// session, one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The number of attacks.
    pub attacks: u64,
    /// Those with at least one alarm.
    pub detected: u64,
    /// The median of the seconds from an attack's first row to its first alarm, over those detected.
    pub median_seconds: Option<f64>,
    /// The seconds within which nine of ten detected ones had their first alarm.
    pub ninth_decile_seconds: Option<f64>,
    /// The longest of them.
    pub longest_seconds: Option<f64>,
}

impl Latency {
    /// The latency of verdicts on rows of known truth. `times` says when each row happened, `groups` what it belongs to;
    /// without groups all rows of a kind are one attack.
    pub fn of(
        verdicts: &[Verdict],
        dataset: &Dataset,
        times: &[Time],
        groups: Option<&[u32]>,
    ) -> Result<Latency, Error> {
        let attacks = dataset.attacks().ok_or(Error::Unlabelled("the latency of detection"))?;
        for (what, found) in [
            ("verdicts", verdicts.len()),
            ("times", times.len()),
            ("groups", groups.map_or(attacks.len(), <[u32]>::len)),
        ] {
            if found != attacks.len() {
                return Err(Error::Length { what, expected: attacks.len(), found });
            }
        }
        // The first row, and the first one with an alarm.
        let mut courses: BTreeMap<(u32, u32), (Time, Option<Time>)> = BTreeMap::new();
        let kinds = dataset.kinds().map_or(&[][..], |kinds| &kinds.codes);
        for row in (0..attacks.len()).filter(|&row| attacks[row]) {
            let key = (groups.map_or(0, |groups| groups[row]), kinds.get(row).copied().unwrap_or(0));
            let (first, alarm) = courses.entry(key).or_insert((times[row], None));
            *first = (*first).min(times[row]);
            if verdicts[row].alarm {
                *alarm = Some(alarm.map_or(times[row], |alarm| alarm.min(times[row])));
            }
        }
        let mut seconds: Vec<f64> = courses
            .values()
            .filter_map(|&(first, alarm)| Some(alarm?.nanoseconds().saturating_sub(first.nanoseconds()) as f64 / 1e9))
            .collect();
        seconds.sort_unstable_by(f64::total_cmp);
        // The smallest value that at least this share does not exceed.
        let within = |share: f64| {
            let place = (seconds.len() as f64 * share).ceil().max(1.0) as usize - 1;
            seconds.get(place).copied()
        };
        Ok(Latency {
            attacks: courses.len() as u64,
            detected: seconds.len() as u64,
            median_seconds: within(0.5),
            ninth_decile_seconds: within(0.9),
            longest_seconds: seconds.last().copied(),
        })
    }
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;

    #[test]
    fn latency_runs_from_the_first_row_of_an_attack_to_its_first_alarm() {
        let labels = ["normal", "scan", "scan", "scan", "flood", "flood", "scan"].map(Label::new);
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; 7])]).unwrap();
        let dataset = Dataset::labelled(table, &labels).unwrap();
        let times = [0.0, 30.0, 10.0, 20.0, 40.0, 41.0, 50.0].map(|at| Time::from_seconds(at).unwrap());
        // A benign alarm, then the scan's at 20 and 30, none of the flood's; the other group's scan at once.
        let alarms = [true, true, false, true, false, false, true];
        let verdicts = alarms.map(|alarm| Verdict { score: 0.5, alarm });
        let groups = [0, 0, 0, 0, 0, 0, 1];
        let latency = Latency::of(&verdicts, &dataset, &times, Some(&groups)).unwrap();
        assert_eq!((latency.attacks, latency.detected), (3, 2));
        assert_eq!((latency.median_seconds, latency.longest_seconds), (Some(0.0), Some(10.0)));
        let ungrouped = Latency::of(&verdicts, &dataset, &times, None).unwrap();
        assert_eq!((ungrouped.attacks, ungrouped.detected, ungrouped.median_seconds), (2, 1, Some(10.0)));
        assert!(Latency::of(&verdicts, &dataset, &times[1..], None).is_err());
    }
}
