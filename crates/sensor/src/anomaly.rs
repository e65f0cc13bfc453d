//! The anomaly voice: an isolation forest that learns the network's own traffic, or a detector in its place.

use alert::learned::Alarms;
use alert::{Evidence, Severity};
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Table, Time, printable};
use model::evaluation::Rule;
use model::{Dataset, Detector, Identity, Method, Plan, Scaling};
use source::{Batch, Source};

use crate::Error;

/// How the anomaly voice learns and how loud it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What sets the threshold.
    pub threshold: Threshold,
    /// The most hosts that it speaks of. 10: more odd hosts than that are no oddity.
    pub budget: usize,
    /// Where all random numbers come from.
    pub seed: u64,
    /// Memory for what each host did lately, in bytes. 256 MiB.
    pub hosts_bytes: usize,
}

/// What sets the threshold of the anomaly voice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// The share of what it learns from that may lie above it.
    Contamination(f64),
    /// The flows a day that may lie above it, at the rate at which flows came in what it learns from.
    AlarmsADay(f64),
}

impl Default for Settings {
    /// One flow in a thousand is odd enough to look at.
    fn default() -> Settings {
        Settings { threshold: Threshold::Contamination(0.001), budget: 10, seed: 1, hosts_bytes: Hosts::BUDGET_BYTES }
    }
}

/// A detector of unusual flows, or the flows that it is going to learn from.
pub struct Anomaly {
    settings: Settings,
    features: FeatureSet,
    hosts: Hosts,
    stage: Stage,
}

enum Stage {
    /// Gathers flows to learn from.
    Learning { table: Table, flows: Vec<Flow>, span: Option<(Time, Time)> },
    /// Judges flows.
    Judging { detector: Box<Detector>, alarms: Alarms, learned_from: String },
    /// There was too little to learn from.
    Silent { flows: usize },
}

impl Anomaly {
    /// A voice that learns from the first flows that it observes.
    pub fn of_itself(settings: &Settings) -> Anomaly {
        Anomaly {
            settings: settings.clone(),
            features: FeatureSet::lapwing().without_identity(),
            hosts: Hosts::with_budget(settings.hosts_bytes),
            stage: Stage::Learning { table: Table::default(), flows: Vec::new(), span: None },
        }
    }

    /// A voice that learned from a baseline, of which it takes the first flows up to a bound.
    pub fn of_baseline<S: Source>(
        baseline: &mut S,
        settings: &Settings,
        progress: &mut impl FnMut(&S),
    ) -> Result<Anomaly, Error> {
        let mut voice = Anomaly::of_itself(settings);
        let mut table = Table::default();
        let mut batch = Batch::default();
        let mut span = None;
        let mut more = true;
        while more && table.rows() < MOST_FLOWS {
            more = baseline.read(&mut batch)?;
            span = widened(span, &batch.flows);
            table.append(&voice.features.table(&batch.flows, &mut voice.hosts))?;
            batch.clear();
            progress(baseline);
        }
        if table.rows() < LEAST_BASELINE {
            return Err(Error::Baseline { flows: table.rows(), least: LEAST_BASELINE });
        }
        let learned_from = format!("a baseline of {} flows", table.rows());
        // The baseline's hosts have nothing to do with the windows of the capture.
        voice.hosts = Hosts::with_budget(settings.hosts_bytes);
        voice.stage = voice.learn(&table, span, learned_from, Severity::Low)?;
        Ok(voice)
    }

    /// A voice that judges by a detector which was trained on a table of flows with features; `name` is what people call
    /// it. What a detector that learned from labels finds is like known attacks, what any other finds is odd.
    pub fn of_detector(detector: Detector, name: &str, settings: &Settings) -> Result<Anomaly, Error> {
        let set = feature_set(&detector)?;
        let fields = &detector.schema().fields;
        let features = FeatureSet::of(set).only(|name| fields.iter().any(|field| field.name == name));
        let learned_from = format!("the {} rows of the detector {name}", detector.provenance.rows);
        let alarms = |severity| Alarms::new(learned_from.clone(), severity, detector.threshold());
        let alarms = if detector.provenance.method.is_supervised() {
            alarms(Severity::Medium).of_classifier()
        } else {
            alarms(Severity::Low)
        };
        let hosts = Hosts::with_budget(settings.hosts_bytes);
        let stage = Stage::Judging { detector: Box::new(detector), alarms, learned_from };
        Ok(Anomaly { settings: settings.clone(), features, hosts, stage })
    }

    /// Takes in flows, in the order in which they ended.
    pub fn observe(&mut self, flows: &[Flow]) -> Result<(), Error> {
        if !flows.iter().all(|flow| self.features.admits(flow)) {
            let admitted: Vec<Flow> = flows.iter().filter(|flow| self.features.admits(flow)).cloned().collect();
            return self.observe(&admitted);
        }
        let table = self.features.table(flows, &mut self.hosts);
        match &mut self.stage {
            Stage::Learning { table: learned, flows: waiting, span } => {
                learned.append(&table)?;
                *span = widened(*span, flows);
                waiting.extend_from_slice(flows);
                if learned.rows() >= MOST_FLOWS { self.learn_from_itself() } else { Ok(()) }
            }
            Stage::Judging { detector, alarms, .. } => judge(detector, alarms, flows, &table),
            Stage::Silent { .. } => Ok(()),
        }
    }

    /// Learns from what was gathered, where nothing was learned before, and judges it.
    pub fn finish(&mut self) -> Result<(), Error> {
        match &self.stage {
            Stage::Learning { .. } => self.learn_from_itself(),
            Stage::Judging { .. } | Stage::Silent { .. } => Ok(()),
        }
    }

    /// Evidence about the hosts with the most unusual flows.
    pub fn evidence(&self) -> Vec<Evidence> {
        match &self.stage {
            Stage::Judging { alarms, .. } => alarms.evidence(self.settings.budget),
            Stage::Learning { .. } | Stage::Silent { .. } => Vec::new(),
        }
    }

    /// Drops the alarms of hosts that had none since that time; what it learned stays.
    pub fn forget(&mut self, before: Time) {
        if let Stage::Judging { alarms, .. } = &mut self.stage {
            alarms.forget(before);
        }
    }

    /// What it learned from, in words.
    pub fn describe(&self) -> String {
        match &self.stage {
            Stage::Judging { learned_from, .. } => format!("learned from {learned_from}"),
            Stage::Learning { table, .. } => format!("still learning from {} flows", table.rows()),
            Stage::Silent { flows } => {
                format!("silent: {flows} flows are too few to learn from ({LEAST_ITSELF} needed, or a baseline)")
            }
        }
    }

    fn learn_from_itself(&mut self) -> Result<(), Error> {
        let Stage::Learning { table, flows, span } = &mut self.stage else { return Ok(()) };
        let (table, flows, span) = (std::mem::take(table), std::mem::take(flows), *span);
        if table.rows() < LEAST_ITSELF {
            self.stage = Stage::Silent { flows: table.rows() };
            return Ok(());
        }
        let learned_from = format!("the first {} flows of the input itself", table.rows());
        // What is rare in an input is not therefore bad: without a baseline it is worth knowing, no more.
        self.stage = self.learn(&table, span, learned_from, Severity::Info)?;
        match &mut self.stage {
            Stage::Judging { detector, alarms, .. } => judge(detector, alarms, &flows, &table),
            Stage::Learning { .. } | Stage::Silent { .. } => Ok(()),
        }
    }

    fn learn(
        &self,
        table: &Table,
        span: Option<(Time, Time)>,
        learned_from: String,
        severity: Severity,
    ) -> Result<Stage, Error> {
        let rule = match self.settings.threshold {
            Threshold::Contamination(share) => Rule::Contamination(share),
            Threshold::AlarmsADay(alerts) => {
                // An input of an instant says nothing about a day; a second is the least that does.
                let seconds = span.map_or(1.0, |(start, end)| end.since(start).as_secs_f64().max(1.0));
                Rule::AlertBudget { alerts, flows: table.rows() as f64 / seconds * 86_400.0 }
            }
        };
        let plan = Plan {
            method: Method::IsolationForest(model::estimator::IsolationForest::default()),
            rule,
            seed: self.settings.seed,
            ..Plan::default()
        };
        let detector = Detector::train(&Dataset::unlabelled(table.clone()), &plan)?;
        let alarms = Alarms::new(learned_from.clone(), severity, detector.threshold());
        Ok(Stage::Judging { detector: Box::new(detector), alarms, learned_from })
    }
}

/// The set of features that a detector judges by; an error where it learned from a table of other columns.
pub fn feature_set(detector: &Detector) -> Result<Set, Error> {
    let fields = &detector.schema().fields;
    let lacks = |set: Set| {
        let features = FeatureSet::of(set);
        fields.iter().find(|field| features.features().iter().all(|feature| feature.name != field.name))
    };
    if lacks(Set::Kdd).is_none() {
        let reason = "it judges by KDD's columns: score a table of `lapwing flows --features kdd` with it";
        return Err(Error::Column(reason.into()));
    }
    let sets = [Set::Lapwing, Set::CicFixed, Set::Cic2017Compat];
    sets.into_iter().find(|set| lacks(*set).is_none()).ok_or_else(|| {
        let column = lacks(Set::Lapwing).map_or_else(String::new, |field| printable(&field.name).to_string());
        Error::Column(format!(
            "it judges by column `{column}`, which is no feature of a flow: train it on a table of `lapwing flows`, without \
             that column (--drop)"
        ))
    })
}

/// The span, widened to these flows.
fn widened(span: Option<(Time, Time)>, flows: &[Flow]) -> Option<(Time, Time)> {
    flows.iter().fold(span, |span, flow| {
        let (start, end) = span.unwrap_or((flow.start, flow.end));
        Some((start.min(flow.start), end.max(flow.end)))
    })
}

fn judge(detector: &Detector, alarms: &mut Alarms, flows: &[Flow], table: &Table) -> Result<(), Error> {
    if flows.is_empty() {
        return Ok(());
    }
    let verdicts = detector.judge(table)?;
    if detector.provenance.method.is_supervised() {
        let identities = detector.identify(table, &verdicts)?;
        for ((flow, verdict), identity) in flows.iter().zip(verdicts).zip(identities) {
            let words = |identity| match identity {
                Identity::Known(attack) => printable(attack).to_string(),
                Identity::Unknown => "no known kind".to_owned(),
            };
            alarms.observe(flow, verdict, || identity.map(words).into_iter().collect());
        }
        return Ok(());
    }
    if detector.provenance.method.recipe().scaling != Scaling::Standard {
        flows.iter().zip(verdicts).for_each(|(flow, verdict)| alarms.observe(flow, verdict, Vec::new));
        return Ok(());
    }
    let names = detector.encoder().names();
    for (row, (flow, verdict)) in flows.iter().zip(verdicts).enumerate() {
        let alone = verdict.alarm.then(|| detector.encoder().encode(&table.select(&[row]))).transpose()?;
        alarms.observe(flow, verdict, || alone.map_or_else(Vec::new, |encoded| unusual(&names, encoded.row(0))));
    }
    Ok(())
}

/// The columns in which a standardised row lies furthest from the middle of what was learned, in words.
fn unusual(names: &[String], row: &[f32]) -> Vec<String> {
    let mut columns: Vec<(&String, f32)> = names.iter().zip(row.iter().copied()).collect();
    columns.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(b.0)));
    columns
        .into_iter()
        .take(3)
        .map(|(name, deviations)| match deviations {
            far if far.abs() > 99.0 => format!("{name} (beyond {:+.0} sd)", 99.0_f32.copysign(far)),
            near => format!("{name} ({near:+.1} sd)"),
        })
        .collect()
}

/// Fewer flows show no normal.
const LEAST_ITSELF: usize = 1000;
/// A baseline is chosen by a person, so it may be smaller.
const LEAST_BASELINE: usize = 100;
/// More flows than this teach nothing new and cost memory.
const MOST_FLOWS: usize = 50_000;
