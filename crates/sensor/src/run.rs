//! From flows to alerts: the one path.

use std::num::NonZeroUsize;

use alert::behaviour::{self, Watch};
use alert::budget::{Breach, Candidate};
use alert::reported::Reports;
use alert::{Alert, Home, Severity, Suppression, Triaged, triage};
use flow::{Duration, Flow, Time};
use model::Detector;
use source::{Batch, Source};

use crate::Error;
use crate::anomaly::{self, Anomaly};
use crate::clock::{Clock, Tick};
use crate::keep::Keeper;
use crate::ledger::Ledger;

/// How a scan goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The anomaly voice's settings.
    pub anomaly: anomaly::Settings,
    /// A detector that judges flows in the place of what would be learned, and what people call it. Default none.
    pub detector: Option<(Detector, String)>,
    /// Which addresses are the network's own.
    pub home: Home,
    /// What need not be looked at, of a run that keeps nothing; otherwise the store knows.
    pub suppressions: Vec<Suppression>,
    /// How often the voices are asked in between, in the time of the flows; `None` is at the end of days alone, for inputs
    /// that nobody waits for.
    pub every: Option<Duration>,
    /// Flows handled at a time: enough to make each step's overhead small, few enough to stay in the cache.
    pub batch: NonZeroUsize,
}

impl Settings {
    /// How often the voices are asked of a source that goes on: soon enough for a person who watches.
    pub const OFTEN: Duration = Duration::from_secs(10);
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            anomaly: anomaly::Settings::default(),
            detector: None,
            home: Home::default(),
            suppressions: Vec::new(),
            every: None,
            batch: NonZeroUsize::new(4096).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The alerts, most urgent first.
    pub alerts: Vec<Alert>,
    /// Alerts that a suppression hides, each with that one's number.
    pub hidden: Vec<(u64, Alert)>,
    /// Those of the alerts that were not told before.
    pub news: Vec<Alert>,
    /// Flows seen.
    pub flows: u64,
    /// What other detectors said, in the input.
    pub notices: u64,
    /// Where the network was found to differ from the one by which the budget's line is drawn.
    pub breaches: Vec<Breach>,
    /// The hours of hosts that came nearest to the budget's line without being alerts, rarest first, with their p-values.
    pub below: Vec<(f64, Candidate)>,
    /// Whether the anomaly voice spoke, and what it had learned from, in words.
    pub anomaly: String,
}

/// What is told while a scan goes on.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a, S> {
    /// So far the source was read.
    Progress(&'a S),
    /// What must be looked at, from a source that goes on.
    Alert(&'a S, &'a Alert),
}

/// Reads the source to its end and says what must be looked at; where the settings say so, in between, too. Where the
/// settings have no detector, the anomaly voice learns from `baseline` where it is given, otherwise from the source itself.
pub fn scan<S: Source>(
    source: &mut S,
    baseline: Option<&mut S>,
    settings: &Settings,
    tell: impl FnMut(Told<'_, S>),
) -> Result<Outcome, Error> {
    scan_and_keep(source, baseline, settings, None, tell)
}

/// Does what [`scan`] does, and keeps what is read and found.
pub fn scan_and_keep<S: Source>(
    source: &mut S,
    baseline: Option<&mut S>,
    settings: &Settings,
    mut keeper: Option<&mut Keeper>,
    mut tell: impl FnMut(Told<'_, S>),
) -> Result<Outcome, Error> {
    let mut voices = Voices::new(
        match (&settings.detector, &baseline) {
            (Some((detector, name)), _) => Anomaly::of_detector(detector.clone(), name, &settings.anomaly)?,
            (None, Some(_)) => Anomaly::of_baseline(&settings.anomaly),
            (None, None) => Anomaly::of_itself(&settings.anomaly),
        },
        settings,
    );
    if let Some(baseline) = baseline {
        let quiet = Settings { every: None, ..settings.clone() };
        let Pass { ledger, span, .. } = pass(baseline, &mut voices, &quiet, None, &mut tell)?;
        let behaviours = ledger.alerts().alerts;
        let loud = behaviours.iter().filter(|alert| alert.severity >= Severity::Low && !alert.behaviour.is_learned());
        let days = span.map_or(0.0, |(start, end)| end.since(start).as_secs_f64() / 86_400.0);
        voices.anomaly.end_baseline(loud.count() as f64 / days.max(1.0))?;
        voices = Voices::new(voices.anomaly, settings);
    } else if settings.anomaly.alerts_a_day.is_some() {
        return Err(Error::NoBaseline);
    }
    let Pass { mut ledger, flows, notices, .. } =
        pass(source, &mut voices, settings, keeper.as_deref_mut(), &mut tell)?;
    let triaged = ledger.alerts();
    let news = if settings.every.is_some() { ledger.news() } else { triaged.alerts.clone() };
    if let Some(keeper) = keeper {
        keeper.tell(&news, &triaged.hidden)?;
        keeper.settle(&triaged)?;
    }
    let Triaged { alerts, hidden } = triaged;
    let alarms = voices.anomaly.alarms();
    Ok(Outcome {
        alerts,
        hidden,
        news,
        flows,
        notices,
        anomaly: voices.anomaly.describe(),
        breaches: alarms.map_or_else(Vec::new, |alarms| alarms.breaches().to_vec()),
        below: alarms.map_or_else(Vec::new, |alarms| alarms.below().to_vec()),
    })
}

/// What came of reading a source to its end.
struct Pass {
    ledger: Ledger,
    flows: u64,
    notices: u64,
    span: Option<(Time, Time)>,
}

/// Lets the voices observe a source to its end, or as much as they can learn from.
fn pass<S: Source>(
    source: &mut S,
    voices: &mut Voices,
    settings: &Settings,
    mut keeper: Option<&mut Keeper>,
    tell: &mut impl FnMut(Told<'_, S>),
) -> Result<Pass, Error> {
    let mut clock = Clock::new(settings.every);
    let mut pass = Pass { ledger: Ledger::default(), flows: 0, notices: 0, span: None };
    let mut batch = Batch::default();
    let mut more = true;
    while more && voices.anomaly.wants_more() {
        more = source.read(&mut batch)?;
        if batch.flows.len() >= settings.batch.get() || !more || source.is_current() {
            if let Some(keeper) = &mut keeper {
                keeper.read(&batch)?;
            }
            batch.notices.iter().for_each(|notice| voices.reports.observe(notice));
            let mut seen = 0;
            for (next, flow) in batch.flows.iter().enumerate() {
                let (start, end) = pass.span.unwrap_or((flow.start, flow.end));
                pass.span = Some((start.min(flow.start), end.max(flow.end)));
                let Some(tick) = clock.tick(flow) else { continue };
                voices.observe(&batch.flows[seen..next])?;
                seen = next;
                pass.ledger.record(voices.judge(suppressions(settings, &mut keeper)?));
                if settings.every.is_some() {
                    let news = pass.ledger.news();
                    if let Some(keeper) = &mut keeper {
                        keeper.tell(&news, &pass.ledger.hidden())?;
                    }
                    news.iter().for_each(|alert| tell(Told::Alert(source, alert)));
                }
                if let Tick::Day(midnight) = tick {
                    voices.forget(midnight);
                    pass.ledger.end_day(midnight);
                    if let Some(keeper) = keeper.as_deref_mut().filter(|_| settings.every.is_some()) {
                        keeper.settle(&pass.ledger.alerts())?;
                    }
                }
            }
            voices.observe(&batch.flows[seen..])?;
            pass.flows += batch.flows.len() as u64;
            pass.notices += batch.notices.len() as u64;
            batch.clear();
            tell(Told::Progress(source));
        }
    }
    voices.anomaly.finish()?;
    pass.ledger.record(voices.judge(suppressions(settings, &mut keeper)?));
    keeper.map_or(Ok(()), Keeper::finish)?;
    Ok(pass)
}

/// What need not be looked at now.
fn suppressions<'a>(settings: &'a Settings, keeper: &'a mut Option<&mut Keeper>) -> Result<&'a [Suppression], Error> {
    keeper.as_mut().map_or(Ok(&settings.suppressions), |keeper| keeper.suppressions())
}

/// All that give evidence.
struct Voices {
    watches: Vec<Box<dyn Watch>>,
    reports: Reports,
    anomaly: Anomaly,
}

impl Voices {
    fn new(anomaly: Anomaly, settings: &Settings) -> Voices {
        Voices { watches: behaviour::watches(&settings.home), reports: Reports::default(), anomaly }
    }

    fn observe(&mut self, flows: &[Flow]) -> Result<(), Error> {
        for watch in &mut self.watches {
            flows.iter().for_each(|flow| watch.observe(flow));
        }
        self.anomaly.observe(flows)
    }

    /// What they have to say of their day so far.
    fn judge(&self, suppressions: &[Suppression]) -> Triaged {
        let behaviours = self.watches.iter().flat_map(|watch| watch.evidence());
        triage(behaviours.chain(self.reports.evidence()).chain(self.anomaly.evidence()).collect(), suppressions)
    }

    /// Drops what they kept of the day that ended.
    fn forget(&mut self, midnight: Time) {
        self.watches.iter_mut().for_each(|watch| watch.forget(midnight));
        self.reports.forget(midnight);
        self.anomaly.forget(midnight);
    }
}
