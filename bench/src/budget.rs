//! What a budget of alerts a day keeps: simulated weeks of an office, with and without attacks, and with a shift.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{Alert, Severity};
use anyhow::{Context, Result};
use flow::{Duration, Flow, Time};
use meter::{Link, Meter};
use sensor::{anomaly, run};
use simulator::{Attack, Planted, Settings, Simulation};
use source::{Batch, Source};

use crate::Row;

/// One row for each question: is the budget kept, are attacks in the list, does the guard speak after a shift and only then.
pub(crate) fn rows(seeds: u64) -> Result<Vec<Row>> {
    let mut kept = Vec::new();
    let mut found = Vec::new();
    for seed in 1..=seeds {
        let baseline: Arc<[Flow]> = weeks(&office(seed, 0.0, BASELINE_DAYS, Vec::new()))?.0.into();
        let (quiet, _) = weeks(&office(seed + 1000, BASELINE_DAYS, DAYS, Vec::new()))?;
        let outcome = judged(&baseline, quiet)?;
        let (mean, most) = alerts_a_day(&outcome.alerts);
        kept.push(format!("{mean:.1} (most {most}), guard {}", told(&outcome)));
        eprintln!("seed {seed}: {}", kept.last().map_or("", String::as_str));
        let (attacked, planted) = weeks(&office(seed + 2000, BASELINE_DAYS, DAYS, Attack::ALL.to_vec()))?;
        let outcome = judged(&baseline, attacked)?;
        let missed: Vec<&str> = planted
            .iter()
            .filter(|planted| !outcome.alerts.iter().any(|alert| is_right(alert, planted)))
            .map(|planted| planted.attack.name())
            .collect();
        let missing = if missed.is_empty() { String::new() } else { format!(": not {}", missed.join(", ")) };
        found.push(format!("{} of {}{missing}", planted.len() - missed.len(), planted.len()));
        eprintln!("seed {seed} with attacks: {}", found.last().map_or("", String::as_str));
    }
    let what =
        format!("{DAYS:.0} simulated days after a baseline of {BASELINE_DAYS:.0}, budget 20 a day, seeds 1 to {seeds}");
    Ok(vec![
        Row::new(format!("{what}, no attack: alerts a day"), "mean 20 ± 20 %, no day above 40", kept.join("; ")),
        Row::new(
            format!("{what}, each attack once: in the list with the right host and behaviour"),
            "each",
            found.join("; "),
        ),
    ])
}

fn office(seed: u64, from: f64, days: f64, attacks: Vec<Attack>) -> Settings {
    let usual = Settings::default();
    let start = usual.start + Duration::from_secs_f64(from * 86_400.0);
    Settings { seed, hours: days * 24.0, start, attacks, ..usual }
}

/// The flows of a simulation, in the order in which they ended, and what was planted.
fn weeks(settings: &Settings) -> Result<(Vec<Flow>, Vec<Planted>)> {
    let mut simulation = Simulation::new(settings)?;
    let mut meter = Meter::new(meter::Settings::default());
    let mut flows = Vec::new();
    for packet in simulation.by_ref() {
        meter.packet(Link::Ethernet, packet.time, &packet.bytes, packet.length, &mut flows);
    }
    meter.finish(&mut flows);
    Ok((flows, simulation.planted().to_vec()))
}

/// Flows that were kept, given again.
struct Kept {
    flows: Arc<[Flow]>,
    given: usize,
}

impl Source for Kept {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, source::Error> {
        let until = (self.given + 4096).min(self.flows.len());
        batch.flows.extend_from_slice(&self.flows[self.given..until]);
        self.given = until;
        Ok(until < self.flows.len())
    }
}

fn judged(baseline: &Arc<[Flow]>, flows: Vec<Flow>) -> Result<run::Outcome> {
    let settings = run::Settings {
        anomaly: anomaly::Settings { alerts_a_day: Some(20.0), ..anomaly::Settings::default() },
        ..run::Settings::default()
    };
    let mut baseline = Kept { flows: Arc::clone(baseline), given: 0 };
    let mut source = Kept { flows: flows.into(), given: 0 };
    run::scan(&mut source, Some(&mut baseline), &settings, |_| ()).context("a simulation can be judged")
}

/// Mean and most of the alerts a day that a person would read.
fn alerts_a_day(alerts: &[Alert]) -> (f64, u64) {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| alert.severity >= Severity::Low) {
        *days.entry(alert.start.nanoseconds().div_euclid(86_400_000_000_000)).or_default() += 1;
    }
    (days.values().sum::<u64>() as f64 / DAYS, days.values().copied().max().unwrap_or(0))
}

fn told(outcome: &run::Outcome) -> String {
    match outcome.breaches.as_slice() {
        [] => "silent".to_owned(),
        [first, ..] => format!("spoke {} times, first at {}", outcome.breaches.len(), shown(first.time)),
    }
}

fn shown(time: Time) -> String {
    time.to_string().get(..16).map_or_else(String::new, str::to_owned)
}

fn is_right(alert: &Alert, planted: &Planted) -> bool {
    let hosts = if planted.attackers.is_empty() { &planted.victims } else { &planted.attackers };
    alert.severity >= Severity::Low
        && alert.behaviour.name() == planted.behaviour
        && alert.start <= planted.end
        && planted.start <= alert.end
        && alert.hosts.iter().any(|host| hosts.contains(&host.address))
}

const BASELINE_DAYS: f64 = 14.0;
const DAYS: f64 = 30.0;
