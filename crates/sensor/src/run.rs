//! From flows to alerts: the one path.

use std::num::NonZeroUsize;

use alert::behaviour::{self, Watch};
use alert::reported::Reports;
use alert::{Alert, Home, triage};
use flow::Duration;
use model::Detector;
use source::{Batch, Source};

use crate::Error;
use crate::anomaly::{self, Anomaly};
use crate::bulletin::Bulletin;

/// How a scan goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The anomaly voice's settings.
    pub anomaly: anomaly::Settings,
    /// A detector that judges flows in the place of what would be learned, and what people call it. Default none.
    pub detector: Option<(Detector, String)>,
    /// How often a source that goes on is judged, in its own time. 10 s: soon enough for a person who watches.
    pub every: Duration,
    /// Flows handled at a time: enough to make each step's overhead small, few enough to stay in the cache.
    pub batch: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Settings {
        let every = Duration::from_secs(10);
        Settings {
            anomaly: anomaly::Settings::default(),
            detector: None,
            every,
            batch: NonZeroUsize::new(4096).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The alerts, most urgent first.
    pub alerts: Vec<Alert>,
    /// Those of them that were not told before.
    pub news: Vec<Alert>,
    /// Flows seen.
    pub flows: u64,
    /// What other detectors said, in the input.
    pub notices: u64,
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

/// Reads the source to its end and says what must be looked at; of a source that goes on, in between, too. Where the
/// settings have no detector, the anomaly voice learns from `baseline` where it is given, otherwise from the source itself.
pub fn scan<S: Source>(
    source: &mut S,
    baseline: Option<&mut S>,
    settings: &Settings,
    mut tell: impl FnMut(Told<'_, S>),
) -> Result<Outcome, Error> {
    let mut voices = Voices {
        watches: behaviour::watches(&Home::default()),
        reports: Reports::default(),
        anomaly: match (&settings.detector, baseline) {
            (Some((detector, name)), _) => Anomaly::of_detector(detector.clone(), name, &settings.anomaly)?,
            (None, Some(baseline)) => {
                Anomaly::of_baseline(baseline, &settings.anomaly, &mut |source| tell(Told::Progress(source)))?
            }
            (None, None) => Anomaly::of_itself(&settings.anomaly),
        },
    };
    let mut bulletin = Bulletin::new(settings.every);
    let mut batch = Batch::default();
    let (mut flows, mut notices, mut more) = (0, 0, true);
    while more {
        more = source.read(&mut batch)?;
        if batch.flows.len() >= settings.batch.get() || !more || source.is_current() {
            voices.observe(&batch)?;
            flows += batch.flows.len() as u64;
            notices += batch.notices.len() as u64;
            if source.is_current() && bulletin.is_due(&batch.flows) {
                let news = bulletin.news(&voices.judge());
                news.iter().for_each(|alert| tell(Told::Alert(source, alert)));
            }
            batch.clear();
            tell(Told::Progress(source));
        }
    }
    voices.anomaly.finish()?;
    let alerts = voices.judge();
    let news = bulletin.news(&alerts);
    Ok(Outcome { alerts, news, flows, notices, anomaly: voices.anomaly.describe() })
}

/// All that give evidence.
struct Voices {
    watches: Vec<Box<dyn Watch>>,
    reports: Reports,
    anomaly: Anomaly,
}

impl Voices {
    fn observe(&mut self, batch: &Batch) -> Result<(), Error> {
        for watch in &mut self.watches {
            batch.flows.iter().for_each(|flow| watch.observe(flow));
        }
        batch.notices.iter().for_each(|notice| self.reports.observe(notice));
        self.anomaly.observe(&batch.flows)
    }

    /// What they have to say so far.
    fn judge(&self) -> Vec<Alert> {
        let behaviours = self.watches.iter().flat_map(|watch| watch.evidence());
        triage(behaviours.chain(self.reports.evidence()).chain(self.anomaly.evidence()).collect())
    }
}
