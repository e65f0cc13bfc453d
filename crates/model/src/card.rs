//! What to tell of a detector, in sentences: the words of its model card (Mitchell et al. 2019).

use flow::printable;

use crate::Detector;
use crate::evaluation::{Finding, Overruled};

impl Detector {
    /// What the audits found, of the training first, then of what it learned on from.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.provenance.findings.iter().chain(self.supplement.continued.iter().flat_map(|of| &of.findings))
    }

    /// The errors of its audits that forbid to run it: neither its card nor these overrule them.
    pub fn forbidding(&self, overruled: &[Overruled]) -> Vec<&Finding> {
        let names = || self.supplement.overruled.iter().chain(overruled).map(|of| of.name.as_str());
        self.findings().filter(|finding| finding.forbids(names())).collect()
    }

    /// What it is for, in sentences.
    pub fn intended_use(&self) -> Vec<String> {
        let provenance = &self.provenance;
        let judged = format!(
            "It judges rows of {} columns as the table had that it was trained on.",
            self.schema().fields.len()
        );
        let how = if provenance.method.is_supervised() {
            "It recognises attacks like those that it was shown.".into()
        } else {
            "It tells what is unlike the rows that it was shown; what is odd need not be an attack.".to_owned()
        };
        let mut uses = vec![judged, how];
        if let Some(calibrator) = self.calibrator() {
            uses.push(format!(
                "Its scores are probabilities ({} calibration): of rows of score 0.8 eight in ten are attacks, where attacks \
                 are as common as in its training.",
                calibrator.calibration().name()
            ));
        }
        if let Some(rate) = self.supplement.refusal_rate {
            uses.push(format!(
                "It gives attacks names, and calls one unknown that no kind of its training fits; of known attacks it may \
                 call {:.1} % so wrongly.",
                100.0 * rate
            ));
        }
        uses.push("Its alarms are hints for a person; none of them is a reason to block anything by itself.".into());
        uses
    }

    /// What not to expect of it, in sentences: what its figures and findings say, and what no figure of one table can.
    pub fn limits(&self) -> Vec<String> {
        let provenance = &self.provenance;
        let mut limits = vec![
            "It was tested on the data set that it was trained on, if at all: on another network expect more false alarms \
             and fewer attacks found, and train it there."
                .to_owned(),
        ];
        let tested = provenance.figures.first().map(|(_, figures)| figures);
        if let Some(figures) = tested {
            let alarms = figures.alarms_a_day(1e6).map(f64::round);
            limits.extend(alarms.map(|alarms| {
                format!("At the false-positive rate of its test, a million benign flows raise {alarms} alarms.")
            }));
            if let Some(recall) = figures.unseen_recall {
                limits.push(format!("Of attacks of kinds that it never saw it found {:.1} %.", 100.0 * recall));
            } else if provenance.method.is_supervised() {
                limits.push("How many attacks of kinds unseen in training it finds was not measured.".into());
            }
            let poor = figures.kinds.iter().filter(|kind| kind.attack && kind.alarms * 2 < kind.rows);
            let poor: Vec<String> =
                poor.map(|kind| format!("{} ({} of {})", printable(&kind.kind), kind.alarms, kind.rows)).collect();
            if !poor.is_empty() {
                limits.push(format!("Of these kinds of attack it found fewer than half: {}.", poor.join(", ")));
            }
            let few = figures.kinds.iter().filter(|kind| kind.attack && kind.rows < 20).count();
            if few > 0 {
                limits
                    .push(format!("{few} kinds of attack had fewer than 20 rows in the test: their figures are luck."));
            }
        } else {
            limits.push("It has no figure on rows that it did not learn from.".into());
        }
        if !self.supplement.continued.is_empty() {
            limits.push(
                "It has learned on since its training: the figures of its training are of what it was then.".into(),
            );
        }
        let overruled = self.supplement.overruled.iter().map(|of| &of.name);
        limits.extend(overruled.map(|name| format!("An error of its audit was overruled: {}.", printable(name))));
        if let (Some(_), Some(attacks)) = (self.calibrator(), provenance.attacks) {
            let share = 100.0 * attacks as f64 / provenance.rows.max(1) as f64;
            limits.push(format!(
                "{share:.1} % of the rows it learned from were attacks; where they are rarer, its scores promise too much."
            ));
        }
        if provenance.attacks.is_none() {
            limits.push("The rows it learned from had no labels: attacks among them count as normal.".into());
        }
        limits
    }
}
