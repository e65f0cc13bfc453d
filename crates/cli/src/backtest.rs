//! `lapwing backtest`: what other settings would have done to the flows that are kept.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use alert::sink::who;
use alert::{Alert, Finding, Scope, Suppression};
use anyhow::{Context, Result, anyhow, bail};
use flow::{Duration, Time};
use sensor::anomaly;
use sensor::keep::Used;
use sensor::replay::Replayed;
use sensor::run::{self, Outcome};
use source::{Batch, Error, Source};
use store::Span;

use crate::input::{Reader, Reading, duration};
use crate::kept;
use crate::output;
use crate::saved;
use crate::scan::{budget, time};
use crate::settings::Threshold;
use crate::state::State;
use crate::suppress;

/// Replay the flows that are kept, with the settings that were used and with changed ones, and compare the alerts.
///
/// It shows alerts a day before and after, each alert gained and lost, and whether a confirmed attack would have been lost.
/// Without a change it replays the settings of the last `lapwing scan --keep`. Suppressions that were ended do not act.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing backtest --last 7d --threshold contamination=0.0005
  lapwing backtest --last 14d --budget 20/day --baseline quiet-week.pcap.gz
  lapwing backtest --last 7d --detector candidate.lapwing
  lapwing backtest --last 7d --suppress source=10.0.0.7,behaviour=port-scan --suppress port=161")]
pub(crate) struct Arguments {
    /// The flows of the last hours or days: 12h, 7d. [default: all]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    last: Option<Duration>,
    /// Where an unusual flow begins, as in `lapwing scan`.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["detector", "budget"])]
    threshold: Option<Threshold>,
    /// How many alerts a day somebody wants to read: 20/day.
    #[arg(long, value_name = "ALERTS/TIME", value_parser = budget)]
    budget: Option<f64>,
    /// A detector that judges the flows in the place of the one that did.
    #[arg(long, value_name = "FILE")]
    detector: Option<PathBuf>,
    /// Learn from the flows instead of using the detector that judged them.
    #[arg(long, conflicts_with = "detector")]
    no_detector: bool,
    /// What the anomaly voice takes as normal, in the place of what it learned from.
    #[arg(long, value_name = "FILE")]
    baseline: Vec<PathBuf>,
    /// Suppress this as well: source, destination, network, port, behaviour, model. May be given several times.
    #[arg(long, value_name = "NAME=VALUE,...", value_parser = suppress::scope)]
    suppress: Vec<Scope>,
    /// Print the alerts of the changed settings as JSON, one a line, and the comparison on stderr.
    #[arg(long)]
    json: bool,
    /// The configuration file, for how a baseline is read.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    state: State,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let reader = arguments.state.reader()?;
    let used: Option<Used> = reader.setting(Used::NAME)?;
    let used = used
        .ok_or_else(|| anyhow!("no run is kept in {}: run `lapwing scan --keep` first", reader.folder().display()))?;
    let from = match arguments.last {
        Some(last) => kept::before(kept::now(&reader)?, last),
        None => Time::MIN,
    };
    let span = Span { from, ..Span::ALL };
    let before = arguments.settings_before(&used, reader.suppressions()?)?;
    let after = arguments.settings_after(&used, &before)?;
    let baseline = if arguments.baseline.is_empty() { &used.baseline } else { &arguments.baseline };
    let scan = |settings: &run::Settings, baseline: &[PathBuf]| arguments.replay(&reader, span, settings, baseline);
    let first = scan(&before, &used.baseline)?;
    if first.flows + first.notices == 0 {
        bail!("no flow is kept of that time");
    }
    let changed = match &after {
        Some(after) => Some(scan(after, baseline)?),
        None => None,
    };
    let second = changed.as_ref().unwrap_or(&first);
    if arguments.json {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for alert in &second.alerts {
            writeln!(out, "{}", serde_json::to_string(alert)?)?;
        }
        out.flush()?;
    }
    let confirmed: BTreeSet<String> = reader
        .latest_verdicts()?
        .into_iter()
        .filter(|verdict| verdict.finding == Finding::True)
        .map(|verdict| verdict.alert)
        .collect();
    let mut out: Box<dyn Write> =
        if arguments.json { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
    compare(&mut out, &first, second, &confirmed)?;
    if changed.is_none() {
        writeln!(
            out,
            "nothing was changed: --threshold, --budget, --detector, --no-detector or --suppress say what to try"
        )?;
    }
    Ok(())
}

impl Arguments {
    /// The settings with which the kept alerts were made.
    fn settings_before(&self, used: &Used, suppressions: Vec<Suppression>) -> Result<run::Settings> {
        let detector = match (&used.detector, used.is_active) {
            (None, _) => None,
            (Some(name), false) => Some((saved::load(Path::new(name))?, name.clone())),
            (Some(name), true) => {
                let active = self.state.detector(None)?.filter(|(_, active)| active == name);
                Some(active.ok_or_else(|| {
                    anyhow!("the detector {name} that was used is not the active one any more: name it with --detector")
                })?)
            }
        };
        Ok(run::Settings {
            anomaly: used.anomaly(),
            detector,
            suppressions,
            every: used.every,
            ..run::Settings::default()
        })
    }

    /// The changed settings; `None` where nothing is changed.
    fn settings_after(&self, used: &Used, before: &run::Settings) -> Result<Option<run::Settings>> {
        let mut settings = before.clone();
        if let Some(threshold) = self.threshold {
            (settings.anomaly.threshold, settings.anomaly.alerts_a_day) = (threshold.0, None);
        }
        settings.anomaly.alerts_a_day = self.budget.or(settings.anomaly.alerts_a_day);
        if self.no_detector || self.threshold.is_some() {
            settings.detector = None;
        }
        if let Some(path) = &self.detector {
            let detector = saved::load(path)?;
            anomaly::feature_set(&detector).with_context(|| format!("{} cannot judge flows", path.display()))?;
            settings.detector = Some((detector, path.display().to_string()));
        }
        let numbers = settings.suppressions.iter().map(|known| known.id).max().unwrap_or(0) + 1..;
        settings.suppressions.extend(numbers.zip(&self.suppress).map(|(id, scope)| Suppression {
            id,
            scope: scope.clone(),
            reason: String::new(),
            owner: String::new(),
            created: Time::MIN,
            expires: None,
        }));
        let is_changed = self.threshold.is_some()
            || self.budget.is_some()
            || self.detector.is_some()
            || (self.no_detector && used.detector.is_some())
            || !self.baseline.is_empty()
            || !self.suppress.is_empty();
        Ok(is_changed.then_some(settings))
    }

    fn replay(
        &self,
        reader: &store::Reader,
        span: Span,
        settings: &run::Settings,
        baseline: &[PathBuf],
    ) -> Result<Outcome> {
        let reading = Reading::configured(self.config.clone());
        let config = reading.config()?;
        let set = match &settings.detector {
            Some((detector, _)) => anomaly::feature_set(detector)?,
            None => flow::features::Set::Lapwing,
        };
        let mut baseline = match baseline {
            [] => None,
            paths => Some(Input::Baseline(Box::new(Reader::open(paths, reading.settings(&config, set)?)?))),
        };
        let mut flows = Input::Kept(Box::new(Replayed(reader.replay(span)?)));
        Ok(run::scan(&mut flows, baseline.as_mut(), settings, |_| ())?)
    }
}

/// What a replay reads.
enum Input<'a> {
    Baseline(Box<Reader>),
    Kept(Box<Replayed<'a>>),
}

impl Source for Input<'_> {
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        match self {
            Input::Baseline(reader) => reader.read(batch),
            Input::Kept(replayed) => replayed.read(batch),
        }
    }
}

/// Says what differs.
fn compare(out: &mut impl Write, before: &Outcome, after: &Outcome, confirmed: &BTreeSet<String>) -> Result<()> {
    let ends = |alerts: &[Alert]| alerts.iter().flat_map(|alert| [alert.start, alert.end]).collect::<Vec<_>>();
    let times = [ends(&before.alerts), ends(&after.alerts)].concat();
    let days = match (times.iter().min(), times.iter().max()) {
        (Some(start), Some(end)) => (end.since(*start).as_secs_f64() / 86_400.0).max(1.0),
        _ => 1.0,
    };
    let mut table = output::table(&["", "alerts", "a day", "hidden"]);
    for (name, outcome) in [("before", before), ("after", after)] {
        let count = outcome.alerts.len();
        let (a_day, hidden) = (format!("{:.1}", count as f64 / days), outcome.hidden.len().to_string());
        table.add_row([name.to_owned(), count.to_string(), a_day, hidden]);
    }
    writeln!(out, "{} flows, alerts within {days:.1} days\n{table}", before.flows)?;
    let lost: Vec<&Alert> = missing(&before.alerts, &after.alerts);
    let gained: Vec<&Alert> = missing(&after.alerts, &before.alerts);
    for (what, alerts) in [("gained", &gained), ("lost", &lost)] {
        writeln!(out, "\n{} {what}", alerts.len())?;
        let mut table = output::table(&["id", "severity", "behaviour", "who", "since", ""]);
        for alert in alerts {
            let note = if confirmed.contains(&alert.id) { "CONFIRMED ATTACK" } else { "" };
            table.add_row([
                alert.id.get(..8).unwrap_or(&alert.id).to_owned(),
                alert.severity.to_string(),
                alert.behaviour.name().to_owned(),
                who(&alert.hosts),
                time(alert.start),
                note.to_owned(),
            ]);
        }
        if !alerts.is_empty() {
            writeln!(out, "{table}")?;
        }
    }
    let known = before.alerts.iter().filter(|alert| confirmed.contains(&alert.id)).count();
    let count = lost.iter().filter(|alert| confirmed.contains(&alert.id)).count();
    Ok(writeln!(out, "\nconfirmed attacks lost: {count} of {known}")?)
}

/// Those of the one that have no counterpart in the other: the same behaviour of the same host at the same time.
fn missing<'a>(these: &'a [Alert], those: &[Alert]) -> Vec<&'a Alert> {
    let is_same = |one: &Alert, other: &Alert| {
        (one.behaviour, one.subject) == (other.behaviour, other.subject)
            && one.start <= other.end
            && other.start <= one.end
    };
    these.iter().filter(|one| !those.iter().any(|other| is_same(one, other))).collect()
}
