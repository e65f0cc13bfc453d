//! The anomaly voice: an isolation forest that learns the network's own traffic, or a detector in its place.

use alert::learned::Alarms;
use alert::{Evidence, Severity};
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Table, Time, printable};
use model::evaluation::Rule;
use model::{Dataset, Detector, Method, Plan};

use crate::Error;
use crate::reasons::Judge;

/// How the anomaly voice learns and how loud it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What sets the threshold where no budget does, from what it learns from.
    pub threshold: Rule,
    /// Alerts a day that somebody wants to read, behaviours among them; the line is drawn by a baseline of a week and more.
    /// Default none.
    pub alerts_a_day: Option<f64>,
    /// The most hosts that it speaks of, where no budget says how much it may say. 10: more odd hosts than that are no
    /// oddity.
    pub most_hosts: usize,
    /// Where all random numbers come from.
    pub seed: u64,
    /// Memory for what each host did lately, in bytes. 256 MiB.
    pub hosts_bytes: usize,
}

impl Default for Settings {
    /// One flow in a thousand is odd enough to look at.
    fn default() -> Settings {
        Settings {
            threshold: Rule::Contamination(0.001),
            alerts_a_day: None,
            most_hosts: 10,
            seed: 1,
            hosts_bytes: Hosts::BUDGET_BYTES,
        }
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
    /// Gathers flows to learn from, which it will judge as well.
    Learning { table: Table, flows: Vec<Flow>, span: Option<(Time, Time)> },
    /// Gathers a sample of a baseline.
    Baseline(Sample),
    /// Judges flows.
    Judging { judge: Box<Judge>, alarms: Alarms, learned_from: String },
    /// There was too little to learn from.
    Silent { flows: usize },
}

/// Every so many-th row of a table that grows.
#[derive(Default)]
struct Sample {
    table: Table,
    seen: usize,
    /// Of so many rows one is kept; 0 stands for 1.
    doublings: u32,
    span: Option<(Time, Time)>,
}

impl Anomaly {
    /// A voice that learns from the first flows that it observes.
    pub fn of_itself(settings: &Settings) -> Anomaly {
        let stage = Stage::Learning { table: Table::default(), flows: Vec::new(), span: None };
        Anomaly::at(settings, FeatureSet::lapwing().without_identity(), stage)
    }

    /// A voice that takes what it observes for normal, until [`Anomaly::end_baseline`].
    pub fn of_baseline(settings: &Settings) -> Anomaly {
        Anomaly::at(settings, FeatureSet::lapwing().without_identity(), Stage::Baseline(Sample::default()))
    }

    fn at(settings: &Settings, features: FeatureSet, stage: Stage) -> Anomaly {
        Anomaly { settings: settings.clone(), features, hosts: Hosts::with_budget(settings.hosts_bytes), stage }
    }

    /// Whether more of a baseline would teach it something: without a budget some ten thousands of flows are enough.
    pub fn wants_more(&self) -> bool {
        match &self.stage {
            Stage::Baseline(sample) => self.settings.alerts_a_day.is_some() || sample.table.rows() < MOST_FLOWS,
            Stage::Learning { .. } | Stage::Judging { .. } | Stage::Silent { .. } => true,
        }
    }

    /// Takes what it observed for all that is normal. With a budget, `others_a_day` alerts a day come from the behaviours, and
    /// the rest is its own.
    pub fn end_baseline(&mut self, others_a_day: f64) -> Result<(), Error> {
        // The baseline's hosts have nothing to do with the windows of the capture.
        self.hosts = Hosts::with_budget(self.settings.hosts_bytes);
        match (&mut self.stage, self.settings.alerts_a_day) {
            (Stage::Baseline(sample), None) => {
                let sample = std::mem::take(sample);
                let learned_from = format!("a baseline of {} flows", sample.seen);
                self.stage = self.learn(&sample, learned_from, Severity::Low)?;
            }
            (Stage::Baseline(sample), Some(_)) => {
                let days = sample.span.map_or(0.0, |(start, end)| end.since(start).as_secs_f64() / 86_400.0);
                return Err(Error::BudgetBaseline { days, least: LEARNED_DAYS + CALIBRATED_DAYS });
            }
            (Stage::Judging { alarms, .. }, Some(alerts_a_day)) => {
                let days = alarms.calibrated_days();
                if days < CALIBRATED_DAYS {
                    return Err(Error::BudgetBaseline {
                        days: days + LEARNED_DAYS,
                        least: LEARNED_DAYS + CALIBRATED_DAYS,
                    });
                }
                let none = Alarms::new(String::new(), Severity::Info, 1.0);
                *alarms = std::mem::replace(alarms, none).budgeted((alerts_a_day - others_a_day).max(0.0));
            }
            _ => {}
        }
        Ok(())
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
        let alarms = if settings.alerts_a_day.is_some() { alarms.calibrating() } else { alarms };
        let judge = Box::new(Judge::new(detector, &Table::default())?);
        Ok(Anomaly::at(settings, features, Stage::Judging { judge, alarms, learned_from }))
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
            Stage::Baseline(sample) => {
                sample.add(&table, flows)?;
                // What it learned from scores lower than what it did not; so it is calibrated on what comes after.
                let days = sample.span.map_or(0.0, |(start, end)| end.since(start).as_secs_f64() / 86_400.0);
                if self.settings.alerts_a_day.is_some() && days >= LEARNED_DAYS {
                    let sample = std::mem::take(sample);
                    let learned_from =
                        format!("the first {LEARNED_DAYS:.0} days of the baseline, {} flows", sample.seen);
                    self.stage = self.learn(&sample, learned_from, Severity::Low)?;
                    if let Stage::Judging { alarms, .. } = &mut self.stage {
                        let none = Alarms::new(String::new(), Severity::Info, 1.0);
                        *alarms = std::mem::replace(alarms, none).calibrating();
                    }
                }
                Ok(())
            }
            Stage::Judging { judge, alarms, .. } => judge.judge(alarms, flows, &table),
            Stage::Silent { .. } => Ok(()),
        }
    }

    /// Learns from what was gathered, where nothing was learned before, and judges it.
    pub fn finish(&mut self) -> Result<(), Error> {
        match &self.stage {
            Stage::Learning { .. } => self.learn_from_itself(),
            Stage::Baseline(_) | Stage::Judging { .. } | Stage::Silent { .. } => Ok(()),
        }
    }

    /// The alarms, where it judges.
    pub fn alarms(&self) -> Option<&Alarms> {
        match &self.stage {
            Stage::Judging { alarms, .. } => Some(alarms),
            Stage::Learning { .. } | Stage::Baseline(_) | Stage::Silent { .. } => None,
        }
    }

    /// Evidence about the hosts with the most unusual flows.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.alarms().map_or_else(Vec::new, |alarms| alarms.evidence(self.settings.most_hosts))
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
            Stage::Baseline(sample) => format!("still learning from {} flows of a baseline", sample.seen),
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
        let sample = Sample { seen: table.rows(), table, doublings: 0, span };
        self.stage = self.learn(&sample, learned_from, Severity::Info)?;
        match &mut self.stage {
            Stage::Judging { judge, alarms, .. } => judge.judge(alarms, &flows, &sample.table),
            Stage::Learning { .. } | Stage::Baseline(_) | Stage::Silent { .. } => Ok(()),
        }
    }

    fn learn(&self, sample: &Sample, learned_from: String, severity: Severity) -> Result<Stage, Error> {
        let rows = sample.table.rows();
        if rows < LEAST_BASELINE {
            return Err(Error::Baseline { flows: rows, least: LEAST_BASELINE });
        }
        let plan = Plan {
            method: Method::IsolationForest(model::estimator::IsolationForest::default()),
            rule: self.settings.threshold,
            seed: self.settings.seed,
            ..Plan::default()
        };
        let detector = Detector::train(&Dataset::unlabelled(sample.table.clone()), &plan)?;
        let alarms = Alarms::new(learned_from.clone(), severity, detector.threshold());
        Ok(Stage::Judging { judge: Box::new(Judge::new(detector, &sample.table)?), alarms, learned_from })
    }
}

impl Sample {
    fn add(&mut self, table: &Table, flows: &[Flow]) -> Result<(), Error> {
        self.span = widened(self.span, flows);
        let step = 1 << self.doublings;
        let rows: Vec<usize> = (0..table.rows()).filter(|row| (self.seen + row).is_multiple_of(step)).collect();
        self.seen += table.rows();
        self.table.append(&table.select(&rows))?;
        if self.table.rows() >= 2 * MOST_FLOWS {
            self.doublings += 1;
            self.table = self.table.select(&(0..self.table.rows()).step_by(2).collect::<Vec<usize>>());
        }
        Ok(())
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

/// Fewer flows show no normal.
const LEAST_ITSELF: usize = 1000;
/// A baseline is chosen by a person, so it may be smaller.
const LEAST_BASELINE: usize = 100;
/// More flows than this teach nothing new and cost memory.
const MOST_FLOWS: usize = 50_000;
/// Where a budget is to be kept: the days that it learns from, and the least that draw the line.
const LEARNED_DAYS: f64 = 3.0;
const CALIBRATED_DAYS: f64 = 4.0;
