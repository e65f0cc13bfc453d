//! What to tell of a detector, in sentences: the words of its model card (Mitchell et al. 2019).

use flow::printable;

use crate::Detector;

impl Detector {
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
        vec![
            judged,
            how,
            "Its alarms are hints for a person; none of them is a reason to block anything by itself.".into(),
        ]
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
        if provenance.attacks.is_none() {
            limits.push("The rows it learned from had no labels: attacks among them count as normal.".into());
        }
        limits
    }
}
