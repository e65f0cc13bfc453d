//! From flows to alerts: the one path.

use std::num::NonZeroUsize;

use alert::reported::Reports;
use alert::{Alert, behaviour, triage};
use source::{Batch, Source};

use crate::Error;
use crate::anomaly::{self, Anomaly};

/// How a scan goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The anomaly voice's settings.
    pub anomaly: anomaly::Settings,
    /// Flows handled at a time: enough to make each step's overhead small, few enough to stay in the cache.
    pub batch: NonZeroUsize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { anomaly: anomaly::Settings::default(), batch: NonZeroUsize::new(4096).unwrap_or(NonZeroUsize::MIN) }
    }
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The alerts, most urgent first.
    pub alerts: Vec<Alert>,
    /// Flows seen.
    pub flows: u64,
    /// What other detectors said, in the input.
    pub notices: u64,
    /// Whether the anomaly voice spoke, and what it had learned from, in words.
    pub anomaly: String,
}

/// Reads the source to its end and says what must be looked at. The anomaly voice learns from `baseline` where it is
/// given, otherwise from the source itself. `progress` is called once a batch.
pub fn scan<S: Source>(
    source: &mut S,
    baseline: Option<&mut S>,
    settings: &Settings,
    mut progress: impl FnMut(&S),
) -> Result<Outcome, Error> {
    let mut anomaly = match baseline {
        Some(baseline) => Anomaly::of_baseline(baseline, &settings.anomaly, &mut progress)?,
        None => Anomaly::of_itself(&settings.anomaly),
    };
    let mut watches = behaviour::watches();
    let mut reports = Reports::default();
    let mut batch = Batch::default();
    let (mut count, mut notices) = (0, 0);
    loop {
        let more = source.read(&mut batch)?;
        if batch.flows.len() >= settings.batch.get() || !more {
            for watch in &mut watches {
                batch.flows.iter().for_each(|flow| watch.observe(flow));
            }
            batch.notices.iter().for_each(|notice| reports.observe(notice));
            anomaly.observe(&batch.flows)?;
            count += batch.flows.len() as u64;
            notices += batch.notices.len() as u64;
            batch.clear();
            progress(source);
        }
        if !more {
            break;
        }
    }
    anomaly.finish()?;
    let evidence =
        watches.iter().flat_map(|watch| watch.evidence()).chain(reports.evidence()).chain(anomaly.evidence()).collect();
    Ok(Outcome { alerts: triage(evidence), flows: count, notices, anomaly: anomaly.describe() })
}
